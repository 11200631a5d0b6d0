"""A grader with what is kept for it: its definition under a name, its results, what people said."""

from __future__ import annotations

from tuneloop import graders
from tuneloop.graders import Ask, Grader, RunPython
from tuneloop.grading import reviews, versions
from tuneloop.store import Store
from tuneloop.types import Json


def read(
    store: Store, given: Json, *, ask: Ask | None = None, run_python: RunPython | None = None, param: str = "grader"
) -> Grader:
    """A Grader of its JSON or its name. What took a model or a process is done once for the same content, and what
    people are to say is asked of them. Raises InvalidInput and NotFound."""
    return graders.read(
        versions.resolve(store, given, param),
        ask=ask,
        run_python=run_python,
        people=reviews.people(store),
        cache=store.grader_results,
        param=param,
    )
