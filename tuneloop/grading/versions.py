"""Graders under names, in versions that never change. Wherever a grader is asked for, a name will do."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import orjson

from tuneloop import graders
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.grader_types import GraderVersion
from tuneloop.graders import METRICS
from tuneloop.store import Store
from tuneloop.store.ids import new_id
from tuneloop.types import Json

#: what filters take behind `score.`, and addresses between slashes
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_MOST_NOTE = 500


def add(store: Store, name: Json, definition: Json, note: Json = None) -> GraderVersion:
    """A new version of a grader; the newest one where that says the same. Raises InvalidInput naming what is wrong."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        message = "'name' must be 1 to 64 letters, digits, _ . or -, beginning with a letter, such as 'helpful'"
        raise InvalidInput(message, param="name")
    if name in METRICS:
        raise InvalidInput(f"{name!r} is the name of a metric: choose another one", param="name")
    if note is not None and (not isinstance(note, str) or len(note) > _MOST_NOTE):
        raise InvalidInput(f"'note' must be a text of at most {_MOST_NOTE} characters", param="note")
    whole = resolve(store, definition, "definition")
    if isinstance(whole, Mapping):
        whole = {**whole, "name": name}
        whole.pop("version", None)
    graders.read(whole, param="definition")
    made = GraderVersion(
        id=new_id("grader_"), created_at=time.time(), name=name, version=1, definition=_plain(whole), note=note
    )
    return store.graders.save(made)


def find(store: Store, reference: str, param: str = "grader") -> GraderVersion:
    """The version that "helpful@2" names, the newest that "helpful" does. Raises NotFound."""
    name, at, number = reference.partition("@")
    found = None
    if not at:
        found = store.graders.version(name)
    elif number.isdecimal() and len(number) < 10:
        found = store.graders.version(name, int(number))
    if found is None:
        raise NotFound(f"no grader {reference!r}: `tuneloop graders list` has those that there are", param=param)
    return found


def delete(store: Store, name: str) -> int:
    """Forget a grader with all versions and its monitor; the scores it gave stay. Returns how many versions there
    were. Raises NotFound."""
    return store.graders.forget(find(store, name.partition("@")[0], "name").name)


def resolve(store: Store, given: Json, param: str = "grader") -> Any:
    """A grader's JSON, every name in it replaced by the definition that it names, with its `version`. Raises
    NotFound."""
    if isinstance(given, str):
        version = find(store, given, param)
        return {**version.definition, "version": version.version}
    if not isinstance(given, Mapping) or given.get("type") != "multi":
        return given
    inner, where = given.get("graders"), f"{param}.graders"
    if isinstance(inner, list):
        inner = [resolve(store, part, f"{where}[{index}]") for index, part in enumerate(inner)]
    elif isinstance(inner, Mapping) and not isinstance(inner.get("type"), str):
        inner = {name: resolve(store, part, f"{where}.{name}") for name, part in inner.items()}
    return {**given, "graders": inner}


def _plain(definition: Mapping[str, Json]) -> dict[str, Json]:
    """As it will be read again. Raises InvalidInput for what is no JSON."""
    try:
        found: dict[str, Json] = orjson.loads(orjson.dumps(definition))
    except TypeError as error:
        raise InvalidInput(f"'definition' is no JSON: {error}", param="definition") from None
    return found
