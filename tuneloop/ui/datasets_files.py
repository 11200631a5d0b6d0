"""What a browser downloads of a data set, or opens beside its pages: training files, accounts, reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote

from nicegui import app as pages
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from tuneloop import datasets
from tuneloop.errors import InvalidInput, TuneloopError
from tuneloop.loop import Loop
from tuneloop.pages import document, text
from tuneloop.protocols import Method

METHODS: tuple[Method, ...] = ("supervised", "dpo", "kto", "reinforcement")

Answer = Callable[[Loop, Request], Response]


def install(loop: Loop) -> None:
    """Let them be had at their paths."""
    for path, answer in (("content", _content), ("account", _account), ("report", _report), ("doctor/report", _found)):
        pages.add_route(f"/datasets/{{name}}/{path}", _guarded(loop, answer), methods=["GET"], include_in_schema=False)


def _guarded(loop: Loop, answer: Answer) -> Callable[[Request], Response]:
    def given(request: Request) -> Response:
        try:
            return answer(loop, request)
        except TuneloopError as error:
            return HTMLResponse(document("That did not work", f"<h1>{text(error.message)}</h1>"), error.status)

    return given


def _content(loop: Loop, request: Request) -> Response:
    """A training file, as `GET /v1/datasets/{name}/content` gives it."""
    split, method = request.query_params.get("split"), request.query_params.get("method", "supervised")
    chosen = datasets.parse_split(split, "split") if split else None
    known = next((one for one in METHODS if one == method), None)
    if known is None:
        raise InvalidInput(f"method must be one of {', '.join(METHODS)}, not {method!r}", param="method")
    dataset = loop.store.datasets.named(request.path_params["name"])
    filename = "-".join([dataset.name, *([split] if split else []), *([method] if method != "supervised" else [])])
    lines = datasets.export(loop.store.datasets.rows(dataset.id, chosen), known)
    return _lines(lines, f"{filename}.jsonl")


def _account(loop: Loop, request: Request) -> Response:
    from tuneloop import doctor  # brings in NumPy, and a server is to start at once

    dataset = loop.store.datasets.named(request.path_params["name"])
    return _lines((line + b"\n" for line in doctor.account(loop, dataset)), f"{dataset.name}-account.jsonl")


def _report(loop: Loop, request: Request) -> Response:
    from tuneloop import doctor

    return HTMLResponse(doctor.account_page(loop, loop.store.datasets.named(request.path_params["name"])))


def _found(loop: Loop, request: Request) -> Response:
    """What the doctor found in a data set, as a page that can be sent around."""
    from tuneloop.ui import doctor_cases

    case = doctor_cases.case(loop, request.path_params["name"], request.query_params.get("fixes", ""))
    return HTMLResponse(doctor_cases.html(case))


def _lines(lines: Iterator[bytes], filename: str) -> Response:
    disposition = f"attachment; filename*=utf-8''{quote(filename)}"
    return StreamingResponse(lines, media_type="application/jsonl", headers={"Content-Disposition": disposition})
