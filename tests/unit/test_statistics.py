from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tuneloop.statistics import bootstrap, mcnemar, percentile, sign_flip


def test_bootstrap_agrees_with_scipy() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.normal(0, 1, 80), rng.normal(0.5, 1, 80)
    ours = bootstrap(before.tolist(), after.tolist())
    theirs = stats.bootstrap((after - before,), np.mean, method="percentile", n_resamples=10_000, rng=2)
    assert ours.mean == pytest.approx(float((after - before).mean()))
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.02)


def test_bootstrap_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for trial in range(200):
        after = rng.normal(0.3, 1, 60)
        interval = bootstrap([0.0] * 60, after.tolist(), seed=trial, resamples=1_000)
        covered += interval.low <= 0.3 <= interval.high
    # Binomial(200, 0.95) leaves this range once in 1,000 times; the seed is fixed.
    assert 178 <= covered <= 199


def test_bootstrap_is_the_same_every_time_and_as_wide_as_asked() -> None:
    before, after = [0.0, 1.0, 0.0, 1.0] * 10, [1.0, 1.0, 0.0, 1.0] * 10
    assert bootstrap(before, after) == bootstrap(before, after)
    narrow, wide = bootstrap(before, after, level=0.5), bootstrap(before, after, level=0.99)
    assert wide.low < narrow.low < 0.25 < narrow.high < wide.high


def test_many_rows_are_drawn_in_parts() -> None:
    interval = bootstrap([0.0] * 30_000, [0.0, 1.0] * 15_000, resamples=100)
    assert interval.low == pytest.approx(0.5, abs=0.02) and interval.low < interval.mean == 0.5 < interval.high


@pytest.mark.parametrize("pair", [([], []), ([1.0], [1.0, 2.0])])
def test_unpaired_scores_are_refused(pair: tuple[list[float], list[float]]) -> None:
    with pytest.raises(ValueError, match="paired"):
        bootstrap(*pair)
    with pytest.raises(ValueError, match="paired"):
        sign_flip(*pair)


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


def test_mcnemar_of_thousands_of_rows() -> None:
    assert mcnemar([False] * 5000, [True] * 5000) == 0.0
    assert mcnemar([False, True] * 5000, [True, False] * 5000) == 1.0


def test_percentiles() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([0.0, 10.0], 95) == 9.5
    assert percentile([], 50) is None
