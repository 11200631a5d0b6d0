"""Where the rows of a run come from: its request, a file, or answers that were stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from tuneloop import fields
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.eval_types import Eval, EvalRun
from tuneloop.evals import schemas, stored
from tuneloop.evals.rows import Row
from tuneloop.store import Store
from tuneloop.types import Json

#: type of a data source -> the types of its source
TYPES: Mapping[str, tuple[str, ...]] = {
    "jsonl": ("file_content", "file_id"),
    "completions": ("file_content", "file_id", "stored_completions"),
    "responses": ("file_content", "file_id", "responses"),
}
_SOURCE = "data_source.source"
#: seconds since 1970 that a filter may name
_LATEST = 2**40


def check(store: Store, of: Eval, data_source: Mapping[str, Any]) -> str | None:
    """Read the source through; returns the SHA-256 of its file's bytes, if it is a file.

    Raises InvalidInput naming the row that does not fit the eval's schema.
    """
    source: dict[str, Any] = fields.typed(fields.required({_SOURCE: data_source.get("source")}, _SOURCE), dict, _SOURCE)
    kinds = TYPES[data_source["type"]]
    kind = fields.one_of({f"{_SOURCE}.type": source.get("type")}, f"{_SOURCE}.type", kinds)
    if kind == "responses":
        message = "Stored responses cannot be searched here: give rows as file_content or file_id."
        raise InvalidInput(message, param=f"{_SOURCE}.type", code="unsupported_source")
    if kind == "stored_completions":
        _check_filters(source)
        return None
    sha256 = None
    if kind == "file_id":
        file_id = fields.text({f"{_SOURCE}.id": source.get("id")}, f"{_SOURCE}.id")
        file = store.files.find(file_id)
        if file is None:
            raise InvalidInput(f"No such File object: {file_id}", param=f"{_SOURCE}.id")
        sha256 = file.sha256
    count = sum(1 for _ in _checked(of, _read(store, source, sha256), source))
    if not count:
        raise InvalidInput("The data source has no rows.", param=_param(source))
    return sha256


def rows(store: Store, of: Eval, run: EvalRun) -> Iterator[Row]:
    """The rows of a run, the same ones in the same order however often they are read."""
    source = run.data_source["source"]
    if source["type"] == "stored_completions":
        yield from stored.rows(store, source, of.data_source_config.get("metadata") or {}, run.created_at)
    else:
        yield from (_row(given, source, number) for number, given in _read(store, source, run.sha256))


def _checked(of: Eval, given: Iterable[tuple[int, Json]], source: Mapping[str, Any]) -> Iterator[Row]:
    config = of.data_source_config
    explain = schemas.misfit(config["item_schema"]) if config["type"] == "custom" else lambda item: None
    for number, one in given:
        row = _row(one, source, number)
        if wrong := explain(row.item):
            message = f"Row {number} does not fit the eval's item_schema: {wrong}"
            raise InvalidInput(message, param=_param(source, number), code="invalid_item")
        yield row


def _read(store: Store, source: Mapping[str, Any], sha256: str | None) -> Iterator[tuple[int, Json]]:
    """Rows as they came, with their number counted from 1 (of a file, its line)."""
    if sha256 is None:
        where = f"{_SOURCE}.content"
        content = fields.typed(fields.required({where: source.get("content")}, where), list, where)
        yield from enumerate(content, start=1)
        return
    try:
        with store.blobs.open(sha256) as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, _parsed(line, number)
    except NotFound as error:
        raise InvalidInput(f"The file {source['id']} is gone.", param=f"{_SOURCE}.id") from error


def _parsed(line: bytes, number: int) -> Json:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"Row {number} is not JSON: {error}", param=f"{_SOURCE}.id") from None


def _row(given: Json, source: Mapping[str, Any], number: int) -> Row:
    param = _param(source, number)
    if not isinstance(given, Mapping) or not isinstance(given.get("item"), Mapping):
        raise InvalidInput(f'Row {number} must be an object with an object "item".', param=param)
    sample = given.get("sample")
    if sample is not None and not isinstance(sample, Mapping):
        raise InvalidInput(f'Row {number}: "sample" must be an object.', param=param)
    return Row(given["item"], sample)


def _param(source: Mapping[str, Any], number: int | None = None) -> str:
    if source["type"] == "file_id":
        return f"{_SOURCE}.id"
    return f"{_SOURCE}.content" if number is None else f"{_SOURCE}.content[{number - 1}]"


def _check_filters(source: Mapping[str, Any]) -> None:
    for name in ("created_after", "created_before", "limit"):
        if source.get(name) is not None:
            fields.whole({f"{_SOURCE}.{name}": source[name]}, f"{_SOURCE}.{name}", int(name == "limit"), _LATEST)
    check_pairs(source.get("metadata"), f"{_SOURCE}.metadata")
    if source.get("model") is not None:
        fields.typed(source["model"], str, f"{_SOURCE}.model")


def check_pairs(metadata: Json, param: str) -> None:
    """Raises InvalidInput unless these are pairs to find stored completions by."""
    if metadata is not None:
        for key, value in fields.typed(metadata, dict, param).items():
            fields.typed(value, str, f"{param}.{key}")
