"""The parts a command works with, opened when it runs (never for --help)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuneloop.loop import Loop


@contextmanager
def opened() -> Iterator[Loop]:
    """The loop of this process; base models that have to be brought show a progress bar."""
    from tuneloop import settings
    from tuneloop.cli.console import pull_progress
    from tuneloop.loop import Loop

    with pull_progress() as progress:
        loop = Loop(settings=settings.load(), progress=progress)
        try:
            yield loop
        finally:
            if "store" in loop.__dict__:
                loop.store.close()
