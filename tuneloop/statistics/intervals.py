"""Intervals: of a share, of a mean, of a paired difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tuneloop.statistics.resampling import differences, in_parts

if TYPE_CHECKING:
    from numpy import float64
    from numpy.random import Generator
    from numpy.typing import NDArray

RESAMPLES = 10_000


class Interval(NamedTuple):
    """A mean, and the bounds it lies in with the stated confidence."""

    mean: float
    low: float
    high: float


def wilson(right: int, rows: int, *, level: float = 0.95) -> Interval:
    """The share of right answers with its score interval (Wilson 1927).

    Near the stated level on average also for few rows and shares near 0 and 1 (Brown, Cai & DasGupta 2001), where the
    textbook interval is not. Raises ValueError for no rows.
    """
    from scipy.stats import binomtest

    found = binomtest(right, rows).proportion_ci(level, method="wilson")
    return Interval(right / rows, float(found.low), float(found.high))


def bootstrap(
    before: Sequence[float],
    after: Sequence[float],
    *,
    level: float = 0.95,
    seed: int = 0,
    resamples: int = RESAMPLES,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Interval:
    """The mean of after - before over the rows, with its paired bootstrap interval; right / wrong is 1 / 0.

    `bounds` are the least and the greatest score there can be: the one assumption made; scores beyond them widen them.

    Rows are weighted at random, a row's two scores together (the Bayesian bootstrap, Rubin 1981), beside one row that
    nobody has seen yet: for the lower bound it lost all there is to lose, for the upper one it gained all. With that
    row the bound holds for small samples and rare failures too, where every other bootstrap is too sure of itself: a
    loss that has not happened yet is not in the sample. It is the bound of Gaffke (2005), studied by Learned-Miller &
    Thomas (2019, arXiv:1905.06208) and Phan, Thomas & Learned-Miller (2021); on right / wrong it is Clopper & Pearson's
    (1934). Never empty: where all of 50 rows agree, it is +-7 points.

    Raises ValueError unless both have the same number of scores, at least one.
    """
    span = _span([*before, *after], bounds)
    return _guarded(differences(before, after), (-span[1] + span[0], span[1] - span[0]), level, seed, resamples)


def bootstrap_mean(
    scores: Sequence[float],
    *,
    level: float = 0.95,
    seed: int = 0,
    resamples: int = RESAMPLES,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Interval:
    """The mean of graded scores with its bootstrap interval, made as `bootstrap` makes that of a difference.

    Raises ValueError for no scores.
    """
    return _guarded(differences([0.0] * len(scores), scores), _span(scores, bounds), level, seed, resamples)


def _span(scores: Sequence[float], bounds: tuple[float, float]) -> tuple[float, float]:
    return min([bounds[0], *scores]), max([bounds[1], *scores])


def _guarded(
    values: NDArray[float64], bounds: tuple[float, float], level: float, seed: int, resamples: int
) -> Interval:
    """Equal values share one weight, drawn from the gamma distribution of their number: few draws for right / wrong.

    Of a single value that is the exponential distribution, which is quicker to draw from.
    """
    import numpy as np

    distinct, counts = np.unique(values, return_counts=True)
    shapes, unseen = np.append(counts, 1), np.array(bounds)[:, None]

    def means(rng: Generator, size: tuple[int, int]) -> NDArray[float64]:
        weights = rng.standard_exponential(size) if shapes.max() == 1 else rng.standard_gamma(shapes, size)
        seen = weights[:, :-1] @ distinct
        found: NDArray[float64] = (seen + unseen * weights[:, -1]) / weights.sum(axis=1)
        return found

    worst, best = in_parts(means, len(distinct) + 1, resamples, seed)
    low, high = np.quantile(worst, (1 - level) / 2), np.quantile(best, (1 + level) / 2)
    return Interval(float(values.mean()), float(low), float(high))
