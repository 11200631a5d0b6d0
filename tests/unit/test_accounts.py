"""The cost of an evaluation's arms, against values computed by hand."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sample_report import sample_report
from tuneloop.errors import InvalidInput
from tuneloop.pricing import (
    Prices,
    Quote,
    Volume,
    account,
    break_even,
    break_even_days,
    machine_quote,
    told,
    training_at_provider,
    training_here,
    volume,
)
from tuneloop.reports import write_markdown, write_page
from tuneloop.settings import Upstream
from tuneloop.types import Price

DAY = 86_400.0
START = 1_795_000_000.0  # 2026-11-18
OWN = {"big": Price(input=2.0, output=10.0)}


def arm(name: str, model: str, **fields: Any) -> dict[str, Any]:
    measured = {"prompt_tokens": 400.0, "completion_tokens": 20.0, "seconds": 30.0, "tokens_per_second": 61.0}
    return {"name": name, "model": model, "kind": "prompted", **measured, **fields}


def report(*arms: dict[str, Any]) -> dict[str, Any]:
    return {
        "rows": 100,
        "created_at": START,
        "baseline": arms[0]["name"],
        "candidate": arms[-1]["name"],
        "arms": list(arms),
    }


COMPARED = report(arm("today", "big"), arm("tuned", "ft:small"))


def test_an_account_by_hand() -> None:
    """400 x $2 + 20 x $10 for a million are $0.001 a call; 0.3 s of a machine at $0.36/h are $0.00003 a call."""
    prices = Prices(OWN, dollars_per_hour=0.36)
    found = account(
        COMPARED, prices, volume=told(50_000), training=training_here(25.0, 0.36), here={"ft:small", "small"}
    )
    assert found["arms"]["today"] == {
        "per_1000": pytest.approx(1.0),
        "per_month": pytest.approx(50.0),
        "source": "your price table (settings.toml)",
        "date": None,
        "hours_per_month": None,
    }
    assert found["arms"]["tuned"] == {
        "per_1000": pytest.approx(0.03),
        "per_month": pytest.approx(1.5),
        "source": "this machine: $0.36/h at 61 tokens/s",
        "date": "2026-11-18",
        "hours_per_month": pytest.approx(0.3 * 50_000 / 3600),
    }
    assert found["saving_per_1000"] == pytest.approx(0.97)
    assert found["saving_per_month"] == pytest.approx(48.5)
    training = {"dollars": 0.15, "minutes": 25.0, "source": "this machine: $0.36/h for 25.0 min"}
    assert found["training"] == training
    assert found["break_even_calls"] == 155  # 0.15 / 0.00097 = 154.6
    assert found["break_even_days"] == pytest.approx(155 / 50_000 * 30)
    assert (found["calls_per_month"], found["calls_source"]) == (50_000, "as given")
    assert found["notes"] == [
        "tuned keeps this machine busy for 4.2 of the 720 hours of a month; only these are counted."
    ]


def test_what_was_added_up_call_by_call_is_taken_as_it_is() -> None:
    compared = report(arm("today", "big", cost_per_1000=1.5, price_source="tiers"), arm("tuned", "ft:small"))
    found = account(compared, Prices(OWN), volume=told(1000))
    assert (found["arms"]["today"]["per_1000"], found["arms"]["today"]["source"]) == (1.5, "tiers")


def test_the_unknown_is_none_and_said_in_words() -> None:
    found = account(
        COMPARED, Prices(), volume=volume(3, 0.0, 60.0), training=training_here(10, None), here={"ft:small"}
    )
    assert found["arms"]["today"]["per_1000"] is found["arms"]["tuned"]["per_1000"] is None
    assert all(found[key] is None for key in ("saving_per_month", "break_even_calls", "break_even_days"))
    assert found["training"]["dollars"] is None and found["training"]["minutes"] == 10
    notes = " ".join(found["notes"])
    assert "price of today is not known" in notes and "price of tuned is not known" in notes
    assert found["calls_source"].startswith("3 logged calls within 1.0 minutes: too short")
    assert found["training"]["source"].startswith("this machine, whose price per hour is not set")


def test_a_price_of_a_model_elsewhere_is_never_this_machines() -> None:
    found = account(COMPARED, Prices(dollars_per_hour=1.0), volume=told(10), here={"ft:small"})
    assert found["arms"]["today"]["per_1000"] is None
    assert found["arms"]["tuned"]["per_1000"] is not None


def test_a_candidate_that_is_dearer_never_pays_back() -> None:
    compared = report(arm("today", "ft:small"), arm("tuned", "big"))
    prices = Prices(OWN, dollars_per_hour=0.36)
    found = account(compared, prices, volume=told(1000), training=training_here(10, 0.36), here={"ft:small"})
    assert found["saving_per_month"] == pytest.approx(-0.97)
    assert found["break_even_calls"] is found["break_even_days"] is None


def test_more_work_than_one_machine_has_hours_for() -> None:
    prices = Prices(dollars_per_hour=1.0)
    found = account(COMPARED, prices, volume=told(20_000_000), here={"ft:small"})
    assert any("1,666.7 of the 720 hours of a month: 3 are needed." in note for note in found["notes"])


def test_no_candidate_and_an_older_report() -> None:
    alone = {**report(arm("today", "big")), "candidate": None}
    assert account(alone, Prices(OWN), volume=told(1000))["saving_per_month"] is None
    older = report(arm("prompted", "big"), arm("tuned", "ft:small", kind="tuned"))
    del older["baseline"], older["candidate"]
    found = account(older, Prices(OWN, dollars_per_hour=0.36), volume=told(1000), here={"ft:small"})
    assert found["saving_per_month"] == pytest.approx(0.97)


@pytest.mark.parametrize(
    ("saving", "training", "calls"),
    [(0.001, 3.0, 3000), (0.001, 3.0005, 3001), (0.0, 1.0, None), (-1.0, 1.0, None), (-1.0, 0.0, 0), (5.0, 1.0, 1)]
    + [(1e-320, 1e300, None)],
)
def test_break_even(saving: float, training: float, calls: int | None) -> None:
    assert break_even(saving, training) == calls


@given(st.floats(1e-7, 1.0), st.floats(0.001, 1e4))
def test_break_even_is_the_first_call_at_which_it_is_paid(saving: float, training: float) -> None:
    calls = break_even(saving, training)
    assert calls is not None
    assert calls * saving >= training * (1 - 1e-6)
    assert (calls - 1) * saving <= training


def test_break_even_days() -> None:
    assert break_even_days(155, 3000) == pytest.approx(1.55)
    assert break_even_days(0, None) == 0
    assert break_even_days(10, None) is break_even_days(10, 0) is break_even_days(None, 10) is None


def test_calls_of_a_month() -> None:
    found = volume(1001, START, START + 10 * DAY)
    assert found.calls_per_month == pytest.approx(3000)
    assert found.source == "1,001 logged calls in 10.0 days (2026-11-18 to 2026-11-28)"


@pytest.mark.parametrize(
    ("calls", "first", "last", "said"),
    [
        (0, None, None, "no call is logged"),
        (1, START, START, "1 logged call within 0 seconds: too short a time"),
        (500, START, START + 1800, "500 logged calls within 30.0 minutes: too short a time"),
        (500, START, START + DAY - 1, "500 logged calls within 24.0 hours: too short a time"),
    ],
)
def test_too_little_to_tell_a_month_from(calls: int, first: float | None, last: float | None, said: str) -> None:
    found = volume(calls, first, last)
    assert found.calls_per_month is None
    assert found.source.startswith(said)


@pytest.mark.parametrize("calls", [-1.0, float("inf"), float("nan")])
def test_calls_that_cannot_be(calls: float) -> None:
    with pytest.raises(InvalidInput, match="zero or more"):
        told(calls)


def test_logged_answers_cost_what_the_logs_say() -> None:
    compared = report(arm("as logged", "big", kind="logged", cost_per_1000=0.7), arm("tuned", "ft:small"))
    found = account(compared, Prices(OWN), volume=told(1000), here={"ft:small"})["arms"]["as logged"]
    assert (found["per_1000"], found["source"], found["date"]) == (0.7, "the costs in the logs", None)


def test_training() -> None:
    assert training_here(90, 0.2).dollars == pytest.approx(0.3)
    assert training_here(90, None).dollars is None
    at_provider = training_at_provider("gpt-4o-mini", 2_000_000)
    assert at_provider.dollars == pytest.approx(6.0)
    assert "$3.00 per million tokens" in at_provider.source
    assert training_at_provider("nobody", 1).dollars is None


def test_quotes_say_who_says_so_and_when() -> None:
    seller = Upstream(name="house", base_url="http://a/v1", models=("m",), prices={"m": Price(input=1, output=2)})
    prices = Prices({"mine": OWN["big"]}, [seller])
    assert prices.quote("mine") == Quote(OWN["big"], "your price table (settings.toml)")
    house = prices.quote("m")
    assert house is not None and house.source == "price table of upstream 'house' (settings.toml)"
    listed = prices.quote("gpt-4o-mini")
    assert listed is not None and listed.source.startswith("list price of OpenAI (genai-prices ")
    assert listed.date is not None and listed.date.startswith("20") and len(listed.date) == 10
    assert prices.quote("nobody's") is None
    measured = machine_quote(0.36, 100.0, 1000.0, "2026-11-26")
    assert (measured.source, measured.date) == ("this machine: $0.36/h at 100 tokens/s", "2026-11-26")
    assert measured.cost(1_000_000, 1_000_000) == pytest.approx(1.1)


def test_the_account_is_the_reports_part() -> None:
    sample = sample_report(rows=8)
    sample["cost"] = account(sample, Prices(), volume=Volume(calls_per_month=None, source="no call is logged"))
    for written in (write_page(sample), write_markdown(sample)):
        assert "How many calls there are in a month is not known: no call is logged" in written
