"""Runs of evals: created, cancelled, deleted, ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select

from tuneloop import fields, webhooks
from tuneloop.errors import InvalidInput, ModelNotFound, NotFound
from tuneloop.eval_types import EvalItem, EvalRun
from tuneloop.evals import definitions, sampling, sources
from tuneloop.evals.report import Report
from tuneloop.store import Store, eval_tables
from tuneloop.store.ids import new_id
from tuneloop.types import Json

FINAL = frozenset({"completed", "failed", "canceled"})
_PARAM = "data_source"
_id = eval_tables.eval_runs.c.id
_UNFINISHED = eval_tables.eval_runs.c.status.not_in(FINAL)
#: OpenAI's event of each end
_EVENTS = {"completed": "eval.run.succeeded", "failed": "eval.run.failed", "canceled": "eval.run.canceled"}


def create(store: Store, eval_id: str, request: Mapping[str, Any], *, knows: Callable[[str], object]) -> EvalRun:
    """A new run from the fields of OpenAI's request; `knows` raises ModelNotFound for the name of no model.

    Raises InvalidInput naming the parameter and, where the data is to blame, the row.
    """
    of = definitions.get(store, eval_id)
    data_source: dict[str, Any] = fields.typed(fields.required(request, _PARAM), dict, _PARAM)
    fields.one_of({f"{_PARAM}.type": data_source.get("type")}, f"{_PARAM}.type", sources.TYPES)
    sha256 = sources.check(store, of, data_source)
    model = sampling.check(data_source)
    if model:
        try:
            knows(model)
        except ModelNotFound as error:
            raise ModelNotFound(error.message, param=f"{_PARAM}.model") from None
    made = new_id("evalrun_")
    run = EvalRun(
        id=made,
        eval_id=eval_id,
        created_at=time.time(),
        name=fields.text(request, "name") if request.get("name") is not None else model or made,
        model=model,
        data_source=data_source,
        metadata=fields.metadata(request.get("metadata")),
        report=Report([criterion["name"] for criterion in of.testing_criteria]).json(),
        sha256=sha256,
    )
    if sha256 is None:
        store.eval_runs.add(run)
    else:
        store.eval_runs.share(run, sha256)
    return run


def get(store: Store, eval_id: str, run_id: str) -> EvalRun:
    """Raises NotFound."""
    definitions.get(store, eval_id)
    run = store.eval_runs.find(run_id)
    if run is None or run.eval_id != eval_id:
        raise NotFound(f"No such eval run: {run_id}", param="run_id")
    return run


def item(store: Store, eval_id: str, run_id: str, item_id: str) -> EvalItem:
    """One row of a run. Raises NotFound."""
    get(store, eval_id, run_id)
    found = store.eval_items.find(item_id)
    if found is None or found.run_id != run_id:
        raise NotFound(f"No such output item: {item_id}", param="output_item_id")
    return found


def cancel(store: Store, eval_id: str, run_id: str) -> EvalRun:
    """End a run; its work stops within seconds. Raises InvalidInput when it has ended already."""
    get(store, eval_id, run_id)
    if not end(store, run_id, "canceled"):
        raise InvalidInput(f"The run {run_id} cannot be cancelled: it is {status(store, run_id)}.", param="run_id")
    return get(store, eval_id, run_id)


def delete(store: Store, eval_id: str, run_id: str) -> None:
    """Forget a run with its items; one that is under way ends. Raises NotFound."""
    get(store, eval_id, run_id)
    store.eval_runs.remove(run_id)


def status(store: Store, run_id: str) -> str | None:
    """Where a run stands; None when there is none. Cheaper than `get`, which brings the run's data along."""
    with store.database.read() as connection:
        found: str | None = connection.scalar(select(eval_tables.eval_runs.c.status).where(_id == run_id))
    return found


def waiting(store: Store) -> list[EvalRun]:
    """Runs that wait or are under way, oldest first."""
    return store.eval_runs.all(_UNFINISHED)[::-1]


def end(store: Store, run_id: str, final: str, **values: Json) -> bool:
    """Move a run to its final status unless it has one, and let go of its file; announced in the same transaction."""
    run = store.eval_runs.find(run_id)
    with store.database.write() as connection:
        ended = store.eval_runs.change_within(connection, run_id, _UNFINISHED, status=final, sha256=None, **values)
        if ended:
            webhooks.announce(store, _EVENTS[final], run_id, within=connection)
    if ended and run is not None and run.sha256 is not None:
        store.eval_runs.release(run.sha256)
    return ended
