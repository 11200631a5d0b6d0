"""Long work that somebody asked for and need not wait for: in a process of its own, so that the server goes on
answering, and kept by name, so that one can leave it and come back."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, Literal

from tuneloop.errors import TuneloopError

#: what is being done, and how many of it
Progress = Callable[[str, int], None]
#: called in the other process with what it is given and a Progress; it, what it is given and what it returns can be
#: pickled
Work = Callable[..., Any]
State = Literal["waiting", "running", "done", "failed"]

#: how many results are kept: those that were looked at last
_KEPT = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Work as it stands."""

    state: State = "waiting"
    what: str = ""
    done: int = 0
    #: what came of it
    result: Any = None
    #: why it failed
    error: str = ""


class Background:
    """The work of one process, one at a time in the order in which it was asked for. Threads may share it."""

    def __init__(self) -> None:
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._turn = threading.Lock()
        self._known = threading.Lock()

    def find(self, name: str) -> Task | None:
        """The work of this name, if it was begun here and is not forgotten."""
        with self._known:
            if name in self._tasks:
                self._tasks.move_to_end(name)
            return self._tasks.get(name)

    def begin(self, name: str, work: Work, *given: Any) -> Task:
        """Begin work unless it is begun or done; what has failed is begun again."""
        with self._known:
            task = self._tasks.get(name)
            if task is not None and task.state != "failed":
                return task
            task = self._tasks[name] = Task()
            self._tasks.move_to_end(name)
            self._forget()
        threading.Thread(target=self._run, args=(name, work, given), daemon=True).start()
        return task

    def _forget(self) -> None:
        finished = [name for name, task in self._tasks.items() if task.state in ("done", "failed")]
        for name in finished[: max(0, len(self._tasks) - _KEPT)]:
            del self._tasks[name]

    def _run(self, name: str, work: Work, given: tuple[Any, ...]) -> None:
        with self._turn:
            # A new interpreter: one that is forked from a process with threads may hang.
            context = multiprocessing.get_context("spawn")
            hears, says = context.Pipe(duplex=False)
            child = context.Process(target=_work, args=(says, work, given), daemon=True)
            child.start()
            says.close()
            self._listen(name, hears)
            child.join()

    def _listen(self, name: str, hears: Connection) -> None:
        """Pass on what the other process says until it has said all."""
        with hears:
            while True:
                try:
                    said = hears.recv()
                except (EOFError, OSError):
                    said = {"state": "failed", "error": "its process ended before it was done; begin it again"}
                self._change(name, said)
                if said["state"] in ("done", "failed"):
                    return

    def _change(self, name: str, said: dict[str, Any]) -> None:
        with self._known:
            self._tasks[name] = replace(self._tasks[name], **said)


def _work(says: Connection, work: Work, given: tuple[Any, ...]) -> None:
    """The other process."""
    with suppress(AttributeError, OSError):  # not every platform has it
        os.nice(10)  # calls and pages come first

    def heard(what: str, done: int) -> None:
        says.send({"state": "running", "what": what, "done": done})

    with suppress(BrokenPipeError):  # nobody waits for it any more
        try:
            heard("", 0)
            result = work(*given, heard)
        except TuneloopError as error:
            says.send({"state": "failed", "error": error.message})
        except BrokenPipeError:
            raise
        except Exception as error:
            says.send({"state": "failed", "error": f"{type(error).__name__}: {error}"})
        else:
            says.send({"state": "done", "result": result})
