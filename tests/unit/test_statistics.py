from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from tuneloop.statistics import (
    MOST_ROWS,
    bootstrap,
    bootstrap_mean,
    holm,
    mcnemar,
    percentile,
    rows_needed,
    sign_flip,
    wilson,
)


def test_wilson_agrees_with_statsmodels() -> None:
    for right, rows, level in [(0, 20, 0.95), (19, 20, 0.9), (57, 77, 0.95), (500, 500, 0.99)]:
        ours = wilson(right, rows, level=level)
        theirs = proportion_confint(right, rows, alpha=1 - level, method="wilson")
        assert (ours.mean, ours.low, ours.high) == pytest.approx((right / rows, *theirs))
    with pytest.raises(ValueError):
        wilson(0, 0)


@pytest.mark.parametrize(("right", "rows"), [(0, 40), (3, 40), (40, 40), (150, 200)])
def test_bootstrap_of_right_and_wrong_is_clopper_and_pearsons_interval(right: int, rows: int) -> None:
    ours = bootstrap_mean([1.0] * right + [0.0] * (rows - right), resamples=200_000)
    theirs = proportion_confint(right, rows, method="beta")
    assert (ours.mean, ours.low, ours.high) == pytest.approx((right / rows, *theirs), abs=0.002)


def test_bootstrap_of_a_difference_agrees_with_scipys_where_there_are_rows_enough() -> None:
    rng = np.random.default_rng(1)
    before = rng.uniform(0, 1, 3_000)
    after = np.clip(before + rng.normal(0.02, 0.2, 3_000), 0, 1)
    ours = bootstrap(before.tolist(), after.tolist())
    theirs = stats.bootstrap((after - before,), np.mean, method="BCa", n_resamples=2_000, batch=200, rng=2)
    assert ours.mean == pytest.approx(float((after - before).mean()))
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.0015)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.0015)


def test_bootstrap_is_not_certain_where_the_arms_agree_on_every_row() -> None:
    # As many rows without a loss leave a loss of 1 - 0.025^(1/50) possible ("the rule of three").
    scores = [1.0, 0.0] * 25
    found = bootstrap(scores, scores, resamples=100_000)
    assert found.mean == 0.0
    assert (found.low, found.high) == pytest.approx((-(1 - 0.025 ** (1 / 50)), 1 - 0.025 ** (1 / 50)), abs=0.002)


def test_bootstrap_of_the_other_way_round_is_its_mirror() -> None:
    before, after = [0.2, 0.9, 0.4, 1.0] * 9, [0.3, 0.7, 0.9, 1.0] * 9
    there, back = bootstrap(before, after), bootstrap(after, before)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=0.005)


def test_bootstrap_widens_with_what_can_be_lost() -> None:
    before, after = [3.0, 4.0, 5.0] * 10, [3.0, 5.0, 5.0] * 10
    stars, seen = bootstrap(before, after, bounds=(1.0, 5.0)), bootstrap(before, after, bounds=(3.0, 5.0))
    assert stars.low < seen.low and stars.high > seen.high
    assert bootstrap(before, after) == bootstrap(before, after, bounds=(0.0, 5.0))


def test_bootstrap_is_the_same_every_time_and_as_wide_as_asked() -> None:
    before, after = [0.0, 1.0, 0.0, 1.0] * 10, [1.0, 1.0, 0.0, 1.0] * 10
    assert bootstrap(before, after) == bootstrap(before, after)
    narrow, wide = bootstrap(before, after, level=0.5), bootstrap(before, after, level=0.99)
    assert wide.low < narrow.low < 0.25 < narrow.high < wide.high


def test_many_rows_are_drawn_in_parts() -> None:
    rng = np.random.default_rng(4)
    interval = bootstrap([0.0] * 30_000, rng.uniform(0, 1, 30_000).tolist(), resamples=100)
    assert interval.low == pytest.approx(0.5, abs=0.02) and interval.low < interval.mean < interval.high


@pytest.mark.parametrize("pair", [([], []), ([1.0], [1.0, 2.0])])
def test_unpaired_scores_are_refused(pair: tuple[list[float], list[float]]) -> None:
    with pytest.raises(ValueError, match="paired"):
        bootstrap(*pair)
    with pytest.raises(ValueError, match="paired"):
        sign_flip(*pair)
    with pytest.raises(ValueError, match="paired"):
        rows_needed(*pair, 0.02)


def test_sign_flip_agrees_with_scipy() -> None:
    rng = np.random.default_rng(5)
    before = rng.normal(0, 1, 40)
    after = before + rng.normal(0.25, 1, 40)
    theirs = stats.permutation_test(
        (after, before),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=10_000,
        rng=6,
    )
    assert sign_flip(before.tolist(), after.tolist()) == pytest.approx(theirs.pvalue, abs=0.015)


def test_sign_flip_counts_ties_and_knows_no_certainty() -> None:
    assert sign_flip([0.1, 0.2], [0.1, 0.2]) == 1.0
    assert sign_flip([0.0] * 3, [0.1, 0.2, 0.3]) == pytest.approx(0.25, abs=0.02)
    assert 0 < sign_flip([0.0] * 50, [1.0] * 50) < 0.001


@settings(max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
def test_mcnemar_is_the_binomial_test_of_the_disagreements(pairs: list[tuple[bool, bool]]) -> None:
    p_value = mcnemar([b for b, _ in pairs], [a for _, a in pairs])
    gained, lost = pairs.count((False, True)), pairs.count((True, False))
    tail = sum(comb(gained + lost, k) for k in range(min(gained, lost) + 1))
    assert p_value == pytest.approx(min(1.0, 2 * tail / 2 ** (gained + lost)))


def test_mcnemar_agrees_with_statsmodels() -> None:
    before, after = [True] * 30 + [False] * 20, [True] * 21 + [False] * 9 + [True] * 17 + [False] * 3
    theirs = contingency_tables.mcnemar([[21, 9], [17, 3]], exact=True)
    assert mcnemar(before, after) == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("p_values", [[0.04], [0.01, 0.04, 0.03], [0.0, 1.0, 0.5, 0.5], [0.02, 0.3, 0.011, 0.02, 0.9]])
def test_holms_correction_agrees_with_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


def test_holms_correction_of_nothing_and_of_one() -> None:
    assert holm([]) == []
    assert holm([0.03]) == [0.03]


def test_mcnemar_of_thousands_of_rows() -> None:
    assert mcnemar([False] * 5000, [True] * 5000) == 0.0
    assert mcnemar([False, True] * 5000, [True, False] * 5000) == 1.0


def test_percentiles() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([0.0, 10.0], 95) == 9.5
    assert percentile([], 50) is None


def test_rows_needed_are_those_of_the_textbook_where_there_are_many() -> None:
    # n = (z_0.975 + z_0.8)^2 (p_01 + p_10 - d^2) / (d + margin)^2 for paired proportions (Liu et al. 2002).
    before, after = [1.0] * 300 + [0.0] * 300 + [1.0] * 400, [0.0] * 300 + [1.0] * 300 + [1.0] * 400
    textbook = (1.959964 + 0.841621) ** 2 * 0.6 / 0.02**2
    assert rows_needed(before, after, 0.02) == pytest.approx(textbook, rel=0.03)


def test_rows_needed_where_all_agree_are_those_that_make_a_loss_unlikely() -> None:
    scores = [1.0] * 40
    needed = rows_needed(scores, scores, 0.05)
    assert needed is not None and 73 <= needed <= 80
    assert bootstrap([1.0] * needed, [1.0] * needed).low > -0.05
    assert bootstrap([1.0] * 60, [1.0] * 60).low < -0.05


def test_fewer_rows_are_needed_for_a_gain_and_a_wide_margin_and_no_number_for_a_loss() -> None:
    lost, won = [1.0] * 8 + [0.0] * 2, [1.0] * 10
    few, more = rows_needed(lost, won, 0.05), rows_needed([1.0, 0.0] * 10, [0.0, 1.0] * 10, 0.05)
    assert few is not None and more is not None and few < 40 < more
    assert (rows_needed([1.0, 0.0] * 10, [0.0, 1.0] * 10, 0.1) or 0) < more
    assert rows_needed(won, lost, 0.05) is None
    assert rows_needed([1.0] * 1000, [1.0] * 951 + [0.0] * 49, 0.05) is None
    assert (rows_needed(won, won, 0.0) or MOST_ROWS) == MOST_ROWS
