"""The routes of graders and evals, through OpenAI's own client where it can, strict about what it is given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import openai
import pytest
from openai import OpenAI
from openai.types import EvalCreateResponse

from tests.unit import api_server
from tests.unit.api_server import Running
from tuneloop.types import Json

CHECK: Any = {"type": "string_check", "name": "same", "operation": "eq"}
CHECK |= {"input": "{{sample.output_text}}", "reference": "{{item.label}}"}
SIMILAR: Any = {**CHECK, "type": "text_similarity", "name": "similar", "evaluation_metric": "rouge_l"}
PYTHON: Any = {"type": "python", "name": "py", "image_tag": "2025-05-08"}
PYTHON |= {"source": "def grade(sample, item):\n    return float(sample['output_text'] == item['label'])"}
ASKED = [{"role": "user", "content": {"type": "input_text", "text": "{{item.q}} {{sample.output_text}}"}}]
SCORE: Any = {"type": "score_model", "name": "judge", "model": "fake", "input": ASKED, "range": [0, 5]}
LABEL: Any = {**SCORE, "type": "label_model", "name": "label", "labels": ["a", "b"], "passing_labels": ["a"]}
SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}, "label": {"type": "string"}}, "required": ["label"]}
CUSTOM: Any = {"type": "custom", "item_schema": SCHEMA, "include_sample_schema": True}
TEMPLATE = {"type": "template", "template": [{"role": "user", "content": "{{item.label}}"}]}


def data(*labels: Json) -> Any:
    return {"type": "file_content", "content": [{"item": {"q": "?", "label": label}} for label in labels]}


class Api(NamedTuple):
    """A server, and its strict client."""

    server: Running
    openai: OpenAI

    def work(self, run_id: str) -> None:
        """What the queue would do."""
        self.server.loop.eval_runner.run(run_id)

    def post(self, path: str, body: Json, status: int) -> dict[str, Any]:
        """What is answered, which has this status."""
        answered = self.server.client.post(f"/v1{path}", json=body)
        assert answered.status_code == status, answered.text
        found: dict[str, Any] = answered.json()
        return found


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api_server.running(tmp_path_factory.mktemp("home")) as server:
        client = OpenAI(
            base_url=f"{server.url}/v1", api_key=api_server.KEY, max_retries=0, _strict_response_validation=True
        )
        with client:
            yield Api(server, client)


@pytest.fixture
def an_eval(api: Api) -> EvalCreateResponse:
    return api.openai.evals.create(name="e", data_source_config=CUSTOM, testing_criteria=[CHECK])


@pytest.mark.parametrize(
    ("grader", "answer", "reward"),
    [(CHECK, "x", 1), (CHECK, "y", 0), (SIMILAR, "x y", 2 / 3), (PYTHON, "x", 1), (PYTHON, "y", 0)],
)
def test_graders_are_run(api: Api, grader: Any, answer: str, reward: float) -> None:
    ran = api.openai.fine_tuning.alpha.graders.run(grader=grader, model_sample=answer, item={"label": "x"})
    assert ran.reward == pytest.approx(reward)
    assert (ran.metadata.name, ran.metadata.type) == (grader["name"], grader["type"])
    assert ran.sub_rewards == ran.api_model_grader_token_usage_per_model == ran.metadata.scores == {}
    assert ran.metadata.execution_time > 0
    assert True not in ran.metadata.errors.to_dict().values()


def test_a_judge_is_asked_through_the_gateway(api: Api) -> None:
    # The fake answers "Hello!", which is no score: the failure is recorded, and so are the tokens and the call.
    ran = api.openai.fine_tuning.alpha.graders.run(grader=SCORE, model_sample="x", item={"q": "what?"})
    assert ran.reward == 0 and ran.metadata.errors.api_model_grader_parse_error
    assert (ran.metadata.sampled_model_name, ran.metadata.token_usage) == ("fake", 5)
    assert ran.api_model_grader_token_usage_per_model == {
        "fake": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "cached_tokens": 0}
    }
    (log,) = api.server.client.get("/v1/logs", params={"where": "user = graders", "limit": 1}).json()["data"]
    assert log["request"]["messages"][0]["content"].startswith("what? x")


def test_a_multi_grader_and_a_label(api: Api) -> None:
    multi = {"type": "multi", "name": "m", "graders": {"a": CHECK, "b": PYTHON}, "calculate_output": "a / 2 + b"}
    path = "/fine_tuning/alpha/graders/run"
    ran = api.post(path, {"grader": multi, "model_sample": "x", "item": {"label": "x"}}, 200)
    assert ran["reward"] == 1.5 and ran["sub_rewards"] == ran["metadata"]["scores"] == {"a": 1.0, "b": 1.0}
    ran = api.post(path, {"grader": LABEL, "model_sample": "x", "item": {"q": "?"}}, 200)
    assert ran["reward"] == 0 and ran["metadata"]["errors"]["model_grader_parse_error"] is True
    ran = api.post(path, {"grader": {**SCORE, "model": "unknown"}, "model_sample": "x", "item": {"q": "?"}}, 200)
    assert "unknown" in ran["metadata"]["errors"]["model_grader_server_error_details"]


@pytest.mark.parametrize("grader", [CHECK, SIMILAR, PYTHON, SCORE])
def test_graders_are_checked(api: Api, grader: Any) -> None:
    checked = api.openai.fine_tuning.alpha.graders.validate(grader=grader)
    assert checked.grader is not None and checked.grader.to_dict() == grader


@pytest.mark.parametrize("route", ["run", "validate"])
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "grader"),
        ({"grader": None}, "grader"),
        ({"grader": {**CHECK, "operation": "neq"}}, "grader.operation"),
        ({"grader": {**PYTHON, "source": "x = 1"}}, "grader.source"),
        (
            {"grader": {"type": "multi", "name": "m", "graders": {"a": CHECK}, "calculate_output": "b"}},
            "grader.calculate_output",
        ),
    ],
)
def test_invalid_graders_are_refused(api: Api, route: str, body: Json, param: str) -> None:
    error = api.post(f"/fine_tuning/alpha/graders/{route}", {"model_sample": "x", **body}, 400)["error"]
    assert (error["param"], error["type"]) == (param, "invalid_request_error") and error["message"]


@pytest.mark.parametrize(
    ("more", "param"),
    [({}, "model_sample"), ({"model_sample": 5}, "model_sample"), ({"model_sample": "x", "item": []}, "item")],
)
def test_what_a_run_of_a_grader_needs(api: Api, more: Json, param: str) -> None:
    assert api.post("/fine_tuning/alpha/graders/run", {"grader": CHECK, **more}, 400)["error"]["param"] == param


def test_an_eval(api: Api) -> None:
    criteria = [CHECK, {**SIMILAR, "pass_threshold": 0.5}, {**PYTHON, "pass_threshold": 1}, SCORE, LABEL]
    evals = api.openai.evals
    made = evals.create(name="n", data_source_config=CUSTOM, testing_criteria=criteria, metadata={"k": "v"})
    assert (made.object, made.name, made.metadata) == ("eval", "n", {"k": "v"})
    assert [criterion.to_dict() for criterion in made.testing_criteria] == criteria
    config = made.data_source_config.to_dict()
    assert set(config) == {"type", "schema"}
    assert config["schema"]["required"] == ["item", "sample"] and config["schema"]["properties"]["item"] == SCHEMA  # type: ignore[index]
    assert evals.retrieve(made.id).to_dict() == made.to_dict()
    changed = evals.update(made.id, name="other", metadata={"a": "b"})
    assert (changed.name, changed.metadata, changed.created_at) == ("other", {"a": "b"}, made.created_at)
    assert evals.update(made.id, metadata=None).metadata is None
    assert evals.update(made.id).name == "other"
    gone = evals.delete(made.id)
    assert (gone.deleted, gone.eval_id, gone.object) == (True, made.id, "eval.deleted")
    with pytest.raises(openai.NotFoundError):
        evals.retrieve(made.id)


@pytest.mark.parametrize("kind", ["logs", "stored_completions"])
def test_an_eval_of_stored_answers(api: Api, kind: Any) -> None:
    made = api.openai.evals.create(data_source_config={"type": kind, "metadata": {"k": "v"}}, testing_criteria=[CHECK])
    config = made.data_source_config.to_dict()
    assert (config["type"], config["metadata"]) == (kind, {"k": "v"}) and config["schema"]
    assert made.name == made.id


def test_created_is_201(api: Api, an_eval: EvalCreateResponse) -> None:
    api.post("/evals", {"data_source_config": CUSTOM, "testing_criteria": [CHECK]}, 201)
    api.post(f"/evals/{an_eval.id}/runs", {"data_source": {"type": "jsonl", "source": data("x")}}, 201)


def test_lists_of_evals(api: Api) -> None:
    evals = api.openai.evals
    made = [evals.create(name=str(n), data_source_config=CUSTOM, testing_criteria=[CHECK]).id for n in range(3)]
    evals.update(made[0], name="later")
    assert [e.id for e in evals.list(limit=2)][-3:] == made
    assert [e.id for e in evals.list(order="desc", limit=1)][:3] == made[::-1]
    by_update = [e.id for e in evals.list(order="desc", order_by="updated_at", limit=2)]
    assert by_update[:3] == [made[0], made[2], made[1]]
    assert [e.id for e in evals.list(order_by="updated_at", limit=2)] == by_update[::-1]
    page = evals.list(limit=1, after=made[0])
    assert [e.id for e in page.data] == [made[1]] and page.has_more
    raw = api.server.client.get("/v1/evals?limit=1").json()
    assert raw["object"] == "list" and raw["first_id"] == raw["last_id"] == raw["data"][0]["id"]


def test_a_run(api: Api, an_eval: EvalCreateResponse) -> None:
    runs = api.openai.evals.runs
    source: Any = {"type": "completions", "model": "fake", "source": data("Hello!", "x"), "input_messages": TEMPLATE}
    made = runs.create(an_eval.id, name="r", metadata={"k": "v"}, data_source=source)
    assert (made.object, made.status, made.model, made.name) == ("eval.run", "queued", "fake", "r")
    assert (made.eval_id, made.metadata) == (an_eval.id, {"k": "v"})
    assert made.data_source.to_dict() == source
    assert made.result_counts.to_dict() == {"total": 0, "passed": 0, "failed": 0, "errored": 0}
    assert made.report_url.startswith(api.server.url)
    assert runs.retrieve(made.id, eval_id=an_eval.id).to_dict() == made.to_dict()
    assert [r.id for r in runs.list(an_eval.id, status="queued")] == [made.id]
    api.work(made.id)
    done = runs.retrieve(made.id, eval_id=an_eval.id)
    assert (done.status, done.error.message) == ("completed", "")
    assert done.result_counts.to_dict() == {"total": 2, "passed": 1, "failed": 1, "errored": 0}
    assert [r.to_dict() for r in done.per_testing_criteria_results] == [
        {"testing_criteria": "same", "passed": 1, "failed": 1}
    ]
    assert [u.run_model_name for u in done.per_model_usage] == ["fake"]
    assert not list(runs.list(an_eval.id, status="queued"))


def test_output_items(api: Api, an_eval: EvalCreateResponse) -> None:
    runs = api.openai.evals.runs
    items = runs.output_items
    source: Any = {"type": "completions", "model": "fake", "source": data("Hello!", "x"), "input_messages": TEMPLATE}
    made = runs.create(an_eval.id, data_source=source)
    api.work(made.id)
    both = list(items.list(made.id, eval_id=an_eval.id, limit=1))
    assert [(i.datasource_item_id, i.status) for i in both] == [(0, "pass"), (1, "fail")]
    assert [i.id for i in items.list(made.id, eval_id=an_eval.id, status="fail")] == [both[1].id]
    assert [i.id for i in items.list(made.id, eval_id=an_eval.id, status="pass")] == [both[0].id]
    assert [i.id for i in items.list(made.id, eval_id=an_eval.id, order="desc")] == [both[1].id, both[0].id]
    one = items.retrieve(both[0].id, eval_id=an_eval.id, run_id=made.id)
    assert one.to_dict() == both[0].to_dict()
    assert one.datasource_item == {"q": "?", "label": "Hello!"}
    assert (one.sample.output[0].content, one.sample.usage.total_tokens) == ("Hello!", 5)
    with pytest.raises(openai.BadRequestError):
        runs.cancel(made.id, eval_id=an_eval.id)
    gone = runs.delete(made.id, eval_id=an_eval.id)
    assert (gone.deleted, gone.run_id, gone.object) == (True, made.id, "eval.run.deleted")
    with pytest.raises(openai.NotFoundError):
        items.list(made.id, eval_id=an_eval.id)


FUNCTION = {"name": "f", "parameters": {"type": "object", "properties": {}}}
FORMAT = {"name": "n", "schema": {"type": "object", "properties": {}}, "strict": True}
REFERENCE = {"type": "item_reference", "item_reference": "item.label"}


@pytest.mark.parametrize(
    "source",
    [
        {"type": "jsonl", "source": {**data(), "content": [{"item": {"label": "x"}, "sample": {"output_text": "x"}}]}},
        {"type": "completions", "source": {"type": "stored_completions", "metadata": {"a": "b"}, "limit": 3}},
        {
            "type": "completions",
            "model": "fake",
            "source": data("x"),
            "input_messages": REFERENCE,
            "sampling_params": {
                "temperature": 0.5,
                "top_p": 0.9,
                "seed": 1,
                "max_completion_tokens": 5,
                "reasoning_effort": "low",
                "response_format": {"type": "json_schema", "json_schema": FORMAT},
                "tools": [{"type": "function", "function": FUNCTION}],
            },
        },
        {
            "type": "responses",
            "model": "fake",
            "source": data("x"),
            "input_messages": TEMPLATE,
            "sampling_params": {
                "text": {"format": {"type": "json_schema", **FORMAT}},
                "tools": [{"type": "function", **FUNCTION, "strict": True}],
            },
        },
    ],
)
def test_every_kind_of_data_source(api: Api, an_eval: EvalCreateResponse, source: Any) -> None:
    runs = api.openai.evals.runs
    made = runs.create(an_eval.id, data_source=source)
    assert made.data_source.to_dict() == source
    api.work(made.id)
    done = runs.retrieve(made.id, eval_id=an_eval.id)
    expected = "failed" if source["source"]["type"] == "stored_completions" else "completed"  # there are none
    assert (done.status, bool(done.error.code)) == (expected, expected == "failed"), done.error
    for item in runs.output_items.list(made.id, eval_id=an_eval.id):
        assert item.status in ("pass", "fail")


@pytest.mark.parametrize("suffix", ["", "/cancel"])
def test_cancelling(api: Api, an_eval: EvalCreateResponse, suffix: str) -> None:
    made = api.openai.evals.runs.create(an_eval.id, data_source={"type": "jsonl", "source": data("x")})
    path = f"/evals/{an_eval.id}/runs/{made.id}{suffix}"
    answered = api.server.client.post(f"/v1{path}")  # without a body
    assert (answered.status_code, answered.json()["status"]) == (200, "canceled")
    assert [r.id for r in api.openai.evals.runs.list(an_eval.id, status="canceled")] == [made.id]
    error = api.post(path, {}, 400)["error"]
    assert error["param"] == "run_id" and "canceled" in error["message"]


def test_runs_are_paged_oldest_first(api: Api, an_eval: EvalCreateResponse) -> None:
    runs = api.openai.evals.runs
    made = [runs.create(an_eval.id, data_source={"type": "jsonl", "source": data("x")}).id for _ in range(3)]
    assert [r.id for r in runs.list(an_eval.id, limit=1)] == made
    assert [r.id for r in runs.list(an_eval.id, limit=2, order="desc")] == made[::-1]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"data_source_config": None}, "data_source_config"),
        ({"data_source_config": []}, "data_source_config"),
        ({"data_source_config": {"type": "files"}}, "data_source_config.type"),
        ({"data_source_config": {"type": "custom"}}, "data_source_config.item_schema"),
        ({"data_source_config": {"type": "custom", "item_schema": {"type": "x"}}}, "data_source_config.item_schema"),
        ({"data_source_config": {"type": "custom", "item_schema": {"$ref": "#"}}}, "data_source_config.item_schema"),
        (
            {"data_source_config": {"type": "custom", "item_schema": {"$ref": "http://127.0.0.1:9/x"}}},
            "data_source_config.item_schema",
        ),
        ({"data_source_config": {**CUSTOM, "include_sample_schema": "x"}}, "data_source_config.include_sample_schema"),
        ({"data_source_config": {"type": "logs", "metadata": 5}}, "data_source_config.metadata"),
        ({"data_source_config": {"type": "logs", "metadata": {"a": 5}}}, "data_source_config.metadata.a"),
        ({"testing_criteria": None}, "testing_criteria"),
        ({"testing_criteria": []}, "testing_criteria"),
        ({"testing_criteria": [CHECK, 5]}, "testing_criteria[1]"),
        ({"testing_criteria": [{**CHECK, "input": 5}]}, "testing_criteria[0].input"),
        ({"testing_criteria": [SIMILAR]}, "testing_criteria[0].pass_threshold"),
        ({"testing_criteria": [{**PYTHON, "pass_threshold": "x"}]}, "testing_criteria[0].pass_threshold"),
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"metadata": {"k": 5}}, "metadata"),
    ],
)
def test_invalid_evals_are_refused(api: Api, change: Json, param: str) -> None:
    error = api.post("/evals", {"data_source_config": CUSTOM, "testing_criteria": [CHECK], **change}, 400)["error"]
    assert error["param"] == param and error["message"]


SAMPLED = {"type": "completions", "model": "fake", "source": data("x"), "input_messages": TEMPLATE}


@pytest.mark.parametrize(
    ("source", "param", "said"),
    [
        (None, "data_source", ""),
        ([], "data_source", ""),
        ({}, "data_source.type", ""),
        ({"type": "csv"}, "data_source.type", ""),
        ({"type": "jsonl"}, "data_source.source", ""),
        ({"type": "jsonl", "source": {"type": "stored_completions"}}, "data_source.source.type", ""),
        ({"type": "jsonl", "source": {"type": "file_content"}}, "data_source.source.content", ""),
        ({"type": "jsonl", "source": data()}, "data_source.source.content", "no rows"),
        ({"type": "jsonl", "source": {**data(), "content": [5]}}, "data_source.source.content[0]", "Row 1"),
        ({"type": "jsonl", "source": {**data(), "content": [{"q": 1}]}}, "data_source.source.content[0]", "Row 1"),
        ({"type": "jsonl", "source": data("x", "y", 3)}, "data_source.source.content[2]", "Row 3 does not fit"),
        ({"type": "jsonl", "source": {"type": "file_id"}}, "data_source.source.id", ""),
        ({"type": "jsonl", "source": {"type": "file_id", "id": "file-x"}}, "data_source.source.id", "file-x"),
        ({**SAMPLED, "model": None}, "data_source.model", ""),
        ({**SAMPLED, "input_messages": None}, "data_source.input_messages", "what is 'fake' to be asked"),
        ({**SAMPLED, "input_messages": {"type": "x"}}, "data_source.input_messages.type", ""),
        ({**SAMPLED, "input_messages": {"type": "template"}}, "data_source.input_messages.template", ""),
        (
            {**SAMPLED, "input_messages": {"type": "item_reference", "item_reference": "sample.x"}},
            "data_source.input_messages.item_reference",
            "",
        ),
        ({**SAMPLED, "sampling_params": []}, "data_source.sampling_params", ""),
        ({**SAMPLED, "sampling_params": {"temperature": 3}}, "data_source.sampling_params.temperature", ""),
        ({**SAMPLED, "sampling_params": {"seed": "x"}}, "data_source.sampling_params.seed", ""),
        ({**SAMPLED, "sampling_params": {"tools": [{"type": "web"}]}}, "data_source.sampling_params.tools[0]", ""),
        ({**SAMPLED, "source": {"type": "stored_completions", "limit": 0}}, "data_source.source.limit", ""),
        ({"type": "responses", "source": {"type": "responses"}}, "data_source.source.type", "file_content"),
    ],
)
def test_invalid_runs_are_refused(api: Api, an_eval: EvalCreateResponse, source: Json, param: str, said: str) -> None:
    error = api.post(f"/evals/{an_eval.id}/runs", {"data_source": source}, 400)["error"]
    assert error["param"] == param and said in error["message"]


def test_a_run_of_an_unknown_model(api: Api, an_eval: EvalCreateResponse) -> None:
    error = api.post(f"/evals/{an_eval.id}/runs", {"data_source": {**SAMPLED, "model": "nope"}}, 404)["error"]
    assert (error["code"], error["param"]) == ("model_not_found", "data_source.model")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (['{"item": {"label": "x"}}', "", '{"item": {"label": 3}}'], "Row 3 does not fit"),
        (['{"item": {"label": "x"}}', "nope"], "Row 2 is not JSON"),
        (["", " "], "no rows"),
        (['["x"]'], 'Row 1 must be an object with an object "item"'),
    ],
)
def test_a_files_row_is_named(api: Api, an_eval: EvalCreateResponse, content: list[str], said: str) -> None:
    file = api.openai.files.create(file=("rows.jsonl", "\n".join(content).encode()), purpose="evals")
    source = {"type": "jsonl", "source": {"type": "file_id", "id": file.id}}
    error = api.post(f"/evals/{an_eval.id}/runs", {"data_source": source}, 400)["error"]
    assert error["param"] == "data_source.source.id" and said in error["message"]


def test_what_there_is_not(api: Api, an_eval: EvalCreateResponse) -> None:
    other = api.openai.evals.create(data_source_config=CUSTOM, testing_criteria=[CHECK])
    run = api.openai.evals.runs.create(other.id, data_source={"type": "jsonl", "source": data("x")})
    client, inside = api.server.client, f"/v1/evals/{an_eval.id}/runs"
    for method, path in [
        *((method, "/v1/evals/nope") for method in ("GET", "POST", "DELETE")),
        ("GET", "/v1/evals/nope/runs"),
        ("POST", "/v1/evals/nope/runs"),
        *((method, f"{inside}/{run.id}") for method in ("GET", "POST", "DELETE")),  # of another eval
        ("POST", f"{inside}/{run.id}/cancel"),
        ("GET", f"{inside}/{run.id}/output_items"),
        ("GET", f"/v1/evals/{other.id}/runs/{run.id}/output_items/nope"),
        ("GET", "/v1/evals?after=nope"),
    ]:
        answered = client.request(method, path, json={} if method == "POST" else None)
        assert answered.status_code == 404 and answered.json()["error"]["message"], (method, path)
    for query in ("limit=0", "limit=x", "order=up", "order_by=name"):
        answered = client.get(f"/v1/evals?{query}")
        assert answered.status_code == 400 and answered.json()["error"]["param"] == query.partition("=")[0]
    assert client.get(f"{inside}?status=done").json()["error"]["param"] == "status"


def test_bytes_that_are_no_json(api: Api) -> None:
    for path in ("/v1/evals", "/v1/fine_tuning/alpha/graders/run"):
        answered = api.server.client.post(path, content=b"{", headers={"Content-Type": "application/json"})
        assert answered.status_code == 400 and json.loads(answered.text)["error"]["type"] == "invalid_request_error"
