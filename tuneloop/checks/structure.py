"""Tasks whose answers are JSON objects: which fields they have, and the rows that leave them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import cached_property

from tuneloop.checks.answers import parsed
from tuneloop.checks.findings import Finding
from tuneloop.checks.kinds import finding
from tuneloop.checks.repairs import mended
from tuneloop.checks.survey import Facts, Survey
from tuneloop.checks.texts import clip, plain
from tuneloop.types import Json

#: rows of a task from which on its answers have a form, and the share of them that makes it
FEWEST, _SHARE = 20, 0.8
#: of the rows that have a field at all, the share from which on all must, or must have it of one type
_ALWAYS = 0.97
#: the share of the rows that may have a field of their own, where fields are fixed
_STRANGERS = 0.03
#: values that a field with fixed ones has at most, and rows of each at least
_VALUES, _EACH = 20, 5
#: how alike a value is to one that it is meant to be (difflib)
_SAME = 0.8
_FAULTY = frozenset({"empty", "failed_call", "truncated"})


class JsonTask:
    """One task and the fields of its answers."""

    def __init__(self, rows: Sequence[tuple[Facts, dict[str, Json]]], others: Sequence[Facts]) -> None:
        self.rows = rows
        #: rows whose answer is no JSON object alone
        self.others = others

    @cached_property
    def required(self) -> frozenset[str]:
        """The fields that all answers should have."""
        counts = Counter(key for _, value in self.rows for key in value)
        return frozenset(key for key, count in counts.items() if count >= _ALWAYS * len(self.rows))

    @cached_property
    def known(self) -> frozenset[str]:
        """The fields that more than one in a hundred answers have."""
        counts = Counter(key for _, value in self.rows for key in value)
        return frozenset(key for key, count in counts.items() if count > max(2, 0.01 * len(self.rows)))

    @cached_property
    def fixed(self) -> bool:
        """Whether hardly any answer has a field that the others have not."""
        strangers = sum(not value.keys() <= self.known for _, value in self.rows)
        return strangers <= max(1, _STRANGERS * len(self.rows))

    @cached_property
    def values(self) -> dict[str, Counter[str]]:
        """The values of the fields that have a few fixed ones, each in several rows."""
        counts: dict[str, Counter[str]] = {}
        for _, value in self.rows:
            for key, field in value.items():
                if isinstance(field, str):
                    counts.setdefault(key, Counter())[field] += 1
        found = {}
        for key, count in counts.items():
            often = Counter({field: n for field, n in count.items() if n >= _EACH})
            if 2 <= len(often) <= _VALUES and often.total() >= _ALWAYS * count.total():
                found[key] = often
        return found

    @cached_property
    def types(self) -> dict[str, str]:
        """The type of each field that always has the same, but for a few rows; null is of any."""
        counts: dict[str, Counter[str]] = {}
        for _, value in self.rows:
            for key, field in value.items():
                if field is not None:
                    counts.setdefault(key, Counter())[_type(field)] += 1
        most = {key: count.most_common(1)[0] for key, count in counts.items()}
        return {key: kind for key, (kind, n) in most.items() if n >= max(_ALWAYS * counts[key].total(), 10)}

    def faults(self, value: dict[str, Json]) -> list[str]:
        """How an answer leaves the form of the others."""
        found = [f"{key!r} is missing" for key in sorted(self.required - value.keys())]
        for key, field in value.items():
            wanted = self.types.get(key)
            near = get_close_matches(key.lower(), self.required - value.keys(), 1) if key not in self.known else []
            if key not in self.known and (near or self.fixed):
                found.append(f"{key!r} is in no other answer" + (f" ({near[0]!r} is)" if near else ""))
            elif wanted and field is not None and _type(field) != wanted:
                found.append(f"{key!r} is {_type(field)}, not {wanted} as elsewhere")
            elif key in self.values and isinstance(field, str) and field not in self.values[key]:
                if same := get_close_matches(plain(field), map(plain, self.values[key]), 1, _SAME):
                    found.append(f"{key!r} is {clip(field)!r}, elsewhere {same[0]!r}")
        return found


def tasks(survey: Survey) -> list[JsonTask]:
    """The tasks of a survey whose answers are JSON objects."""
    found = []
    for rows in survey.each_task(FEWEST):
        usable = [facts for facts in rows if not facts.codes & _FAULTY and facts.answer_length == len(facts.answer)]
        read = [(facts, *parsed(facts.answer)) for facts in usable]
        objects = [(facts, value) for facts, value, alone in read if alone and isinstance(value, dict)]
        if len(objects) >= max(FEWEST / 2, _SHARE * len(usable)):
            others = [facts for facts, value, alone in read if not (alone and isinstance(value, dict))]
            found.append(JsonTask(objects, others))
    return found


def check(found: Sequence[JsonTask]) -> Iterator[Finding]:
    """Answers that are no JSON, or JSON of another form than the others of their task."""
    for task in found:
        for facts in task.others:
            if not facts.codes & {"broken_json", "refusal", "format_violation"}:
                yield _another_form(task, facts)
        for facts, value in task.rows:
            if faults := task.faults(value):
                yield finding("schema_violation", facts.number, faults[0], errors=faults[:5])


def _another_form(task: JsonTask, facts: Facts) -> Finding:
    found = mended(facts.answer, lambda value: isinstance(value, dict) and not task.faults(value))
    repaired = {} if found is None else {"repaired": found}
    message = f"not a JSON object as the others are: {clip(facts.answer)!r}"
    return finding("format_violation", facts.number, message, repaired, answer=clip(facts.answer, 160))


def _type(value: Json) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "an object"
