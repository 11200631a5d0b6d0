"""Every error in OpenAI's form: {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from tuneloop.errors import InvalidInput, TuneloopError
from tuneloop.gateway.proxy import ENDPOINTS

logger = logging.getLogger("tuneloop")


def install(app: FastAPI) -> None:
    """Answer every kind of error in the one form."""
    app.add_exception_handler(TuneloopError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    # What a database cannot keep: PostgreSQL no NUL in a text, both no integer of more than 64 bits.
    app.add_exception_handler(DataError, _unkeepable)
    app.add_exception_handler(OverflowError, _unkeepable)
    app.add_exception_handler(Exception, _unknown)


def response(error: TuneloopError) -> JSONResponse:
    """An error as an answer."""
    return JSONResponse(error.body(), status_code=error.status)


async def _known(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TuneloopError)
    return response(error)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return response(_in_words(error.errors()[0]))


def _in_words(found: dict[str, Any]) -> InvalidInput:
    """One of pydantic's errors with the words and codes of OpenAI's."""
    place = found["loc"] if found["type"] != "json_invalid" else ()
    param = ".".join(str(part) for part in place if part not in ("body", "query", "path", "header")) or None
    named, context, given = f"'{param or 'body'}'", found.get("ctx", {}), found.get("input")
    match found["type"]:
        case _ if param is None:
            message, code = "The body of your request must be a JSON object.", None
        case "missing":
            message, code = f"Missing required parameter: {named}.", "missing_required_parameter"
        case "greater_than_equal":
            least = f"Expected a value >= {context['ge']}, but got {given} instead."
            message, code = f"Invalid {named}: integer below minimum value. {least}", "integer_below_min_value"
        case "less_than_equal":
            most = f"Expected a value <= {context['le']}, but got {given} instead."
            message, code = f"Invalid {named}: integer above maximum value. {most}", "integer_above_max_value"
        case "literal_error" | "enum":
            message = f"Invalid value: {given!r}. Supported values are: {context['expected']}."
            code = "invalid_value"
        case _:
            message, code = f"Invalid {named}: {found['msg']}.", "invalid_type"
    return InvalidInput(message, param=param, code=code)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, TuneloopError):  # FastAPI's wrapping of what went wrong while it read the body
        return response(error.__cause__)
    path, status = request.url.path, error.status_code
    allowed = _allowed(request) if status in (404, 405) else set()
    if allowed and request.method == "OPTIONS":
        return Response(status_code=204, headers={"Allow": ", ".join(sorted({*allowed, "OPTIONS"}))})
    if allowed:
        message, code = f"Not allowed to {request.method} on {path} (HINT: {', '.join(sorted(allowed))} is)", None
        body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
        return JSONResponse(body, status_code=405, headers={"Allow": ", ".join(sorted(allowed))})
    message, code = str(error.detail), None
    if status == 404:
        hint = "" if path.startswith("/v1/") else "; all paths begin with /v1"
        message, code = f"Invalid URL ({request.method} {path}){hint}", "unknown_url"
    body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
    return JSONResponse(body, status_code=status, headers=error.headers)


def _allowed(request: Request) -> set[str]:
    """The methods that there are for the path of a request."""
    allowed = {"POST"} if request.scope["path"] in ENDPOINTS else set()
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            allowed |= set(route.methods)
    return allowed


async def _unkeepable(_request: Request, _error: Exception) -> JSONResponse:
    return response(InvalidInput("A value cannot be kept: a text holds a NUL character, or a number is too large."))


async def _unknown(request: Request, error: Exception) -> JSONResponse:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return response(TuneloopError("The server had an error while processing your request. Its log says more."))
