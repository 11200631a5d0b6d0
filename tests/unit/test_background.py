"""Work in a process of its own: what came of it, how far it is, why it failed; one at a time, and kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from tuneloop.errors import InvalidInput
from tuneloop.executors.background import Background, Progress, Task


def squares(most: int, progress: Progress) -> list[int]:
    """The work of the tests; it runs in another process, which finds it by name."""
    progress("squaring", most)
    if most < 0:
        raise InvalidInput("no squares of less than nothing")
    if most == 0:
        os._exit(3)
    return [*(number * number for number in range(most)), os.getpid()]


def until(background: Background, name: str, wanted: Callable[[Task], bool]) -> Task:
    for _ in range(400):
        task = background.find(name)
        assert task is not None
        if wanted(task):
            return task
        time.sleep(0.05)
    raise AssertionError(f"{name} is still {task}")


def ended(task: Task) -> bool:
    return task.state in ("done", "failed")


def test_what_came_of_it_is_kept_and_it_ran_elsewhere() -> None:
    background = Background()
    assert background.find("a") is None
    background.begin("a", squares, 4)
    done = until(background, "a", ended)
    assert done.state == "done" and done.result[:4] == [0, 1, 4, 9] and done.result[4] != os.getpid()
    assert done.what == "squaring" and done.done == 4
    assert background.begin("a", squares, 9) is background.find("a"), "what is done is not done again"


def test_failures_say_why_and_are_begun_again() -> None:
    background = Background()
    background.begin("known", squares, -1)
    background.begin("unknown", squares, "many")
    background.begin("gone", squares, 0)
    assert until(background, "known", ended).error == "no squares of less than nothing"
    assert until(background, "unknown", ended).error.startswith("TypeError: ")
    assert "ended before it was done" in until(background, "gone", ended).error
    assert background.begin("known", squares, 2).state == "waiting"
    assert until(background, "known", ended).state == "done"
