"""docs/openai_compatibility.md: every route and field of OpenAI's API and its state, from the OpenAPI description."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tuneloop.api import app
from tuneloop.api.contract import OPERATIONS
from tuneloop.api.contract.words import Operation
from tuneloop.api.openapi import describe
from tuneloop.loop import Loop
from tuneloop.settings import Settings

ABOUT = """# What of OpenAI's API there is

Every route and every field of OpenAI's contract, and what becomes of it. A base URL is all that a client has to change.

- **works**: as OpenAI has it
- **ignored**: accepted, without effect
- **refused**: a clear error, status 400, whose `param` names the field
- **empty**: there, always null

Fields that are not listed are accepted and ignored. To an upstream, chat completions, completions, embeddings and
responses pass untouched, whatever their fields are; what is said of these routes here is true of local models.

A list is `{"object": "list", "data": [...], "has_more", "first_id", "last_id"}`; a deleted thing is
`{"id", "object", "deleted": true}`. Errors, headers, paging and limits: [errors](errors.md). Tuneloop's own routes:
[the API](api.md). What is not listed is not there: 404, code `unknown_url`.
"""
#: told in the text above
_PLAIN = ("", "Deleted")


class Row(NamedTuple):
    """One field."""

    name: str
    state: str
    note: str


def page() -> str:
    """The whole page."""
    document = _document()
    parts = [ABOUT]
    for group in dict.fromkeys(operation.group for operation in OPERATIONS):
        if group == "Tuneloop":
            continue
        operations = [operation for operation in OPERATIONS if operation.group == group]
        parts.append(f"## {group}\n\n{_routes(operations, document)}")
        parts += [f"### {heading}\n\n{_table(rows)}" for heading, rows in _tables(operations, document)]
    return "\n".join(parts)


def _document() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as home:
        loop = Loop(settings=Settings(home=Path(home), database_url=f"sqlite:///{home}/tuneloop.db"))
        described = describe(app.routes(loop))
        loop.store.close()
    return described


def _routes(operations: list[Operation], document: Mapping[str, Any]) -> str:
    rows = []
    for operation in operations:
        described = document["paths"][operation.path][operation.method.lower()]
        query = [f"`{one['name']}`" for one in described["parameters"] if one["in"] == "query"]
        state = "; ".join(filter(None, ["works", operation.note]))
        rows.append(f"| `{operation.method} {operation.path}` | {operation.summary} | {', '.join(query)} | {state} |")
    return "| route | | parameters | state |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _tables(operations: list[Operation], document: Mapping[str, Any]) -> Iterator[tuple[str, list[Row]]]:
    """What each route takes, then the objects that they answer with, each once."""
    shared: Mapping[str, Any] = document["components"]["schemas"]
    objects: dict[str, None] = {}
    for operation in operations:
        described = document["paths"][operation.path][operation.method.lower()]
        if "requestBody" in described:
            (body, *_) = described["requestBody"]["content"].values()
            yield f"`{operation.method} {operation.path}` takes", list(dict.fromkeys(_walk(body["schema"], shared)))
        (answer, *_) = described["responses"][str(operation.status)]["content"].values()
        name = _name(answer["schema"])
        item = shared[name]["properties"]["data"]["items"] if name.startswith("Page_") else answer["schema"]
        objects[_name(item)] = None
    for name in objects:
        if name not in _PLAIN:
            yield f"`{name}`", list(dict.fromkeys(_walk(shared[name], shared, "", f" {name} ")))


def _walk(schema: Mapping[str, Any], shared: Mapping[str, Any], path: str = "", inside: str = "") -> Iterator[Row]:
    """Every field of a schema, those of its parts by their whole path; `inside` are the parts that it stands in."""
    if name := _name(schema):
        if f" {name} " not in inside:
            yield from _walk(shared[name], shared, path, f"{inside} {name} ")
        return
    for branch in schema.get("anyOf", ()):
        yield from _walk(branch, shared, path, inside)
    if isinstance(schema.get("items"), dict):
        yield from _walk(schema["items"], shared, f"{path}[]", inside)
    for name, field in schema.get("properties", {}).items():
        whole = f"{path}.{name}" if path else name
        yield Row(whole, field.get("x-state", "works"), field.get("description", "") if "x-state" in field else "")
        yield from _walk(field, shared, whole, inside)


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _table(rows: list[Row]) -> str:
    shown = [f"| `{row.name}` | {row.state} | {row.note.replace('|', chr(92) + '|')} |" for row in rows]
    return "| field | state | |\n|---|---|---|\n" + "\n".join(shown) + "\n"
