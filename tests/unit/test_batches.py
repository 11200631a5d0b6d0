"""Batches around a scripted gateway: their files to the letter, restarts, cancelling, expiry, and who goes first."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tuneloop import batches, files
from tuneloop.batch_lines import Request
from tuneloop.errors import InvalidInput, ModelNotFound, NotFound
from tuneloop.executors import batches as running
from tuneloop.executors.batches import BatchRunner, Places
from tuneloop.store import Store
from tuneloop.testing import Answer, Receive, Scope, Send, UpstreamFake
from tuneloop.types import Batch, Model

CHAT = "/v1/chat/completions"


@pytest.fixture
def gateway() -> Iterator[UpstreamFake]:
    with UpstreamFake() as fake:
        yield fake


def model(name: str) -> Model:
    if name.startswith("no"):
        raise ModelNotFound(f"no {name}")
    return Model(id=name, created_at=0.0, kind="base", base=name, owned_by="test")


def runner(store: Store, gateway: UpstreamFake, places: Places | None = None) -> BatchRunner:
    return BatchRunner(
        store=store, url=lambda: gateway.base_url, key="own", model=model, local=places or Places(3), upstream=Places(3)
    )


def row(number: int, **changes: Any) -> dict[str, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": f"question {number}"}]}
    return {"custom_id": f"request-{number}", "method": "POST", "url": CHAT, "body": body} | changes


def upload(store: Store, lines: list[Any] | bytes, **how: Any) -> str:
    content = lines if isinstance(lines, bytes) else b"\n".join(json.dumps(line).encode() for line in lines)
    return files.create(store, "input.jsonl", "batch", [content], **how).id


def create(store: Store, lines: list[Any] | bytes, **fields: Any) -> Batch:
    request = {"input_file_id": upload(store, lines), "endpoint": CHAT, "completion_window": "24h"}
    return batches.create(store, request | fields)


def lines_of(store: Store, file_id: str | None) -> list[dict[str, Any]]:
    assert file_id is not None
    return [json.loads(line) for line in b"".join(files.content(store, file_id)).splitlines()]


def run(store: Store, gateway: UpstreamFake, batch: Batch, places: Places | None = None) -> Batch:
    runner(store, gateway, places).run(batch.id)
    return store.batches.get(batch.id)


def test_a_batch_runs_to_its_end(store: Store, gateway: UpstreamFake) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    usage |= {"prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}}  # type: ignore[dict-item]
    gateway.default = Answer(raw=json.dumps({"id": "chatcmpl-1", "usage": usage}, indent=2).encode())
    output_expires_after = {"anchor": "created_at", "seconds": 3600}
    batch = create(store, [row(i) for i in range(5)], metadata={"k": "v"}, output_expires_after=output_expires_after)
    assert (batch.status, batch.expires_at - batch.created_at) == ("validating", 24 * 3600)
    done = run(store, gateway, batch)
    assert (done.status, done.total, done.completed, done.failed) == ("completed", 5, 5, 0)
    assert (done.model, done.metadata, done.errors, done.error_file_id) == ("m", {"k": "v"}, None, None)
    assert (done.input_tokens, done.cached_tokens, done.output_tokens, done.reasoning_tokens) == (35, 20, 25, 10)
    stamps = [done.created_at, done.in_progress_at, done.finalizing_at, done.completed_at]
    assert None not in stamps and stamps == sorted(stamps)  # type: ignore[type-var]
    assert done.failed_at is done.expired_at is done.cancelling_at is done.cancelled_at is None
    output = files.get(store, done.output_file_id or "")
    assert (output.purpose, output.filename) == ("batch_output", f"{batch.id}_output.jsonl")
    assert output.expires_at == output.created_at + 3600
    lines = lines_of(store, done.output_file_id)
    assert [line["custom_id"] for line in lines] == [f"request-{i}" for i in range(5)]
    assert len({line["id"] for line in lines}) == 5 and all(line["id"].startswith("batch_req_") for line in lines)
    body = {"id": "chatcmpl-1", "usage": usage}
    assert lines[0] | {"id": ""} == {
        "id": "",
        "custom_id": "request-0",
        "response": {"status_code": 200, "request_id": "", "body": body},
        "error": None,
    }
    asked = sorted(request.json["messages"][0]["content"] for request in gateway.requests)
    assert asked == [f"question {i}" for i in range(5)]
    assert {request.headers["authorization"] for request in gateway.requests} == {"Bearer own"}
    assert store.batch_answers.lines(batch.id) == set() and done.sha256 is None
    assert [one.type for one in store.announcements.all()] == ["batch.completed"]
    assert run(store, gateway, batch) == done and len(gateway.requests) == 5


def test_requests_that_fail_are_in_the_error_file(sqlite_store: Store, gateway: UpstreamFake) -> None:
    places = Places(1)  # so that the answers are given in order
    gateway.enqueue(
        Answer(text="fine", headers={"x-request-id": "req_1"}),
        Answer(text="No such parameter", status=400, headers={"x-request-id": "req_2"}),
        Answer(raw=b"<html>busy</html>", status=413),
    )
    done = run(sqlite_store, gateway, create(sqlite_store, [row(i) for i in range(4)]), places)
    assert (done.status, done.completed, done.failed) == ("completed", 2, 2)
    good, bad = lines_of(sqlite_store, done.output_file_id), lines_of(sqlite_store, done.error_file_id)
    assert [line["custom_id"] for line in good] == ["request-0", "request-3"]
    assert good[0]["response"]["request_id"] == "req_1"
    assert [line["custom_id"] for line in bad] == ["request-1", "request-2"]
    assert (bad[0]["error"], bad[0]["response"]["status_code"]) == (None, 400)
    assert bad[0]["response"]["body"]["error"]["message"] == "No such parameter"
    assert bad[1]["response"]["body"]["error"]["message"] == "<html>busy</html>"
    assert files.get(sqlite_store, done.error_file_id or "").filename.endswith("_error.jsonl")


def test_a_batch_without_one_good_answer_has_no_output(sqlite_store: Store, gateway: UpstreamFake) -> None:
    gateway.default = Answer(text="no", status=400)
    done = run(sqlite_store, gateway, create(sqlite_store, [row(0)]))
    assert (done.status, done.output_file_id, done.failed) == ("completed", None, 1)
    assert done.error_file_id is not None


def test_what_passes_is_tried_again(sqlite_store: Store, gateway: UpstreamFake) -> None:
    now = {"retry-after": "0"}
    gateway.enqueue(
        Answer(text="slow down", status=429, headers=now),
        Answer(text="starting", status=503, headers=now),
        Answer(text="fine"),
        *[Answer(text="broken", status=500, headers=now)] * 4,
    )
    done = run(sqlite_store, gateway, create(sqlite_store, [row(i) for i in range(2)]), Places(1))
    assert (done.completed, done.failed, len(gateway.requests)) == (1, 1, 7)
    assert lines_of(sqlite_store, done.error_file_id)[0]["response"]["status_code"] == 500


def test_a_server_that_is_just_starting_is_waited_for(
    sqlite_store: Store, gateway: UpstreamFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = iter(["http://127.0.0.1:9/v1"])
    batch = create(sqlite_store, [row(0)])
    started = BatchRunner(
        store=sqlite_store, url=lambda: next(addresses, gateway.base_url), key="own", model=model, local=Places(1)
    )
    started.run(batch.id)
    assert sqlite_store.batches.get(batch.id).completed == 1


WRONG: list[tuple[list[Any] | bytes, str, int | None, str | None]] = [
    (b"\n \n", "empty_file", None, None),
    ([row(0), "text"], "invalid_json_line", 2, None),
    (json.dumps(row(0)).encode() + b"\n\n{broken\n", "invalid_json_line", 3, None),
    (b"\xff\xfe", "invalid_json_line", 1, None),
    ([row(0), row(1), row(0)], "duplicate_custom_id", 3, "custom_id"),
    ([{"custom_id": "a", "params": {}}], "missing_required_parameter", 1, "method"),
    ([row(0, custom_id=7)], "invalid_type", 1, "custom_id"),
    ([row(0, custom_id="")], "empty_string", 1, "custom_id"),
    ([row(0, custom_id=None)], "missing_required_parameter", 1, "custom_id"),
    ([row(0, method="GET")], "invalid_method", 1, "method"),
    ([row(0), row(1, url="/v1/embeddings")], "url_mismatch", 2, "url"),
    ([row(0, url=None)], "missing_required_parameter", 1, "url"),
    ([row(0, body=None)], "missing_required_parameter", 1, "body"),
    ([row(0, body="text")], "invalid_type", 1, "body"),
    ([row(0, body={"messages": []})], "missing_required_parameter", 1, "body.model"),
    ([row(0, body={"model": ["m"]})], "invalid_type", 1, "body.model"),
    ([row(0), row(1, body={"model": "other"})], "mismatched_model", 2, "body.model"),
    ([row(0, body={"model": "m", "stream": True})], "invalid_value", 1, "body.stream"),
    ([row(0, body={"model": "nope"})], "model_not_found", 1, "body.model"),
]


@pytest.mark.parametrize(("lines", "code", "line", "param"), WRONG, ids=[f"{w[1]}-{w[3]}" for w in WRONG])
def test_wrong_input_fails_with_its_line(
    sqlite_store: Store, lines: list[Any] | bytes, code: str, line: int | None, param: str | None, gateway: UpstreamFake
) -> None:
    done = run(sqlite_store, gateway, create(sqlite_store, lines))
    assert done.status == "failed" and done.failed_at is not None and gateway.requests == []
    (error,) = done.errors or ()
    assert (error["code"], error["line"], error["param"]) == (code, line, param) and error["message"]
    assert (done.total, done.output_file_id, done.error_file_id, done.in_progress_at) == (0, None, None, None)
    assert [one.type for one in sqlite_store.announcements.all()] == ["batch.failed"]


def test_all_that_is_wrong_is_told_at_once(sqlite_store: Store, gateway: UpstreamFake) -> None:
    lines = [row(i, method="PUT") if i % 2 else row(i) for i in range(10)]
    done = run(sqlite_store, gateway, create(sqlite_store, lines))
    assert [error["line"] for error in done.errors or ()] == [2, 4, 6, 8, 10]


def test_limits(sqlite_store: Store, gateway: UpstreamFake, monkeypatch: pytest.MonkeyPatch) -> None:
    def code(lines: list[Any] | bytes, **fields: Any) -> str:
        (error,) = run(sqlite_store, gateway, create(sqlite_store, lines, **fields)).errors or ()
        return str(error["code"])

    small = b"".join(json.dumps(row(i, body={"model": "m"})).encode() + b"\n" for i in range(50_001))
    assert code(small) == "too_many_requests"
    inputs = [row(i, url="/v1/embeddings", body={"model": "m", "input": ["x"] * 25_000}) for i in range(3)]
    assert code(inputs, endpoint="/v1/embeddings") == "too_many_inputs"
    monkeypatch.setattr("tuneloop.batch_lines.MOST_BYTES", 1000)
    assert code(small) == "file_too_large"


def test_token_lists_are_one_input(sqlite_store: Store, gateway: UpstreamFake) -> None:
    inputs = [row(0, url="/v1/embeddings", body={"model": "m", "input": [1] * 60_000})]
    inputs += [row(1, url="/v1/embeddings", body={"model": "m", "input": "text"})]
    done = run(sqlite_store, gateway, create(sqlite_store, inputs, endpoint="/v1/embeddings"))
    assert done.status == "completed" and gateway.requests[0].path == "/v1/embeddings"


@pytest.mark.parametrize("endpoint", ["/v1/completions", "/v1/responses"])
def test_other_endpoints(sqlite_store: Store, gateway: UpstreamFake, endpoint: str) -> None:
    usage = {"input_tokens": 3, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}}
    usage |= {"output_tokens_details": {"reasoning_tokens": 1}}
    gateway.default = Answer(raw=json.dumps({"usage": usage}).encode())
    done = run(sqlite_store, gateway, create(sqlite_store, [row(0, url=endpoint)], endpoint=endpoint))
    assert gateway.requests[0].path == endpoint
    assert (done.input_tokens, done.cached_tokens, done.output_tokens, done.reasoning_tokens) == (3, 1, 2, 1)


def test_what_was_answered_before_a_restart_is_not_asked_again(store: Store, gateway: UpstreamFake) -> None:
    batch = create(store, [row(i) for i in range(6)])
    batches.validate(store, batch, lambda name: True)
    batch = store.batches.get(batch.id)
    for line in (1, 4, 4):  # the second time is that of a process that was killed before it noted the first
        request = Request(line=line, custom_id=f"request-{line - 1}", body={})
        batches.answer(store, batch, request, 200, "req_before", b'{"usage": {"prompt_tokens": 1}}')
    assert store.batches.get(batch.id).completed == 2
    done = run(store, gateway, batch)
    lines = lines_of(store, done.output_file_id)
    assert [line["custom_id"] for line in lines] == [f"request-{i}" for i in range(6)]
    before = [line["custom_id"] for line in lines if line["response"]["request_id"] == "req_before"]
    assert before == ["request-0", "request-3"] and len(gateway.requests) == 4 and done.completed == 6


def test_the_input_may_be_deleted_meanwhile(store: Store, gateway: UpstreamFake) -> None:
    batch = create(store, [row(i) for i in range(3)])
    sha256 = batch.sha256 or ""
    files.delete(store, batch.input_file_id)
    assert run(store, gateway, batch).completed == 3
    with pytest.raises(NotFound):  # nobody needs it any more
        store.blobs.open(sha256)


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_cancelling_keeps_what_was_answered(sqlite_store: Store, gateway: UpstreamFake) -> None:
    gateway.enqueue(*[Answer(text="fine")] * 4)
    gateway.default = Answer(delay=60)
    batch = create(sqlite_store, [row(i) for i in range(10)])
    working = in_thread(lambda: runner(sqlite_store, gateway).run(batch.id))
    until(lambda: sqlite_store.batches.get(batch.id).completed == 4 and len(gateway.requests) == 7)
    before = time.monotonic()
    cancelling = batches.cancel(sqlite_store, batch.id)
    assert cancelling.status == "cancelling" and cancelling.cancelling_at is not None
    assert batches.cancel(sqlite_store, batch.id).status in ("cancelling", "cancelled")
    working.join()
    assert time.monotonic() - before < 5
    done = sqlite_store.batches.get(batch.id)
    assert (done.status, done.completed, done.failed, done.total) == ("cancelled", 4, 0, 10)
    assert done.cancelled_at is not None and done.completed_at is None
    answered = {line["custom_id"] for line in lines_of(sqlite_store, done.output_file_id)}
    left = lines_of(sqlite_store, done.error_file_id)
    assert len(answered) == 4 and {line["error"]["code"] for line in left} == {"batch_cancelled"}
    assert {line["custom_id"] for line in left} | answered == {f"request-{i}" for i in range(10)}
    assert all(line["response"] is None for line in left)
    until(lambda: gateway.cancelled == 3)  # the engine does not go on with what nobody waits for
    with pytest.raises(InvalidInput, match="Cannot cancel a batch with status 'cancelled'"):
        batches.cancel(sqlite_store, batch.id)


def test_a_batch_that_waits_for_its_turn_is_cancelled_at_once(sqlite_store: Store, gateway: UpstreamFake) -> None:
    batch = create(sqlite_store, [row(0)])
    assert batches.cancel(sqlite_store, batch.id).status == "cancelling"
    done = sqlite_store.batches.get(batch.id)
    assert (done.status, done.output_file_id, done.error_file_id) == ("cancelled", None, None)
    assert run(sqlite_store, gateway, batch) == done and gateway.requests == []


def test_a_batch_expires_with_what_it_has(sqlite_store: Store, gateway: UpstreamFake) -> None:
    gateway.enqueue(Answer(text="fine"))
    gateway.default = Answer(delay=60)
    batch = create(sqlite_store, [row(i) for i in range(3)])
    working = in_thread(lambda: runner(sqlite_store, gateway).run(batch.id))
    until(lambda: sqlite_store.batches.get(batch.id).completed == 1)
    sqlite_store.batches.change(batch.id, expires_at=time.time() - 1)
    sqlite_store.batches.change(batch.id, status="validating")  # as if it had been taken up again now
    working.join()
    done = sqlite_store.batches.get(batch.id)
    assert done.status == "expired" and done.expired_at is not None
    assert len(lines_of(sqlite_store, done.output_file_id)) == 1
    assert {line["error"]["code"] for line in lines_of(sqlite_store, done.error_file_id)} == {"batch_expired"}


def test_a_batch_that_breaks_off_is_taken_up_again(
    sqlite_store: Store, gateway: UpstreamFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "RUN_AGAIN", 0.0)
    looks: list[str] = []

    def moody(name: str) -> Model:
        looks.append(name)
        if len(looks) < 3:
            raise OSError("the disk is full")
        return model(name)

    batch = create(sqlite_store, [row(0)])
    BatchRunner(store=sqlite_store, url=lambda: gateway.base_url, key="own", model=moody, local=Places(1)).run(batch.id)
    assert sqlite_store.batches.get(batch.id).status == "completed"
    looks = []
    batch = create(sqlite_store, [row(0)])
    monkeypatch.setattr(running, "_RUNS", 2)
    BatchRunner(store=sqlite_store, url=lambda: gateway.base_url, key="own", model=moody, local=Places(1)).run(batch.id)
    failed = sqlite_store.batches.get(batch.id)
    assert failed.status == "failed" and (failed.errors or [{}])[0]["code"] == "server_error"


class CountingFake(UpstreamFake):
    """Knows how many calls it was answering at once, at most."""

    now = most = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await super().__call__(scope, receive, send)
        self.now -= 1


def test_few_requests_are_under_way_at_once(sqlite_store: Store) -> None:
    places = Places(2)
    pair = [create(sqlite_store, [row(i) for i in range(8)]) for _ in range(2)]
    with CountingFake(Answer(delay=0.02)) as gateway:
        assert isinstance(gateway, CountingFake)
        threads = [in_thread(lambda batch=batch: runner(sqlite_store, gateway, places).run(batch.id)) for batch in pair]  # type: ignore[misc]
        for thread in threads:
            thread.join()
    assert gateway.most == 2
    assert [sqlite_store.batches.get(batch.id).completed for batch in pair] == [8, 8]


def test_others_go_first(sqlite_store: Store, gateway: UpstreamFake) -> None:
    others = [1]
    places = Places(4, lambda: others[0])
    batch = create(sqlite_store, [row(i) for i in range(8)])
    working = in_thread(lambda: runner(sqlite_store, gateway, places).run(batch.id))
    until(lambda: sqlite_store.batches.get(batch.id).status == "in_progress")
    time.sleep(0.3)
    assert gateway.requests == []
    others[0] = 0
    working.join()
    assert len(gateway.requests) == 8


def test_a_batch_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places(4, lambda: 9)
    assert not places.take()
    monkeypatch.setattr(running, "PATIENCE", 0.0)
    assert places.take() and not places.take()
    places.give_back()
    assert places.take()
