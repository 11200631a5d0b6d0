"""The web page: what the API and the command line do, to look at and to click.

A page for each noun, built in Python with NiceGUI, in the same process as the server. Every page has a URL that says
what it shows. Pages call the same verbs as the API's routes.
"""

from __future__ import annotations

import logging

from fastapi import FastAPI
from nicegui import app as pages
from nicegui import ui

from tuneloop.loop import Loop
from tuneloop.ui import (
    chat,
    compare,
    datasets,
    datasets_files,
    datasets_one,
    datasets_row,
    doctor,
    evaluation,
    frame,
    home,
    job,
    log,
    logs,
    models,
    models_one,
    playground,
    review,
    settings,
    tune,
    vote,
)
from tuneloop.ui.door import Door
from tuneloop.ui.front import Front

__all__ = ["Front", "site"]

PAGES = (
    home.PAGE,
    logs.PAGE,
    compare.PAGE,
    evaluation.PAGE,
    vote.PAGE,
    datasets.PAGE,
    datasets_one.PAGE,
    datasets_row.PAGE,
    doctor.PAGE,
    tune.PAGE,
    job.PAGE,
    log.PAGE,
    review.PAGE,
    models.PAGE,
    chat.PAGE,
    models_one.PAGE,
    playground.PAGE,
    settings.PAGE,
)


def site(loop: Loop) -> FastAPI:
    """The pages of a loop, as an application with a lifespan. Once in a process: NiceGUI has one app."""
    app = FastAPI(openapi_url=None)
    pages.add_static_files("/ui", frame.STATIC)
    for page in PAGES:
        frame.install(page, loop)
    datasets_files.install(loop)
    ui.run_with(
        app,
        root=frame.view(frame.nowhere, loop),
        title="Tuneloop",
        favicon=frame.STATIC / "favicon.svg",
        dark=None,
        language="en-US",
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=10.0,
    )
    pages.add_middleware(Door, store=loop.store, opens=loop.opens)
    logging.getLogger("nicegui").addFilter(frame.is_fault)
    return app
