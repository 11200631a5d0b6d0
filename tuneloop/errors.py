"""The error tree. Each error knows its HTTP status, OpenAI type and code, and which parameter it is about.

TuneloopError
  InvalidInput          400  what the caller gave is wrong; `param` names the field
    InvalidData         400  a row of a file is wrong; the message names line and message number
    ContextTooLong      400  more tokens than the model can hold
  Unauthorized          401  missing or wrong key
  NotFound              404  no such thing
    ModelNotFound       404  no such model
  TooLarge              413  the body is larger than allowed
  UrlTooLong            414  the URL is longer than allowed
  UnsupportedMedia      415  the body is of another type than it should be
  RateLimited           429  too many calls with one key; the answer's Retry-After says when to come again
  EngineError           502  the engine or upstream failed
    EngineUnavailable   503  it did not start, or is starting again
  Unavailable           503  something we need is missing: a network, a model, a running server
"""

from __future__ import annotations

from typing import Any


class TuneloopError(Exception):
    """Something went wrong that the caller can read about and usually mend."""

    status: int = 500
    type: str = "server_error"
    code: str | None = None

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        if code is not None:
            self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process borders (jobs, Ray): keyword-only fields need help to be pickled.
        return _rebuild, (type(self), self.message, self.param, self.code)

    def body(self) -> dict[str, Any]:
        """The error as OpenAI's wire format has it, all four keys present."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


def _rebuild(kind: type[TuneloopError], message: str, param: str | None, code: str | None) -> TuneloopError:
    return kind(message, param=param, code=code)


class InvalidInput(TuneloopError):
    """What the caller gave is wrong; `param` names the field."""

    status, type = 400, "invalid_request_error"


class InvalidData(InvalidInput):
    """A row of a file is wrong; the message names the line and the message in it."""

    code = "invalid_training_file"


class ContextTooLong(InvalidInput):
    """More tokens than the model can hold."""

    code = "context_length_exceeded"


class Unauthorized(TuneloopError):
    """The API key is missing or wrong."""

    status, type, code = 401, "invalid_request_error", "invalid_api_key"


class NotFound(TuneloopError):
    """There is no such thing."""

    status, type = 404, "invalid_request_error"


class ModelNotFound(NotFound):
    """There is no such model."""

    code = "model_not_found"


class TooLarge(TuneloopError):
    """The body is larger than the server takes."""

    status, type, code = 413, "invalid_request_error", "request_too_large"


class UrlTooLong(TuneloopError):
    """The URL is longer than the server takes."""

    status, type, code = 414, "invalid_request_error", "url_too_long"


class UnsupportedMedia(TuneloopError):
    """The body's Content-Type is not the one that is read here."""

    status, type, code = 415, "invalid_request_error", "unsupported_content_type"


class RateLimited(TuneloopError):
    """More calls than the API key may make in a minute."""

    status, type, code = 429, "requests", "rate_limit_exceeded"


class EngineError(TuneloopError):
    """The engine or upstream behind a model failed."""

    status, code = 502, "upstream_error"


class EngineUnavailable(EngineError):
    """The engine behind a model did not start, or is starting again."""

    status, code = 503, "engine_unavailable"


class Unavailable(TuneloopError):
    """Something needed is missing: a network, a model's files, a running server."""

    status, code = 503, "unavailable"
