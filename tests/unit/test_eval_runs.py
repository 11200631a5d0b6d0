"""The work of eval runs around a scripted gateway: order, counts, failures, cancelling, going on after a kill."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tuneloop import files
from tuneloop.errors import EngineError, InvalidInput, NotFound
from tuneloop.eval_types import EvalItem, EvalRun
from tuneloop.evals import definitions, runs
from tuneloop.evals.running import Runner
from tuneloop.graders.asking import Aborted, Gateway
from tuneloop.store import Store, eval_tables
from tuneloop.types import Json, Log

SAME = {"type": "string_check", "name": "same", "operation": "eq"}
SAME |= {"input": "{{sample.output_text}}", "reference": "{{item.label}}"}
LIKE = {"type": "text_similarity", "name": "like", "evaluation_metric": "fuzzy_match", "pass_threshold": 0.5}
LIKE |= {"input": "{{sample.output_text}}", "reference": "{{item.label}}"}
JUDGE = {"type": "score_model", "name": "judge", "model": "judge", "range": [0, 10], "pass_threshold": 6}
JUDGE |= {"input": [{"role": "user", "content": "{{sample.output_text}}"}]}
SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}, "label": {"type": "string"}}, "required": ["q"]}
ASKED = {"type": "template", "template": [{"role": "user", "content": "{{item.q}}"}]}


class Scripted(Gateway):
    """Answers a question with itself, unless told otherwise."""

    def __init__(self, answer: Callable[[str, str], str] = lambda model, question: question) -> None:
        super().__init__("http://nowhere", "key", embedder="e")
        self.answer = answer
        self.bodies: list[dict[str, Any]] = []
        self.aborted = threading.Event()

    def __call__(self, path: str, body: Mapping[str, Json]) -> dict[str, Any]:
        self.bodies.append(dict(body))
        message = {"role": "assistant", "content": self.answer(body["model"], body["messages"][-1]["content"])}
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {"model": f"{body['model']}-1", "choices": [choice], "usage": usage}

    def abort(self) -> None:
        self.aborted.set()


def sampling(rows: list[Json], **more: Json) -> dict[str, Json]:
    source = {"type": "file_content", "content": rows}
    return {"type": "completions", "model": "m", "source": source, "input_messages": ASKED, **more}


def row(question: str, label: str) -> dict[str, Json]:
    return {"item": {"q": question, "label": label}}


def create(store: Store, data_source: Json, *criteria: Json, config: Json = None) -> EvalRun:
    config = config or {"type": "custom", "item_schema": SCHEMA, "include_sample_schema": True}
    request = {"data_source_config": config, "testing_criteria": list(criteria or [SAME])}
    of = definitions.create(store, request)
    return runs.create(store, of.id, {"data_source": data_source}, knows=lambda name: None)


def runner(store: Store, gateway: Gateway) -> Runner:
    def no_python(source: str, sample: Mapping[str, Json], item: Mapping[str, Json]) -> float:
        return float(item["label"])

    return Runner(store=store, gateway=lambda run_id: gateway, run_python=no_python, concurrency=3)


def run(store: Store, made: EvalRun, gateway: Gateway | None = None) -> EvalRun:
    runner(store, gateway or Scripted()).run(made.id)
    return store.eval_runs.get(made.id)


def items(store: Store, made: EvalRun) -> list[EvalItem]:
    return store.eval_items.all(eval_tables.eval_items.c.run_id == made.id)[::-1]


def counts(made: EvalRun) -> tuple[int, ...]:
    return tuple(made.report["result_counts"][name] for name in ("total", "passed", "failed", "errored"))


def test_a_model_is_sampled_and_graded(store: Store) -> None:
    gateway = Scripted(lambda model, question: '{"result": 7}' if model == "judge" else question)
    asked = sampling(
        [row("a", "a"), row("bb", "bc"), row("c", "xyz")],
        sampling_params={"temperature": 0, "max_completions_tokens": 9, "seed": 1},
    )
    done = run(store, create(store, asked, SAME, LIKE, JUDGE), gateway)
    assert (done.status, done.error, done.model, done.name) == ("completed", None, "m", "m")
    assert counts(done) == (3, 1, 2, 0)
    assert done.report["per_testing_criteria_results"] == [
        {"testing_criteria": "same", "passed": 1, "failed": 2},
        {"testing_criteria": "like", "passed": 2, "failed": 1},
        {"testing_criteria": "judge", "passed": 3, "failed": 0},
    ]
    taken = {"invocation_count": 3, "prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15, "cached_tokens": 0}
    assert done.report["per_model_usage"] == [{"model_name": "judge", **taken}, {"model_name": "m", **taken}]
    first, second, third = items(store, done)
    assert [item.status for item in (first, second, third)] == ["pass", "fail", "fail"]
    assert [item.position for item in (first, second, third)] == [0, 1, 2]
    assert second.item == {"q": "bb", "label": "bc"}
    assert [(r["name"], r["type"], r["passed"], r["score"]) for r in second.results] == [
        ("same", "string_check", False, 0.0),
        ("like", "text_similarity", True, 0.5),
        ("judge", "score_model", True, 7.0),
    ]
    assert second.results[2]["sample"]["output"] == [{"role": "assistant", "content": '{"result": 7}'}]
    assert first.sample == {
        "model": "m-1",
        "input": [{"role": "user", "content": "a"}],
        "output": [{"role": "assistant", "content": "a"}],
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "cached_tokens": 0},
        "error": {"code": "", "message": ""},
        "seed": 1,
        "temperature": 0,
        "top_p": 1.0,
        "max_completion_tokens": 9,
    }
    sent = next(body for body in gateway.bodies if body["model"] == "m")
    assert {name: sent[name] for name in ("temperature", "max_completion_tokens", "seed", "top_p")} == {
        "temperature": 0,
        "max_completion_tokens": 9,
        "seed": 1,
        "top_p": 1.0,
    }


def test_answers_in_the_data_are_graded(sqlite_store: Store) -> None:
    rows = [
        {**row("a", "x"), "sample": {"output_text": "x"}},
        {
            **row("a", "x"),
            "sample": {"model": "other", "choices": [{"message": {"role": "assistant", "content": "x"}}]},
        },
        {**row("a", "x"), "sample": {"output_text": "y", "usage": {"prompt_tokens": 4}}},
        row("a", "x"),
    ]
    source = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
    done = run(sqlite_store, create(sqlite_store, source))
    assert (done.status, done.model, done.name, counts(done)) == ("completed", "", done.id, (4, 2, 1, 1))
    assert done.report["per_model_usage"] == []
    first, second, third, fourth = items(sqlite_store, done)
    assert first.sample["output"] == second.sample["output"] == [{"role": "assistant", "content": "x"}]
    assert (second.sample["model"], third.sample["usage"]["prompt_tokens"]) == ("other", 4)
    assert fourth.status == "error" and fourth.results[0]["errors"]["invalid_variable_error"] is True
    assert (fourth.results[0]["passed"], fourth.results[0]["score"], fourth.sample["output"]) == (False, 0.0, [])
    assert done.report["per_testing_criteria_results"] == [{"testing_criteria": "same", "passed": 2, "failed": 1}]


def test_rows_of_a_file(store: Store) -> None:
    content = b'{"item": {"q": "a", "label": "a"}}\n\n{"item": {"q": "b", "label": "x"}}'
    file = files.create(store, "rows.jsonl", "evals", [content])
    made = create(store, {**sampling([]), "source": {"type": "file_id", "id": file.id}})
    files.delete(store, file.id)  # the run has what it needs
    done = run(store, made)
    assert counts(done) == (2, 1, 1, 0)
    with pytest.raises(NotFound):  # and lets go of it
        store.blobs.open(file.sha256)


def test_other_ways_to_ask(sqlite_store: Store) -> None:
    gateway = Scripted()
    asked = {"type": "item_reference", "item_reference": "item.asked"}
    config = {"type": "custom", "item_schema": {}}
    parts = [{"type": "input_text", "text": "{{item.q}}"}, {"type": "input_image", "image_url": "data:x"}]
    rows = [
        {"item": {"asked": "hi", "label": "hi"}},
        {"item": {"asked": [{"role": "system", "content": "s"}, {"role": "user", "content": parts}], "label": "{{"}},
        {"item": {"asked": 5}},
        {"item": {}},
    ]
    done = run(sqlite_store, create(sqlite_store, sampling(rows, input_messages=asked), config=config), gateway)
    assert counts(done) == (4, 1, 1, 2)
    bodies = sorted(gateway.bodies, key=lambda body: len(body["messages"]))
    assert bodies[0]["messages"] == [{"role": "user", "content": "hi"}]
    assert bodies[1]["messages"][1]["content"] == [
        {"type": "text", "text": "{{item.q}}"},  # data is no template
        {"type": "image_url", "image_url": {"url": "data:x", "detail": "auto"}},
    ]
    errors = [item.sample["error"]["code"] for item in items(sqlite_store, done)]
    assert errors == ["", "", "sampling_error", "invalid_variable_error"]


def test_a_response_is_asked_for_as_a_chat(sqlite_store: Store) -> None:
    gateway = Scripted()
    schema = {"type": "object", "properties": {}}
    function = {"name": "f", "parameters": schema}
    params = {
        "text": {"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True}},
        "tools": [{"type": "function", **function}],
        "reasoning_effort": "low",
    }
    asked = {**sampling([row("a", "a")], sampling_params=params), "type": "responses"}
    assert counts(run(sqlite_store, create(sqlite_store, asked), gateway)) == (1, 1, 0, 0)
    (body,) = gateway.bodies
    inner = {"name": "n", "schema": schema, "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": inner}
    assert body["tools"] == [{"type": "function", "function": function}] and body["reasoning_effort"] == "low"


@pytest.mark.parametrize(
    ("criterion", "label", "status"),
    [
        ({"type": "python", "name": "p", "source": "def grade(s, i): ..."}, "0.5", "pass"),
        ({"type": "python", "name": "p", "source": "def grade(s, i): ..."}, "0.4", "fail"),
        ({"type": "python", "name": "p", "source": "def grade(s, i): ...", "pass_threshold": 0.3}, "0.4", "pass"),
        ({"type": "python", "name": "p", "source": "def grade(s, i): ..."}, "x", "error"),
        ({**JUDGE, "pass_threshold": None}, '{"result": 5}', "pass"),
        ({**JUDGE, "pass_threshold": None}, '{"result": 4.9}', "fail"),
        ({**JUDGE, "pass_threshold": 0}, "what?", "error"),
        ({"type": "multi", "name": "x", "graders": {"a": SAME}, "calculate_output": "a / 2"}, "q", "pass"),
    ],
)
def test_thresholds(sqlite_store: Store, criterion: Json, label: str, status: str) -> None:
    gateway = Scripted(lambda model, question: label if model == "judge" else question)
    done = run(sqlite_store, create(sqlite_store, sampling([row("q", label)]), criterion), gateway)
    assert [item.status for item in items(sqlite_store, done)] == [status]


def test_a_call_that_fails_is_an_error_of_its_row(sqlite_store: Store) -> None:
    def answer(model: str, question: str) -> str:
        if question == "b":
            raise EngineError("the engine died")
        return question

    done = run(sqlite_store, create(sqlite_store, sampling([row(q, q) for q in "abc"])), Scripted(answer))
    assert (done.status, counts(done)) == ("completed", (3, 2, 0, 1))
    failed = items(sqlite_store, done)[1]
    assert (failed.status, failed.results) == ("error", [])
    assert failed.sample["error"] == {"code": "upstream_error", "message": "the engine died"}
    assert failed.sample["model"] == "m"


def test_a_run_that_was_killed_goes_on(store: Store) -> None:
    class Killed(BaseException):
        """kill -9."""

    def answer(model: str, question: str) -> str:
        if question == "20":
            raise Killed
        return question

    made = create(store, sampling([row(str(n), str(n)) for n in range(40)]))
    with pytest.raises(Killed):
        run(store, made, Scripted(answer))
    assert store.eval_runs.get(made.id).status == "in_progress"
    kept = items(store, made)
    assert [item.position for item in kept] == list(range(20))
    gateway = Scripted()
    done = run(store, made, gateway)
    assert counts(done) == (40, 40, 0, 0) and done.report["per_model_usage"][0]["invocation_count"] == 40
    assert [item.position for item in items(store, done)] == list(range(40))
    assert items(store, done)[:20] == kept
    assert sorted(int(body["messages"][0]["content"]) for body in gateway.bodies) == list(range(20, 40))
    before = store.eval_runs.get(made.id)
    assert run(store, made, Scripted(answer)) == before


@pytest.mark.parametrize("how", ["cancel", "delete run", "delete eval"])
def test_cancelling_stops_the_work(sqlite_store: Store, how: str) -> None:
    store = sqlite_store
    started = threading.Event()

    def answer(model: str, question: str) -> str:
        started.set()
        gateway.aborted.wait(30)
        raise Aborted

    gateway = Scripted(answer)
    made = create(store, sampling([row("a", "a")] * 100))
    working = threading.Thread(target=runner(store, gateway).run, args=[made.id])
    working.start()
    assert started.wait(10)
    if how == "cancel":
        assert runs.cancel(store, made.eval_id, made.id).status == "canceled"
        with pytest.raises(InvalidInput, match="it is canceled"):
            runs.cancel(store, made.eval_id, made.id)
    elif how == "delete run":
        runs.delete(store, made.eval_id, made.id)
    else:
        definitions.delete(store, made.eval_id)
    begun = time.monotonic()
    working.join(10)
    assert not working.is_alive() and time.monotonic() - begun < 5
    assert len(gateway.bodies) < 20 and items(store, made) == []


def test_what_ends_is_announced(sqlite_store: Store) -> None:
    store = sqlite_store
    done = run(store, create(store, sampling([row("a", "a")])))
    canceled = create(store, sampling([row("a", "a")]))
    runs.cancel(store, canceled.eval_id, canceled.id)
    assert run(store, canceled).status == "canceled"
    empty = run(store, create(store, {"type": "completions", "source": {"type": "stored_completions"}}))
    assert (empty.status, (empty.error or {})["code"]) == ("failed", "no_rows")
    told = {(one.type, one.subject) for one in store.announcements.all()}
    assert told == {
        ("eval.run.succeeded", done.id),
        ("eval.run.canceled", canceled.id),
        ("eval.run.failed", empty.id),
    }


def stored(number: int, **fields: Any) -> Log:
    request = f'{{"model": "m", "store": true, "messages": [{{"role": "user", "content": "q{number}"}}]}}'
    response = (
        f'{{"id": "chatcmpl-{number}", "object": "chat.completion", "model": "m-1", "choices": [{{"index": 0, '
        f'"message": {{"role": "assistant", "content": "q{number}"}}, "finish_reason": "stop"}}], '
        '"usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}}'
    )
    given = {"metadata": {"k": "v"}, "model": "m", **fields}
    return Log(
        id=f"log_{number:04d}",
        created_at=1000.0 + number,
        source="gateway",
        endpoint="/v1/chat/completions",
        status=200,
        response_id=f"chatcmpl-{number}",
        request=request.encode(),
        response=response.encode(),
        **given,
    )


FROM_STORE = {"type": "string_check", "name": "s", "operation": "eq"}
FROM_STORE |= {"input": "{{sample.output_text}}", "reference": "{{item.input[0].content}}"}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"limit": 2}, [0, 1]),
        ({"metadata": {"n": "odd"}}, [1, 3]),
        ({"model": "m"}, [0, 1, 2, 3]),
        ({"created_after": 1002, "created_before": 1003}, [2, 3]),
        ({"created_after": 0, "created_before": 1001}, [0, 1]),
    ],
)
def test_stored_completions(store: Store, filters: dict[str, Json], expected: list[int]) -> None:
    odd = {1: {"k": "v", "n": "odd"}, 3: {"k": "v", "n": "odd"}}
    logs = [stored(n, metadata=odd.get(n, {"k": "v"}), model="other" if n == 4 else "m") for n in range(5)]
    store.logs.add([*logs, stored(9, metadata={"k": "w"})])
    config = {"type": "stored_completions", "metadata": {"k": "v"}}
    source = {"type": "stored_completions", **filters}
    done = run(store, create(store, {"type": "completions", "source": source}, FROM_STORE, config=config))
    found = items(store, done)
    assert [item.item["id"] for item in found] == [f"chatcmpl-{n}" for n in expected]
    assert counts(done) == (len(expected), len(expected), 0, 0)
    assert found[0].item["input"] == [{"role": "user", "content": f"q{expected[0]}"}]
    assert found[0].sample["model"] == "m-1" and found[0].sample["usage"]["total_tokens"] == 6


def test_what_was_asked_is_asked_again(sqlite_store: Store) -> None:
    sqlite_store.logs.add([stored(n) for n in range(2)])
    config = {"type": "logs"}
    source = {"type": "completions", "model": "new", "source": {"type": "stored_completions"}}
    done = run(sqlite_store, create(sqlite_store, source, FROM_STORE, config=config))
    assert counts(done) == (2, 2, 0, 0) and done.model == "new"
    assert items(sqlite_store, done)[0].sample["model"] == "new-1"
