"""Graders in a command: models are asked past the gateway, so that no server has to run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tuneloop import grading
from tuneloop.engines.asking import Asker
from tuneloop.filters import Tree
from tuneloop.grader_types import GraderVersion
from tuneloop.graders import Ask
from tuneloop.graders.needs import asks_model, parts
from tuneloop.graders.sandbox import Sandbox
from tuneloop.grading import Tally
from tuneloop.loop import Loop
from tuneloop.types import Json


def grade_logs(
    loop: Loop,
    version: GraderVersion,
    tree: Tree,
    *,
    share: float,
    limit: int | None,
    concurrency: int,
    on_progress: Callable[[Tally], None],
) -> Tally:
    """Let a version grade the logs that match a filter; see `grading.run`."""
    with asking(loop) as ask:
        grader = grading.read(loop.store, version.reference, ask=ask, run_python=Sandbox())
        for model in _models(version.definition):
            loop.routes.route(model)  # better known now than as a failure of every log
        return grading.run(
            loop.store, grader, tree, share=share, limit=limit, concurrency=concurrency, on_progress=on_progress
        )


@contextmanager
def asking(loop: Loop) -> Iterator[Ask]:
    """How graders ask models as long as the block lasts, from any thread."""
    running = asyncio.new_event_loop()
    thread = threading.Thread(target=running.run_forever, name="asking", daemon=True)
    thread.start()

    def wait(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, running).result()

    asker = Asker(loop.routes)
    wait(asker.__aenter__())
    try:
        yield asker.for_graders(running, loop.settings.base_model)
    finally:
        wait(asker.__aexit__(None, None, None))
        if "local" in loop.__dict__:
            wait(loop.local.close())
        running.call_soon_threadsafe(running.stop)
        thread.join()
        running.close()


def _models(definition: Json) -> list[str]:
    """The judges that a grader asks by name."""
    return [str(part["model"]) for part in parts(definition) if asks_model(part) and "model" in part]
