"""Datasets over HTTP: made of Logs or of an uploaded file, listed, read row by row or as a training file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from fastapi.responses import StreamingResponse

from tuneloop import datasets, fields, files
from tuneloop.api import routing, shapes
from tuneloop.errors import InvalidInput
from tuneloop.importers.rows import training_rows
from tuneloop.loop import Loop
from tuneloop.protocols import Method
from tuneloop.store import Store
from tuneloop.store.datasets import Numbered, Sought
from tuneloop.types import Dataset, Split

Limit = Annotated[int, Query(ge=1, le=1000)]


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes, store = routing.routes(), loop.store

    @routes.post("/datasets")
    def create_dataset(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        made = _create(store, body)
        return shapes.dataset(made, datasets.warnings(made))

    @routes.get("/datasets")
    def list_datasets(limit: Limit = 20, after: str | None = None) -> dict[str, Any]:
        found, more = store.datasets.page(limit=limit, after=after)
        return shapes.page(found, more, shapes.dataset)

    @routes.get("/datasets/{name}")
    def retrieve_dataset(name: str) -> dict[str, Any]:
        found = store.datasets.named(name)
        return shapes.dataset(found, datasets.warnings(found))

    @routes.get("/datasets/{name}/rows")
    def dataset_rows(
        name: str,
        split: Split | None = None,
        text: str = "",
        without: str | None = None,
        limit: Limit = 20,
        after: Annotated[int, Query(ge=0)] = 0,
    ) -> dict[str, Any]:
        other = None if without is None else store.datasets.named(without).id
        sought = Sought(split=split, text=text, without=other)
        found, more = store.datasets.look(store.datasets.named(name).id, sought, limit=limit, after=after)
        last = found[-1].number if found else None
        return {"object": "list", "data": [_row(one) for one in found], "has_more": more, "last_number": last}

    @routes.get("/datasets/{name}/content")
    def dataset_content(name: str, split: Split | None = None, method: Method = "supervised") -> StreamingResponse:
        rows = store.datasets.rows(store.datasets.named(name).id, split)
        return StreamingResponse(datasets.export(rows, method), media_type="application/jsonl")

    return routes


def _create(store: Store, body: Mapping[str, Any]) -> Dataset:
    name, where, split = body.get("name"), body.get("where", ""), body.get("split", "80/10/10")
    if not isinstance(name, str) or not isinstance(where, str) or not isinstance(split, str):
        raise InvalidInput("give 'name', and optionally 'where' and 'split' ('80/10/10'), as texts", param="name")
    shares = datasets.parse_shares(split)
    if body.get("file") is None:
        return datasets.create(store, name, where=where, shares=shares)
    if where:
        raise InvalidInput("give 'where' or 'file', not both", param="file")
    file = files.get(store, fields.typed(body["file"], str, "file"))
    with TemporaryDirectory(prefix="tuneloop-") as folder:
        copy = Path(folder) / "file.jsonl"
        store.blobs.download(file.sha256, copy)
        return datasets.import_rows(store, name, training_rows(copy), origin=file.filename, shares=shares)


def _row(one: Numbered) -> dict[str, Any]:
    """A row of a Dataset and its number, counted from 1."""
    return {"object": "dataset.row", "number": one.number, **asdict(one.example)}
