"""Evals: which data, and which graders; created, changed, deleted."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tuneloop import fields, grading
from tuneloop.errors import NotFound
from tuneloop.eval_types import Eval
from tuneloop.evals import criteria, schemas, sources
from tuneloop.store import Store, eval_tables
from tuneloop.store.ids import new_id
from tuneloop.types import Json

_KINDS = ("custom", "logs", "stored_completions")


def create(store: Store, request: Mapping[str, Any]) -> Eval:
    """A new eval from the fields of OpenAI's request. Raises InvalidInput naming the parameter."""
    config = _config(request)
    tests = _tests(store, request.get("testing_criteria"))
    criteria.read(tests)
    made = new_id("eval_")
    now = time.time()
    item = Eval(
        id=made,
        created_at=now,
        updated_at=now,
        name=fields.text(request, "name") if request.get("name") is not None else made,
        data_source_config=config,
        testing_criteria=tests,
        metadata=fields.metadata(request.get("metadata")),
    )
    store.evals.add(item)
    return item


def get(store: Store, eval_id: str) -> Eval:
    """Raises NotFound."""
    item = store.evals.find(eval_id)
    if item is None:
        raise NotFound(f"No such eval: {eval_id}", param="eval_id")
    return item


def update(store: Store, eval_id: str, request: Mapping[str, Any]) -> Eval:
    """Change the name and the metadata, where they are given. Raises InvalidInput and NotFound."""
    get(store, eval_id)
    changed: dict[str, Json] = {"updated_at": time.time()}
    if request.get("name") is not None:
        changed["name"] = fields.text(request, "name")
    if "metadata" in request:
        changed["metadata"] = fields.metadata(request["metadata"])
    store.evals.change(eval_id, **changed)
    return get(store, eval_id)


def delete(store: Store, eval_id: str) -> None:
    """Forget an eval with its runs; one that is under way ends. Raises NotFound."""
    get(store, eval_id)
    for run in store.eval_runs.all(eval_tables.eval_runs.c.eval_id == eval_id):
        store.eval_runs.remove(run.id)
    store.evals.remove(eval_id)


def _tests(store: Store, given: Json) -> Json:
    """The criteria, the names of graders replaced by what they name today: an eval does not change."""
    if not isinstance(given, list):
        return given
    return [grading.resolve(store, one, f"testing_criteria[{index}]") for index, one in enumerate(given)]


def _config(request: Mapping[str, Any]) -> dict[str, Json]:
    name = "data_source_config"
    given: dict[str, Json] = fields.typed(fields.required(request, name), dict, name)
    kind = fields.one_of({f"{name}.type": given.get("type")}, f"{name}.type", _KINDS)
    if kind == "custom":
        where = f"{name}.item_schema"
        schemas.check(fields.typed(fields.required({where: given.get("item_schema")}, where), dict, where), where)
        if given.get("include_sample_schema") is not None:
            fields.typed(given["include_sample_schema"], bool, f"{name}.include_sample_schema")
    else:
        sources.check_pairs(given.get("metadata"), f"{name}.metadata")
    return given
