"""Every error in OpenAI's form: {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from tuneloop.errors import InvalidInput, TuneloopError

logger = logging.getLogger("tuneloop")


def install(app: FastAPI) -> None:
    """Answer every kind of error in the one form."""
    app.add_exception_handler(TuneloopError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unknown)


def response(error: TuneloopError) -> JSONResponse:
    """An error as an answer."""
    return JSONResponse(error.body(), status_code=error.status)


async def _known(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TuneloopError)
    return response(error)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = error.errors()[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    param = ".".join(place) or None
    return response(InvalidInput(f"{param or 'body'}: {first['msg']}", param=param))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    wrong = {
        404: f"Invalid URL ({request.method} {request.url.path})",
        405: f"Not allowed to {request.method} on {request.url.path}",
    }
    message = wrong.get(error.status_code, str(error.detail))
    code = "unknown_url" if error.status_code == 404 else None
    body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


async def _unknown(request: Request, error: Exception) -> JSONResponse:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return response(TuneloopError("The server had an error while processing your request. Its log says more."))
