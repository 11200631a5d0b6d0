"""The rates that docs/verdict.md states, on fewer experiments than there. Seeds are fixed."""

import numpy as np
import pytest
from scipy.stats import binom

from bench.coverage import (
    CASES,
    CURVES,
    TRUTH,
    false_yes_exactly,
    forecast_covers,
    power_reached,
    rates,
    scipys,
    wilson_covers,
)


def at_most(rate: float, experiments: int) -> float:
    """What a share of experiments exceeds once in 1,000 times if the true rate is this one."""
    return float(binom.ppf(0.999, experiments, rate)) / experiments


@pytest.mark.parametrize("case", CASES)
def test_the_simulated_truth_is_what_it_is_said_to_be(case: str) -> None:
    drawn = CASES[case](np.random.default_rng(0), (1, 400_000))
    assert drawn.mean() == pytest.approx(TRUTH, abs=0.004)


@pytest.mark.parametrize("rows", [30, 80])
@pytest.mark.parametrize("case", CASES)
def test_intervals_cover_and_a_loss_of_the_margin_is_hardly_ever_taken_for_a_yes(case: str, rows: int) -> None:
    found = rates(case, rows, 200, seed=rows)
    assert 1 - found.covers <= at_most(0.05, 200)
    assert found.false_yes <= at_most(0.025, 200)


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("right")])
@pytest.mark.parametrize("rows", [200, 500])
def test_many_rows_as_well(case: str, rows: int) -> None:
    found = rates(case, rows, 1_000, seed=rows)
    assert 1 - found.covers <= at_most(0.05, 1_000)
    assert found.false_yes <= at_most(0.025, 1_000)


def test_the_ordinary_bootstrap_would_say_yes_too_often() -> None:
    assert rates("right / wrong, agree on 95 %", 30, 200, scipys("percentile")).false_yes > 0.1


@pytest.mark.parametrize("margin", [0.02, 0.05, 0.1])
def test_a_wrong_yes_on_right_and_wrong_is_as_rare_as_stated_whatever_the_agreement(margin: float) -> None:
    # Not simulated: the chance of every outcome is known. The bound's own draws leave a little noise.
    assert false_yes_exactly(40, margin, [0.0, 0.01, 0.05, 0.1, 0.2, 0.4]) <= 0.026


@pytest.mark.parametrize("rows", [20, 50, 200])
def test_wilsons_interval_covers_as_stated_on_average(rows: int) -> None:
    mean, least = wilson_covers(rows)
    assert 0.945 <= mean <= 0.96 and least >= 0.9


@pytest.mark.parametrize("case", ["right / wrong, agree on 85 %", "a rubric in quarters"])
def test_so_many_rows_as_are_asked_for_mostly_do(case: str) -> None:
    _, reached = power_reached(case, 0.05, 0.05, 200)
    assert 0.65 <= reached <= 0.92


@pytest.mark.parametrize("curve", CURVES)
def test_forecasts_hold_what_a_model_trained_on_more_reaches(curve: str) -> None:
    assert 1 - forecast_covers(curve, 60, 0.9) <= at_most(0.1, 60)
