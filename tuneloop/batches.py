"""Batches: many calls as one file, as OpenAI has them. What runs them is in executors/batches.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Literal

from tuneloop import batch_lines, fields, files, webhooks
from tuneloop.batch_lines import Request
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.store import Store, schema
from tuneloop.store.batch_answers import Answered
from tuneloop.store.blobs import Staged
from tuneloop.store.ids import new_id
from tuneloop.types import Batch, File, Json

ENDPOINTS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses")
#: what OpenAI runs and we do not
ELSEWHERE = ("/v1/moderations", "/v1/images/generations", "/v1/images/edits", "/v1/videos")
FINAL = frozenset({"failed", "completed", "expired", "cancelled"})
#: the one `completion_window` there is, in seconds
WINDOW = 24 * 3600.0

End = Literal["failed", "completed", "expired", "cancelled"]


def create(store: Store, request: Mapping[str, Any]) -> Batch:
    """A new batch from the fields of OpenAI's request. Raises InvalidInput naming the field."""
    file = _input(store, fields.text(request, "input_file_id"))
    endpoint = fields.text(request, "endpoint")
    if endpoint in ELSEWHERE:
        message = f"Batches of {endpoint!r} are not run here. Supported values are: {', '.join(map(repr, ENDPOINTS))}."
        raise InvalidInput(message, param="endpoint", code="invalid_value")
    fields.one_of(request, "endpoint", ENDPOINTS)
    fields.one_of(request, "completion_window", ("24h",))
    now = time.time()
    batch = Batch(
        id=new_id("batch_"),
        created_at=now,
        expires_at=now + WINDOW,
        endpoint=endpoint,
        input_file_id=file.id,
        sha256=file.sha256,
        metadata=fields.metadata(request.get("metadata")),
        output_seconds=fields.expires_after(request.get("output_expires_after"), "output_expires_after"),
    )
    store.batches.share(batch, file.sha256)
    return batch


def get(store: Store, batch_id: str) -> Batch:
    """Raises NotFound."""
    batch = store.batches.find(batch_id)
    if batch is None:
        raise NotFound(f"No batch found with id '{batch_id}'.", param="batch_id")
    return batch


def waiting(store: Store) -> list[Batch]:
    """All that have not ended."""
    return store.batches.all(schema.batches.c.status.not_in(FINAL))


def cancel(store: Store, batch_id: str) -> Batch:
    """Have a batch end within seconds; what has been answered is kept. Raises InvalidInput when it has ended."""
    batch = get(store, batch_id)
    if batch.status == "cancelling":
        return batch
    running = schema.batches.c.status.in_(("validating", "in_progress"))
    if not store.batches.change(batch_id, running, status="cancelling", cancelling_at=time.time()):
        message = f"Cannot cancel a batch with status '{get(store, batch_id).status}'."
        raise InvalidInput(message, param="batch_id")
    batch = get(store, batch_id)
    if batch.in_progress_at is None:  # nothing has been asked, and it may be far from its turn
        finish(store, batch, "cancelled")
    return batch


def validate(store: Store, batch: Batch, exists: Callable[[str], bool]) -> None:
    """Check the input of a batch, which is in progress or has failed then. `exists` says whether a model answers."""
    with store.blobs.open(batch.sha256 or "") as lines:
        checked = batch_lines.check(lines, batch.endpoint)
    errors = checked.errors
    if not errors and not exists(checked.model):
        message = f"The provided model {checked.model!r} does not exist; GET /v1/models lists what there is."
        errors = [{"code": "model_not_found", "line": 1, "message": message, "param": "body.model"}]
    if errors:
        finish(store, batch, "failed", errors=errors)
    else:
        values = {"in_progress_at": time.time(), "total": checked.total, "model": checked.model}
        _move(store, batch, "in_progress", **values)


def unanswered(store: Store, batch: Batch) -> Generator[Request]:
    """The requests that have no answer yet, in order."""
    done = store.batch_answers.lines(batch.id)
    with store.blobs.open(batch.sha256 or "") as lines:
        for request in batch_lines.requests(lines, batch.endpoint):
            if request.line not in done:
                yield request


def answer(store: Store, batch: Batch, request: Request, status: int, request_id: str, body: bytes) -> None:
    """Keep what a request was answered."""
    line = batch_lines.answer_line(batch.id, request, status, request_id, body)
    ok = status < 400
    store.batch_answers.add(batch.id, Answered(request.line, ok, line), batch_lines.tokens(body) if ok else {})


def finalize(store: Store, batch: Batch) -> None:
    """Every request has its answer."""
    _move(store, batch, "finalizing", finalizing_at=time.time())


def finish(store: Store, batch: Batch, status: End, *, errors: Sequence[Json] | None = None) -> None:
    """End a batch: its answers become files. Does nothing when its status is not that of `batch` any more."""
    with store.blobs.stage() as output, store.blobs.stage() as problems:
        _write(store, batch, status, output, problems)
        made: dict[str, tuple[File, Staged]] = {}
        for name, staged in (("output", output), ("error", problems)):
            if staged.size:
                filename = f"{batch.id}_{name}.jsonl"
                made[name] = files.produced(filename, "batch_output", staged, batch.output_seconds), staged
        ids = {f"{name}_file_id": file.id for name, (file, _) in made.items()}
        values = {"status": status, f"{status}_at": time.time(), "errors": errors, "sha256": None, **ids}
        with store.database.write() as connection:
            same = schema.batches.c.status == batch.status
            if not store.batches.change_within(connection, batch.id, same, **values):
                return
            for file, staged in made.values():
                store.files.keep_within(connection, file, staged)
            store.batch_answers.forget_within(connection, batch.id)
            webhooks.announce(store, f"batch.{status}", batch.id, connection)
    if batch.sha256 is not None:
        store.batches.release(batch.sha256)


def _write(store: Store, batch: Batch, status: End, output: Staged, problems: Staged) -> None:
    for answered in store.batch_answers.each(batch.id):
        (output if answered.ok else problems).write(answered.body)
    if status in batch_lines.UNANSWERED and batch.in_progress_at is not None:
        for request in unanswered(store, batch):
            problems.write(batch_lines.unanswered_line(batch.id, request, status))


def _move(store: Store, batch: Batch, status: str, **values: Any) -> None:
    """On to the next status, unless somebody has cancelled meanwhile."""
    store.batches.change(batch.id, schema.batches.c.status == batch.status, status=status, **values)


def _input(store: Store, file_id: str) -> File:
    file = store.files.find(file_id)
    if file is None:
        raise InvalidInput(f"No such File object: {file_id}", param="input_file_id")
    if file.purpose != "batch":
        message = f"The file {file_id} has purpose {file.purpose!r}, but must have 'batch': upload it again."
        raise InvalidInput(message, param="input_file_id")
    return file
