"""The filter language: text to tree, and errors that point at the place. What trees match: contract/test_store.py."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop import filters
from tuneloop.errors import InvalidInput
from tuneloop.filters import All, Any, Condition, Not, parse


def test_and_binds_stronger_than_or() -> None:
    a, b, c = (Condition(field="model", op="=", values=(x,)) for x in "abc")
    assert parse("model = a or model = b and model = c") == Any((a, All((b, c))))
    assert parse("(model = a or model = b) and model = c") == All((Any((a, b)), c))
    assert parse("not not model = a") == Not(Not(a))
    assert parse("NOT model=a AND model==b") == All((Not(a), b))


def test_values_have_the_type_of_their_field() -> None:
    assert parse("status = 200") == Condition(field="status", op="=", values=(200.0,))
    assert parse("user = 200") == Condition(field="user", op="=", values=("200",))
    assert parse("score.stars = 5") == Condition(field="score", key="stars", op="=", values=(5.0,))
    assert parse("score.stars = '5'") == Condition(field="score", key="stars", op="=", values=("5",))
    assert parse("score.ok = true") == Condition(field="score", key="ok", op="=", values=(True,))
    assert parse(r"input = 'it\'s'") == parse("input = 'it''s'") == parse('input = "it\'s"')


def test_times() -> None:
    def value(text: str) -> float:
        tree = parse(f"created_at > {text}")
        assert isinstance(tree, Condition) and isinstance(tree.values[0], float)
        return tree.values[0]

    assert value("1970-01-02") == value("'1970-01-02T00:00:00Z'") == value("86400") == 86400
    assert value("'1970-01-02T01:00:00+01:00'") == 86400
    assert abs(value("now-2h") - (time.time() - 7200)) < 5


def test_keys_may_be_quoted() -> None:
    assert parse('metadata."my key" = x') == Condition(field="metadata", key="my key", op="=", values=("x",))


WRONG = {
    "modl = 3": "no field 'modl'; did you mean 'model'",
    "rating = good": "a score is score.rating",
    "status = abc": "status is a number, not 'abc'",
    "stream = 3": "stream is true or false",
    "created_at > tomorrow": "created_at is a time such as",
    "model =": "expected a value, but it ends here",
    "model = a model = b": "expected 'and', 'or' or the end, not 'model'",
    "(model = a": r"expected '\)', but it ends here",
    "model = 'a": "a quote that is not closed",
    "score = 1": "score needs a key, such as score.rating",
    "model.x = 1": "model takes no key",
    "status ~ 4": "status is not text",
    "stream < true": "have no order",
    "status in 3": r"expected '\(' after 'in'",
    "status in (3": r"expected ',' or '\)'",
    "model not = 3": "expected 'in' or 'contains' after 'not'",
    "model is 3": "expected 'null'",
    "and": "expected a field, not 'and'",
    "model > null": "null can only be tested with",
    "= 3": "expected a field",
}


@pytest.mark.parametrize(("expression", "message"), WRONG.items())
def test_errors_point_at_the_place(expression: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        parse(expression)
    assert caught.value.param == "where"
    assert caught.value.message.endswith("^")


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from([*filters.WORDS, *filters.FIELDS, "(", ")", "=", "~", "x", "'"])).map(" ".join)
)
def test_any_text_parses_or_is_refused_politely(text: str) -> None:
    try:
        parse(text)
    except InvalidInput:
        pass
