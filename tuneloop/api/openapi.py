"""The OpenAPI description (3.1): parameters from the routes as they are, bodies and answers from the contract."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import TypeAdapter
from starlette.routing import BaseRoute

from tuneloop import __version__
from tuneloop.api.contract import OPERATIONS
from tuneloop.api.contract.words import JSON, ErrorAnswer, Operation

Schema = dict[str, Any]

#: every route may answer with these
_ERRORS = {
    "400": "What was sent is wrong; `param` names the field.",
    "401": "The API key is missing or wrong.",
    "404": "There is no such thing.",
    "413": "The body is too large.",
    "415": "The body is of another type than it should be.",
    "429": "Too many calls; Retry-After says when to come again.",
    "default": "Something failed here or at an upstream.",
}
_ABOUT = """OpenAI's API on your own machine: gateway, log, files, fine-tuning, evals, and what is Tuneloop's own.

Errors always have the form `{"error": {"message", "type", "param", "code"}}`. Fields that are not listed are ignored.
"""
_ASSETS = "/docs/assets"
_METADATA = {
    "name": "metadata",
    "in": "query",
    "description": "metadata[key]=value: only items that have all these",
    "style": "deepObject",
    "explode": True,
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}


def install(app: FastAPI) -> None:
    """Answer /openapi.json and /docs; made at the first request, for it takes a moment."""
    made: list[dict[str, Any]] = []

    @app.get("/openapi.json", include_in_schema=False)
    def openapi() -> JSONResponse:
        if not made:
            made.append(describe(app.routes))
        return JSONResponse(made[0])

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Tuneloop",
            swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{_ASSETS}/favicon.png",
        )

    # Swagger's own files, from a package: the page works without a network.
    app.mount(_ASSETS, StaticFiles(packages=[("fastapi_offline", "static")]))


def describe(routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """The description of these routes and of those that the gateway answers in front of them."""
    document = get_openapi(title="Tuneloop", version=__version__, description=_ABOUT, routes=routes)
    paths: dict[str, Any] = document["paths"]
    shapes, components = schemas()
    for operation in OPERATIONS:
        found = paths.setdefault(operation.path, {})
        method = operation.method.lower()
        found[method] = _described(operation, found.get(method, {}).get("parameters", []), shapes)
    schemes = {"key": {"type": "http", "scheme": "bearer"}}
    document["components"] = {"schemas": components, "securitySchemes": schemes}
    return {**document, "security": [{"key": []}]}


def _described(operation: Operation, parameters: list[Any], shapes: Mapping[Any, Schema]) -> dict[str, Any]:
    error = {JSON: {"schema": shapes[ErrorAnswer]}}
    answer = {media: {"schema": _schema(media, operation.gives, shapes)} for media in operation.writes}
    answers = {str(operation.status): {"description": operation.summary, "content": answer}}
    described = {
        "tags": [operation.group],
        "summary": operation.summary,
        "description": operation.note,
        "operationId": re.sub(r"\W+", "_", f"{operation.method} {operation.path}").lower().strip("_"),
        "parameters": [*parameters, _METADATA] if operation.by_metadata else parameters,
        "responses": answers | {status: {"description": why, "content": error} for status, why in _ERRORS.items()},
    }
    if operation.takes is not None:
        body = {media: {"schema": _schema(media, operation.takes, shapes)} for media in operation.reads}
        described["requestBody"] = {"required": True, "content": body}
    return described


def _schema(media: str, kind: Any, shapes: Mapping[Any, Schema]) -> Schema:
    if media in (JSON, "multipart/form-data"):
        return shapes[kind]
    return {"type": "string", "format": "binary"}


def schemas() -> tuple[dict[Any, Schema], dict[str, Schema]]:
    """The schema of each kind of body and answer, and what they refer to, by name."""
    kinds = {kind: None for operation in OPERATIONS for kind in (operation.takes, operation.gives) if kind is not None}
    mode: Literal["validation"] = "validation"
    adapters = [(kind, mode, TypeAdapter(kind)) for kind in (*kinds, ErrorAnswer)]
    found, shared = TypeAdapter.json_schemas(adapters, ref_template="#/components/schemas/{model}")
    return {kind: schema for (kind, _), schema in found.items()}, shared["$defs"]
