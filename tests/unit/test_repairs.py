"""JSON that is mended, and what is too far from JSON to be."""

from __future__ import annotations

import json

import pytest

from tests.unit import checks_rows
from tests.unit.desk import survey
from tuneloop.checks import answers, structure
from tuneloop.checks.repairs import mended


@pytest.mark.parametrize(
    "text, value",
    [
        ('{"a": 1,}', {"a": 1}),
        ("{'a': 'b'}", {"a": "b"}),
        ('Here you are: {"a": [1, 2]} Bye!', {"a": [1, 2]}),
        ('```json\n{"a": true}\n```', {"a": True}),
    ],
)
def test_slips_are_mended(text: str, value: object) -> None:
    made = mended(text)
    assert made is not None and json.loads(made) == value


@pytest.mark.parametrize("text", ["", "nothing here", "{}", "[]", "{" * 50000 + "}" * 50000])
def test_what_is_no_json_is_left(text: str) -> None:
    assert mended(text) is None


def test_a_mended_answer_must_fit_the_schema() -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    (good,) = answers.check(checks_rows.row("?", '{"a": 1,}', response_format=wanted))
    assert (good.code, good.evidence["repaired"]) == ("broken_json", '{"a":1}')
    (bad,) = answers.check(checks_rows.row("?", '{"b": 1,}', response_format=wanted))
    assert bad.code == "broken_json" and "repaired" not in bad.evidence


def test_json_in_a_text_among_json_answers() -> None:
    good = [checks_rows.row(f"q{n}", json.dumps({"city": f"c{n}", "days": n}), number=n) for n in range(1, 31)]
    odd = checks_rows.row("q", 'Sure: {"city": "Bonn", "days": 3}', number=31)
    (one,) = structure.check(structure.tasks(survey([*good, odd])))
    assert (one.code, one.rows, one.evidence["repaired"]) == ("format_violation", (31,), '{"city":"Bonn","days":3}')
