"""The data set doctor over HTTP: examine what is here, make a Dataset of what is kept, read a Dataset's account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body
from fastapi.responses import HTMLResponse, StreamingResponse

from tuneloop import datasets, fields
from tuneloop.api import routing, shapes
from tuneloop.errors import InvalidInput
from tuneloop.loop import Loop

if TYPE_CHECKING:  # imported when it is asked for: its checks bring in NumPy, and a server is to start at once
    from tuneloop.checks.treatment import Plan
    from tuneloop.doctor import Patient, Report

_SUBJECTS = ("dataset", "file", "where")


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()

    @routes.post("/checks")
    def check(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        from tuneloop import doctor

        patient, plan = _patient(loop, body), _plan(body)
        into = fields.typed(body.get("into"), str, "into") if body.get("into") is not None else None
        shares = datasets.parse_shares(fields.typed(body.get("split", "80/10/10"), str, "split"))
        report = doctor.examine(patient, plan=plan, chat=doctor.chat(loop, body.get("model")))
        if body.get("estimate") is True:
            report = doctor.foresee(loop, report, body.get("model"))
        previewed = _previewed(report, fields.typed(body.get("preview", 0), int, "preview"))
        made = doctor.make_dataset(loop, report, into, shares=shares) if into is not None else None
        return {
            "object": "check",
            **report.summary(),
            "dataset": None if made is None else shapes.dataset(made, datasets.warnings(made)),
            "preview": previewed,
            "data": [record for record in report.records() if body.get("all") is True or record["findings"]],
        }

    @routes.get("/datasets/{name}/account")
    def account(name: str) -> StreamingResponse:
        from tuneloop import doctor

        lines = doctor.account(loop, loop.store.datasets.named(name))
        return StreamingResponse((line + b"\n" for line in lines), media_type="application/jsonl")

    @routes.get("/datasets/{name}/report")
    def report(name: str) -> HTMLResponse:
        from tuneloop import doctor

        return HTMLResponse(doctor.account_page(loop, loop.store.datasets.named(name)))

    return routes


def _previewed(report: Report, most: int) -> list[dict[str, Any]]:
    """The first rows that are fixed, with the fixes and what they change."""
    from tuneloop import doctor

    if most < 0:
        raise InvalidInput("'preview' is how many rows are shown, 0 or more", param="preview")
    found = doctor.previews(report, most)
    return [{"number": row.number, "fixes": list(fixes), "change": change} for row, fixes, change in found]


def _patient(loop: Loop, body: Mapping[str, Any]) -> Patient:
    from tuneloop import doctor

    given = {name: body[name] for name in _SUBJECTS if body.get(name) is not None}
    if len(given) != 1:
        raise InvalidInput(
            "say what to examine: one of 'dataset', 'file' and 'where' (a filter over logs)", param="dataset"
        )
    [(name, value)] = given.items()
    text = fields.typed(value, str, name)
    if name == "dataset":
        return doctor.of_dataset(loop, text)
    return doctor.of_upload(loop, text) if name == "file" else doctor.of_logs(loop, text)


def _plan(body: Mapping[str, Any]) -> Plan:
    from tuneloop.checks.treatment import LENGTH, read_plan

    leave = _texts(body.get("leave", []), "leave")
    fixes = fields.typed(body.get("fixes", {}), dict, "fixes")
    length = fields.typed(body.get("length", LENGTH), int, "length")
    if length < 100:
        raise InvalidInput("'length' must be at least 100 characters", param="length")
    return read_plan(leave, [f"{code}={fix}" for code, fix in fixes.items()], length)


def _texts(value: Any, param: str) -> Sequence[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidInput(f"'{param}' must be a list of texts", param=param)
    return value
