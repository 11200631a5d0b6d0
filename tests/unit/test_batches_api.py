"""The routes of batches, through a real server: what is refused, listed, cancelled."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from tests.unit.api_server import KEY, Running, running
from tests.unit.test_files import refused

LINE = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions"}
LINE |= {"body": {"model": "fake", "messages": [{"role": "user", "content": "hi"}]}}  # type: ignore[dict-item]
STAMPS = ("in_progress_at", "finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at", "cancelled_at")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("home")) as started:
        yield started


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[OpenAI]:
    url = f"{server.url}/v1"
    with OpenAI(base_url=url, api_key=KEY, max_retries=0, _strict_response_validation=True) as made:
        yield made


@pytest.fixture(scope="module")
def request_body(client: OpenAI) -> dict[str, Any]:
    file = client.files.create(file=("in.jsonl", json.dumps(LINE).encode()), purpose="batch")
    return {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}


def test_a_new_batch(server: Running, client: OpenAI, request_body: dict[str, Any]) -> None:
    made = client.batches.create(**request_body, metadata={"night": "1"})
    assert made.status == "validating" and made.id.startswith("batch_")
    assert made.expires_at is not None and made.expires_at - made.created_at == 86400
    raw = server.client.get(f"/v1/batches/{made.id}").json()
    assert [raw[stamp] for stamp in STAMPS] == [None] * 7
    assert raw["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
    assert (raw["metadata"], raw["completion_window"], raw["errors"]) == ({"night": "1"}, "24h", None)
    assert (raw["output_file_id"], raw["error_file_id"], raw["model"]) == (None, None, None)
    assert raw["usage"]["total_tokens"] == 0
    assert client.batches.retrieve(made.id) == made
    assert client.batches.create(**request_body).metadata is None


def test_it_calls_the_gateway_as_anybody_would(server: Running, client: OpenAI, request_body: dict[str, Any]) -> None:
    made = client.batches.create(**request_body)
    server.loop.url = f"{server.url}/v1"
    server.loop.batch_runner.run(made.id)
    done = client.batches.retrieve(made.id)
    assert done.status == "completed" and done.output_file_id is not None and done.model == "fake"
    line = json.loads(client.files.content(done.output_file_id).text)
    assert line["response"]["status_code"] == 200 and line["response"]["request_id"].startswith("req_")
    assert line["response"]["body"]["choices"][0]["message"]["content"] == "Hello!"
    (log,) = server.client.get("/v1/logs").json()["data"]
    assert (log["model"], log["endpoint"], log["request"]) == ("fake", "/v1/chat/completions", LINE["body"])


def test_batches_are_listed(client: OpenAI, request_body: dict[str, Any]) -> None:
    made = [client.batches.create(**request_body).id for _ in range(5)]
    assert [batch.id for batch in client.batches.list(limit=2)][:5] == made[::-1]
    assert [batch.id for batch in client.batches.list(after=made[3], limit=2).data] == made[2:0:-1]


def test_cancel(client: OpenAI, request_body: dict[str, Any], server: Running) -> None:
    made = client.batches.create(**request_body)
    assert client.batches.cancel(made.id).status == "cancelling"
    deadline = time.monotonic() + 5
    while (now := client.batches.retrieve(made.id)).status != "cancelled":
        assert time.monotonic() < deadline
    assert now.cancelling_at is not None and now.cancelled_at is not None
    refused(server.client.post(f"/v1/batches/{made.id}/cancel"), 400, "batch_id")


@pytest.mark.parametrize(
    ("changes", "param"),
    [({name: None}, name) for name in ("input_file_id", "endpoint", "completion_window")]
    + [({name: 7}, name) for name in ("input_file_id", "endpoint", "completion_window", "metadata")]
    + [
        ({"input_file_id": "file-nope"}, "input_file_id"),
        ({"endpoint": "/v1/nope"}, "endpoint"),
        ({"endpoint": "/v1/moderations"}, "endpoint"),
        ({"endpoint": "/v1/images/generations"}, "endpoint"),
        ({"completion_window": "48h"}, "completion_window"),
        ({"metadata": {"k": 1}}, "metadata"),
        ({"metadata": {"k": "x" * 513}}, "metadata"),
        ({"metadata": {"k" * 65: "x"}}, "metadata"),
        ({"metadata": {str(i): "x" for i in range(17)}}, "metadata"),
        ({"output_expires_after": "soon"}, "output_expires_after"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 60}}, "output_expires_after.seconds"),
        ({"output_expires_after": {"seconds": 3600}}, "output_expires_after.anchor"),
    ],
)
def test_wrong_fields_are_named(
    server: Running, request_body: dict[str, Any], changes: dict[str, Any], param: str
) -> None:
    refused(server.client.post("/v1/batches", json=request_body | changes), 400, param)


def test_a_file_for_something_else(server: Running, client: OpenAI, request_body: dict[str, Any]) -> None:
    file = client.files.create(file=("x.jsonl", b"{}"), purpose="fine-tune")
    changed = request_body | {"input_file_id": file.id}
    assert "'fine-tune'" in refused(server.client.post("/v1/batches", json=changed), 400, "input_file_id")


def test_unknown_batches(server: Running) -> None:
    refused(server.client.get("/v1/batches/batch_nope"), 404, "batch_id")
    refused(server.client.post("/v1/batches/batch_nope/cancel"), 404, "batch_id")
    refused(server.client.get("/v1/batches?after=batch_nope"), 404, "after")
    refused(server.client.get("/v1/batches?limit=101"), 400, "limit")
