"""Data sets in words: their paths, what they were made of, what became of every row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from tuneloop.checks.kinds import KINDS
from tuneloop.store import Store
from tuneloop.types import Dataset, Split

#: what each split is for
SPLIT_WORDS: Mapping[Split, str] = {
    "train": "learnt from",
    "validation": "choose the best checkpoint",
    "test": "never seen before the verdict",
}
_FROM_LOGS = "logs where "
#: name, and id where it was that version and not just the newest
_FROM_DATASET = re.compile(r"dataset (.+?)(?: \((ds_\w+)\))?")
_BECAME = {
    "kept": "kept as they were",
    "corrected": "kept with the better answer that somebody gave",
    "fixed": "mended by the doctor",
    "rated bad": "rated bad: kept, for the method kto alone",
    "duplicate": "said the same as another row",
}


def path(name: str, *more: str, **query: str) -> str:
    """The path of a data set, by name or id, or of what belongs to it."""
    whole = "/".join(["/datasets", quote(name, safe=""), *more])
    return whole + (f"?{urlencode(query)}" if query else "")


def newest(store: Store, dataset: Dataset) -> str:
    """The path of a data set: by its name, unless that is by now another version's."""
    return path(dataset.name if store.datasets.named(dataset.name).id == dataset.id else dataset.id)


def source(dataset: Dataset) -> tuple[str, str | None]:
    """What a data set was made of, and where that is."""
    origin = dataset.origin
    if origin == "all logs":
        return origin, "/logs"
    if origin.startswith(_FROM_LOGS):
        return origin, f"/logs?{urlencode({'where': origin.removeprefix(_FROM_LOGS)})}"
    if found := _FROM_DATASET.fullmatch(origin):
        name, version = found.groups()
        return f"the data set {name}, by the doctor", path(version or name)
    return origin, None


def total(dataset: Dataset) -> int:
    """How many rows it has."""
    return sum(dataset.counts.values())


def account(dataset: Dataset) -> list[tuple[int, str, bool]]:
    """What became of the rows it was made of: how many, what, and whether they are in it; the most first."""
    found = []
    for outcome, count in dataset.account.items():
        if outcome == "matched" or not count:
            continue
        why = outcome.partition(": ")[2]
        if outcome.startswith("dropped: "):
            why = KINDS[why].title.lower() if why in KINDS else why
        said = _BECAME.get(outcome) or f"left out: {why or outcome}"
        found.append((count, said, outcome in _BECAME and outcome != "duplicate"))
    return sorted(found, key=lambda one: (not one[2], -one[0]))
