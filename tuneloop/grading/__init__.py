"""Graders at work: kept under names in versions, on logs, live, by people, and how far judges agree with people."""

from tuneloop.grading.agreement import Agreement, agreement
from tuneloop.grading.kept import read
from tuneloop.grading.logs import Tally, run
from tuneloop.grading.reviews import answer, people, sitting, take_back, waiting
from tuneloop.grading.versions import add, delete, find, resolve

__all__ = [
    "Agreement",
    "Tally",
    "add",
    "agreement",
    "answer",
    "delete",
    "find",
    "people",
    "read",
    "resolve",
    "run",
    "sitting",
    "take_back",
    "waiting",
]
