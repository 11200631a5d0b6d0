"""What calls cost and what is saved, from what is kept; and `tuneloop cost`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tuneloop import costs, filters, pricing
from tuneloop.cli.commands import app
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.filters import All
from tuneloop.loop import Loop
from tuneloop.pricing import Prices, Quote
from tuneloop.settings import load
from tuneloop.store import Store
from tuneloop.types import Evaluation, FineTuningJob, Log, Model, Price

DAY = 86_400.0
START = 1_795_000_000.0
TUNED = "ft:smollm2-135m-instruct:local:desk:1a2b3c4d"


def a_log(number: int, **fields: Any) -> Log:
    kept = {"source": "api", "endpoint": "/v1/chat/completions", "model": "desk", "status": 200}
    return Log(id=f"log_{number:03}", created_at=START + number * DAY / 10, **{**kept, **fields})


CALLS = [
    *(a_log(i, served_by="big", prompt_tokens=1000, completion_tokens=100, cost=0.002) for i in range(30)),
    *(a_log(i, served_by="small", prompt_tokens=500, completion_tokens=50) for i in range(30, 40)),
    a_log(40, served_by="big"),
    a_log(41, status=500, error="no", model="big"),
]
WELL = filters.parse("status = 200")


def evaluation() -> Evaluation:
    measured = {"prompt_tokens": 1000.0, "completion_tokens": 100.0, "seconds": 30.0, "tokens_per_second": 333.0}
    arms = [
        {"name": "as logged", "model": "big", "kind": "logged", **measured, "cost_per_1000": 2.0},
        {"name": "tuned", "model": TUNED, "kind": "tuned", **measured, "cost_per_1000": None},
    ]
    named = {"baseline": "as logged", "candidate": "tuned"}
    return Evaluation(
        id="eval_1", created_at=START, dataset_id="d", report={"rows": 100, "created_at": START, "arms": arms, **named}
    )


def fill(store: Store) -> None:
    store.logs.add(CALLS)
    store.evaluations.add(evaluation())
    job = FineTuningJob(
        id="ftjob-1",
        created_at=START,
        model="m",
        base="m",
        training_file="f",
        started_at=START,
        finished_at=START + 600,
    )
    store.jobs.add(job)
    store.models.add(
        Model(id=TUNED, created_at=START, kind="tuned", base="smollm2-135m-instruct", owned_by="o", job_id="ftjob-1")
    )


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    monkeypatch.setenv("TUNELOOP_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "settings.toml").write_text(
        "[machine]\ndollars_per_hour = 0.36\n[prices.big]\ninput = 1\noutput = 10\n"
    )
    made = Loop(settings=load())
    fill(made.store)
    yield made
    made.store.close()


def said(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["cost", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def told(*arguments: str) -> Any:
    return json.loads(said(*arguments, "--json"))


def test_what_logs_used(store: Store) -> None:
    store.logs.add(CALLS)
    big, small = store.logs.usage(WELL)
    assert (big.model, big.calls, big.counted, big.priced) == ("big", 31, 30, 30)
    assert (big.prompt_tokens, big.completion_tokens) == (30_000, 3_000)
    assert big.cost == pytest.approx(0.06)
    assert (small.model, small.calls, small.counted, small.priced, small.cost) == ("small", 10, 10, 0, 0.0)
    assert store.logs.usage(filters.parse("model = nobody")) == []
    assert store.logs.span(WELL) == (41, START, START + 4 * DAY)
    assert store.logs.span(filters.parse("model = nobody")) == (0, None, None)


def test_logged_calls_and_the_same_ones_with_another_model(loop: Loop) -> None:
    other = Quote(Price(input=0.1, output=0.4), "here", "2026-11-26")
    found = costs.of_logs(loop, WELL, [("other", other)])
    assert found["calls"] == 41
    assert found["calls_per_month"] == pytest.approx(40 / 4 * 30)
    big, small = found["models"]
    assert (big["cost"], big["per_1000"]) == (pytest.approx(0.06), pytest.approx(2.0))
    assert big["per_month"] == pytest.approx(0.002 * 300 * 31 / 41)
    assert (small["prompt_tokens"], small["cost"], small["per_month"]) == (500, None, None)
    (with_other,) = found["instead"]
    # 35,000 x 0.1 + 3,500 x 0.4 for a million, of 40 calls
    assert with_other["cost"] == pytest.approx(0.0049)
    assert with_other["per_1000"] == pytest.approx(0.1225)
    assert with_other["per_month"] == pytest.approx(0.0001225 * 300)
    assert found["notes"] == [
        "1 of 31 calls that big answered have no known cost",
        "10 of 10 calls that small answered have no known cost",
        "calls without known tokens, left out of what other models would cost: 1",
    ]


def test_no_logs_no_costs(loop: Loop) -> None:
    found = costs.of_logs(loop, filters.parse("model = nobody"), [("big", Quote(Price(input=1, output=1), "here"))])
    assert (found["calls"], found["models"], found["instead"][0]["cost"]) == (0, [], None)
    assert (found["calls_per_month"], found["calls_source"]) == (None, "no call is logged")


def test_an_evaluation_with_logs_job_and_machine(loop: Loop) -> None:
    found = costs.of_evaluation(loop, evaluation().report)
    # 31 good calls of big in 4 days, 0.3 s of the machine a call, ten minutes of training
    assert found["calls_per_month"] == pytest.approx(30 / 4 * 30)
    assert found["arms"]["tuned"]["per_1000"] == pytest.approx(0.03)
    assert found["saving_per_month"] == pytest.approx(1.97 * 0.225)
    assert found["training"]["dollars"] == pytest.approx(0.06)
    assert found["break_even_calls"] == 31  # 0.06 / 0.00197 = 30.5


def test_a_model_without_its_job_has_no_training(loop: Loop) -> None:
    assert costs.training_of(loop, "nobody", 1.0) is None
    loop.store.models.add(Model(id="ft:x", created_at=START, kind="tuned", base="m", owned_by="o"))
    assert costs.training_of(loop, "ft:x", 1.0) is None
    whole = costs.training_of(loop, TUNED, 0.36)
    assert whole is not None and whole.minutes == 10


def test_calls_are_counted_under_both_of_their_names(loop: Loop) -> None:
    assert loop.store.logs.count(costs.answered_by("desk")) == 41
    assert loop.store.logs.count(costs.answered_by("big")) == 31
    assert loop.store.logs.count(All((costs.answered_by("big"), costs.answered_by("desk")))) == 31


def test_the_command_on_sizes(loop: Loop) -> None:
    assert "22.00" in said() and "70.67 %" in said()
    (big, machine) = told(
        "big", "--input", "1000", "--output", "100", "--per-month", "500", "--tokens-per-second", "100"
    )["models"]
    assert (big["per_call"], big["per_month"], big["source"]) == (0.002, 1.0, "your price table (settings.toml)")
    assert machine["source"] == "this machine: $0.36/h at 100 tokens/s"
    assert machine["per_call"] == pytest.approx(0.36 / 3600 / 100 * 1100)
    faster = ("--tokens-per-second", "100", "--input-tokens-per-second", "1000", "--dollars-per-hour", "3.6")
    assert told("--input", "1000", "--output", "100", *faster)["models"][0]["per_call"] == pytest.approx(0.002)
    assert "$ per month" not in said("big") and "$ per month" in said("big", "--per-month", "5")


def test_the_command_on_logs(loop: Loop) -> None:
    shown = said("big", "--where", "status = 200")
    assert "as logged" in shown and "with big" in shown
    assert "calls in 30 days: 300 (41 logged calls in 4.0 days" in shown
    assert told("--where", "status = 200", "--per-month", "41")["models"][0]["per_month"] == pytest.approx(0.062)


def test_the_command_on_an_evaluation(loop: Loop) -> None:
    shown = said("--evaluation", "eval_1")
    assert "this machine: $0.36/h at 333 tokens/s, 2026-11-18" in shown
    assert "training: $0.0600 (this machine: $0.36/h for 10.0 min)" in shown
    assert "it has paid for its training after 31 calls, that is 4.1 days" in shown
    assert told("--evaluation", "eval_1", "--dollars-per-hour", "3.6")["arms"]["tuned"]["per_1000"] == pytest.approx(
        0.3
    )
    assert told("--evaluation", "eval_1", "--per-month", "1000")["saving_per_month"] == pytest.approx(1.97)
    by_filter = told("--evaluation", "eval_1", "--where", "status = 200")
    assert by_filter["calls_source"].startswith("41 logged calls")
    nothing = said("--evaluation", "eval_1", "--where", "model = nobody")
    assert "calls in 30 days: not known (no call is logged)" in nothing
    dear = said("--evaluation", "eval_1", "--dollars-per-hour", "100")
    assert "it never pays for its training: no call is cheaper" in dear


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody's-model"], "is not known; give it: --price"),
        (["--dollars-per-hour", "1"], "needs --tokens-per-second"),
        (["big", "--dollars-per-hour", "1"], "needs --tokens-per-second"),
        (["--tokens-per-second", "0"], "more than zero"),
        (["--price", "a"], "--price is NAME=INPUT/OUTPUT"),
        (["--where", "status ="], "status"),
    ],
)
def test_the_command_says_the_way_out(loop: Loop, arguments: list[str], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        said(*arguments)


def test_an_evaluation_that_there_is_not(loop: Loop) -> None:
    with pytest.raises(NotFound, match="no evaluation 'eval_9'"):
        said("--evaluation", "eval_9")


def test_a_machine_without_a_price(loop: Loop) -> None:
    (loop.settings.home / "settings.toml").write_text("")
    with pytest.raises(InvalidInput, match="dollars_per_hour in settings.toml"):
        said("--tokens-per-second", "60")
    shown = said("--evaluation", "eval_1")
    assert "(settings.toml, [machine] dollars_per_hour)" in shown
    assert "The price of tuned is not known" in shown and "training: not known" in shown
    assert "when it has paid for it: not known" in shown
    assert pricing.compared(evaluation().report) == ("as logged", "tuned")
    assert Prices().dollars_per_hour is None
