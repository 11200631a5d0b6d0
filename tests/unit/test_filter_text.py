"""Filters as people put them together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop import filter_text, filters
from tuneloop.errors import InvalidInput
from tuneloop.filters import Condition
from tuneloop.ui.logs.adding import composed

PARTS = [
    "model = a",
    "not scored",
    "(model = a or model = b)",
    "metadata.\"my key\" in ('x y', z)",
    "text ~ 'and so on'",
    "not (status = 200 and stream)",
]


def test_the_conditions_of_an_expression_are_those_that_must_all_be_true() -> None:
    for count in range(len(PARTS) + 1):
        assert filters.conditions(" and ".join(PARTS[:count])) == PARTS[:count]
    assert filters.conditions("  model = a  ") == ["model = a"]
    assert filters.conditions("model = a and scored or stream") == ["model = a and scored or stream"]
    assert filters.conditions("(model = a and scored)") == ["(model = a and scored)"]
    with pytest.raises(InvalidInput):
        filters.conditions("model = a and")


def test_conditions_come_and_go() -> None:
    assert filter_text.with_condition("", "scored") == "scored"
    assert filter_text.with_condition("scored", "scored") == "scored"
    assert filter_text.with_condition("scored or stream", "model = a") == "(scored or stream) and model = a"
    assert filter_text.with_condition("model = a", "scored or stream") == "model = a and (scored or stream)"
    assert filter_text.without("model = a and scored", 0) == "scored"
    assert filter_text.without("scored", 0) == ""


def test_the_search_is_a_condition() -> None:
    assert filter_text.searched("model = a and text ~ 'my card'") == "my card"
    assert filter_text.searched("text !~ card and input ~ x") == ""
    assert filter_text.with_search("text ~ card and model = a", "it's") == "model = a and text ~ 'it\\'s'"
    assert filter_text.with_search("text ~ card and model = a", "") == "model = a"


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8")).filter(lambda text: text == text.strip()))
def test_any_value_is_read_as_it_was_written(value: str) -> None:
    tree = filters.parse(f"{filter_text.field('score', 'a b')} = {filter_text.value(value)}")
    assert tree == Condition(field="score", key="a b", op="=", values=(value,))


@pytest.mark.parametrize("value", [True, 3.0, -0.25, 1e20, "null", "nan", "in", "2 ways", "-5", ".", "a\\b'c\"d"])
def test_values_keep_their_kind(value: bool | float | str) -> None:
    tree = filters.parse(f"score.x = {filter_text.value(value)}")
    assert isinstance(tree, Condition) and tree.values == (value,) and type(tree.values[0]) is type(value)


def test_a_condition_is_put_together() -> None:
    assert composed("model", "~", "my model ", "model") == "model ~ 'my model'"
    assert composed("score.rating", "=", "good", "score") == "score.rating = good"
    assert composed("score.judge", ">", "0.5", "score") == "score.judge > 0.5"
    assert composed("status", ">=", "400", "status") == "status >= 400"
    assert composed("created_at", ">", "now-7d", "created_at") == "created_at > now-7d"
    assert composed("scored", "not", "", "scored") == "not scored"
    assert composed("cost", "has", "", "cost") == "cost"
    with pytest.raises(InvalidInput, match="a value is missing"):
        composed("model", "=", " ", "model")
