"""Rubbish of every kind: no input gives a 500, and every answer has the form that the description promises."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from tests import postgres
from tests.unit.api_server import KEY, Running, running
from tuneloop.api.contract import OPERATIONS
from tuneloop.api.contract.words import Operation
from tuneloop.engines import response_shapes
from tuneloop.eval_types import EvalItem
from tuneloop.gateway.proxy import ENDPOINTS
from tuneloop.store.ids import new_id
from tuneloop.testing import Answer
from tuneloop.types import Evaluation, Model

#: requests to each route
EXAMPLES = int(os.environ.get("TUNELOOP_TEST_FUZZ", "10"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
#: those that delete come last, the inner ones first, so that there is something for the others
ORDERED = sorted(OPERATIONS, key=lambda operation: (operation.method == "DELETE", -len(operation.path)))
BASE, TUNED = "smollm2-135m-instruct", "ft:smollm2-135m-instruct:local::1"
CALL: dict[str, Any] = {"model": "fake", "messages": [{"role": "user", "content": "Hi"}]}
ROW: dict[str, Any] = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
GRADER = {"type": "string_check", "name": "same", "input": "{{item.a}}", "reference": "x", "operation": "eq"}

MOSTLY = st.sampled_from([True, True, True, False])

thorough = settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


class Stocked(NamedTuple):
    """A server with one of each noun, and their ids by the names that parameters and fields have."""

    server: Running
    description: schemathesis.BaseSchema
    known: Mapping[str, Any]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def stocked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stocked]:
    more: dict[str, Any] = {}
    if request.param == "postgresql":
        more["database_url"] = postgres.new_database(request.getfixturevalue("postgres_url"))
    with running(tmp_path_factory.mktemp("fuzz"), **more) as server:
        document = server.client.get("/openapi.json").json()
        del document["security"]  # keys are not what is tried here
        yield Stocked(server, schemathesis.openapi.from_dict(document), _stock(server))


def _stock(server: Running) -> dict[str, Any]:
    def made(path: str, body: Any) -> str:
        response = server.client.post(f"/v1{path}", json=body)
        assert response.is_success, response.text
        return str(response.json().get("id"))

    def upload(purpose: str, row: Any) -> str:
        file = {"file": ("x.jsonl", json.dumps(row))}
        return str(server.client.post("/v1/files", files=file, data={"purpose": purpose}).json()["id"])

    store, now = server.loop.store, time.time()
    store.models.add(Model(id=TUNED, created_at=now, kind="tuned", base=BASE, owned_by="local"))
    store.evaluations.add(Evaluation(id=new_id("eval_"), created_at=now, dataset_id="ds", report={}))
    response = response_shapes.ended(response_shapes.begun(CALL, "resp_1", now), [], "stop", None, now)
    server.upstream.enqueue(Answer(raw=json.dumps(response).encode()))
    made("/responses", {"model": "fake", "input": "Hi"})
    rows = [{"messages": [{"role": "user", "content": f"q{i}"}, ROW["messages"][1]]} for i in range(12)]
    made("/logs", rows)
    made("/datasets", {"name": "set", "split": "100/0/0"})
    made("/prompts", {"name": "set", "messages": [{"role": "user", "content": "{{input}}"}], "model": "fake"})
    for path, body in (
        ("/graders", {"name": "set", "definition": {"type": "human", "range": [0, 1]}}),
        ("/graders/set/monitor", {"where": "model = other"}),
        ("/fine_tuning/alpha/graders/run", {"grader": "set", "model_sample": "x"}),
    ):
        made(path, body)
    made("/deployments", {"alias": "live", "model": "fake"})
    file, log_id = upload("fine-tune", ROW), made("/logs", {**ROW, "metadata": {"id": "1"}})
    made("/feedback", {"log_id": log_id, "value": "good"})
    batch_file = upload("batch", {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": CALL})
    data_source_config = {"type": "custom", "item_schema": {"type": "object"}}
    eval_id = made("/evals", {"data_source_config": data_source_config, "testing_criteria": [GRADER]})
    data_source = {"type": "jsonl", "source": {"type": "file_content", "content": [{"item": {"a": "x"}}]}}
    run_id = made(f"/evals/{eval_id}/runs", {"data_source": data_source})
    item_id = new_id("outputitem_")
    item: dict[str, Any] = {
        "id": item_id,
        "run_id": run_id,
        "eval_id": eval_id,
        "created_at": now,
        "position": 0,
        "item": {},
    }
    store.eval_items.add(EvalItem(status="pass", results=[], sample={}, **item))
    batch = {"input_file_id": batch_file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    upload_fields = {"bytes": 5, "filename": "x", "mime_type": "text/jsonl", "purpose": "fine-tune"}
    return {
        "file_id": file,
        "training_file": file,
        "validation_file": file,
        "job_id": made("/fine_tuning/jobs", {"model": BASE, "training_file": file}),
        "eval_id": eval_id,
        "run_id": run_id,
        "output_item_id": item_id,
        "batch_id": made("/batches", batch),
        "upload_id": made("/uploads", upload_fields),
        "completion_id": made("/chat/completions", {**CALL, "store": True}),
        "response_id": "resp_1",
        "evaluation_id": store.evaluations.all()[0].id,
        "log_id": log_id,
        "alias": "live",
        "data_source_config": data_source_config,
        "testing_criteria": [GRADER],
        "data_source": data_source,
        "messages": CALL["messages"],
        "grader": GRADER,
        "definition": GRADER,
        "method": {"type": "supervised"},
        **batch,
        **upload_fields,
    }


@pytest.mark.parametrize("operation", ORDERED, ids=lambda operation: f"{operation.method} {operation.path}")
def test_every_route(stocked: Stocked, operation: Operation) -> None:
    found = stocked.description[operation.path][operation.method]
    cases = st.one_of([found.as_strategy(generation_mode=mode) for mode in GenerationMode])

    # What an upstream answers is not ours to promise.
    checks = [check for check in CHECKS if check is not response_schema_conformance or operation.path not in ENDPOINTS]

    @thorough
    @given(case=cases, path_known=MOSTLY, body_known=MOSTLY)
    def ask(case: Case[Any], path_known: bool, body_known: bool) -> None:
        if path_known:
            case.path_parameters = {**case.path_parameters, **_known(stocked, operation, case.path_parameters)}
        if body_known and isinstance(case.body, dict):
            case.body = {**case.body, **_known(stocked, operation, case.body)}
        response = case.call(base_url=stocked.server.url, headers={"Authorization": f"Bearer {KEY}"})
        case.validate_response(response, checks=checks, additional_checks=[one_form])

    ask()


def _known(stocked: Stocked, operation: Operation, given: Mapping[str, Any]) -> dict[str, Any]:
    """What there is in place of what was made up."""
    model = BASE if operation.path.endswith("/jobs") else "fake" if operation.method == "POST" else TUNED
    name = "set" if "/datasets" in operation.path or "/prompts" in operation.path else model
    known = {**stocked.known, "model": TUNED if operation.group == "Fine-tuning" and "{" in operation.path else model}
    return {key: value for key, value in {**known, "name": name}.items() if key in given}


def one_form(_context: object, response: Response, _case: Case[Any]) -> None:
    """The form that errors have, and the id that every answer has."""
    assert response.headers["x-request-id"]
    if response.status_code >= 400:
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    "messages", "input", "prompt", "stream", "stream_options", "metadata", "user", "store", "n", "stop", "tools",
    "tool_choice", "response_format", "previous_response_id", "instructions", "text", "max_tokens",
]  # fmt: skip
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "tool", "system"]), "content": VALUES})
    | st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "name", "tool_call_id"]), VALUES)
    | VALUES,
    max_size=3,
)
BODIES = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=5)


@pytest.mark.parametrize("path", sorted(ENDPOINTS))
def test_any_json_on_the_hot_path(stocked: Stocked, path: str) -> None:
    @settings(thorough, max_examples=EXAMPLES * 5)
    @given(body=BODIES, messages=MESSAGES, model=st.just("fake") | VALUES)
    def ask(body: dict[str, Any], messages: list[Any], model: Any) -> None:
        sent = json.dumps({"model": model, "messages": messages, "prompt": "p", "input": messages, **body})
        _ask(stocked, path, sent.encode())

    ask()


@pytest.mark.parametrize("path", [*sorted(ENDPOINTS), "/v1/fine_tuning/jobs", "/v1/logs", "/v1/traces", "/v1/files"])
def test_any_bytes(stocked: Stocked, path: str) -> None:
    kinds = [
        "application/json",
        "",
        "application/x-protobuf",
        "application/x-ndjson",
        "multipart/form-data; boundary=x",
    ]

    @settings(thorough, max_examples=EXAMPLES * 2)
    @given(body=st.binary(max_size=200), kind=st.sampled_from(kinds))
    def ask(body: bytes, kind: str) -> None:
        _ask(stocked, path, body, kind)

    ask()


def _ask(stocked: Stocked, path: str, body: bytes, kind: str = "application/json") -> None:
    response = stocked.server.client.post(path, content=body, headers={"Content-Type": kind})
    assert response.status_code < 500
    if response.status_code >= 400:
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}
