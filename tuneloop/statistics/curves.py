"""Learning curves: what would more training rows bring?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tuneloop.statistics.intervals import Interval

if TYPE_CHECKING:
    from numpy import float64
    from numpy.random import Generator
    from numpy.typing import NDArray

_DRAWS = 2_000
#: Exponents tried: 1.2 is flat soon, 0.1 hardly bends, 0.01 gains the same with every doubling, -0.3 more and more.
#: What has been measured for language tasks lies between 0.1 and 1 (Hestness et al. 2017; Viering & Loog 2022).
_EXPONENTS = (-0.3, 0.01, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2)
#: By how much two trainings on equally many rows differ (standard deviation, as a share of the score's range).
_TRAINING_NOISE = (0.003, 0.01, 0.03)


class Point(NamedTuple):
    """The quality of a model trained on `rows` rows; `error` is the standard error of its mean."""

    rows: int
    mean: float
    error: float


class Forecast(NamedTuple):
    """The quality with more rows, and how much of it is gained over the last point, each with its interval."""

    rows: int
    quality: Interval
    gain: Interval


def forecast(
    points: Sequence[Point],
    rows: int,
    *,
    scores: Sequence[Sequence[float]] | None = None,
    level: float = 0.95,
    seed: int = 0,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Forecast:
    """The mean score of a model that will be trained on `rows` rows, from those of models trained on fewer.

    Power laws a - b n^-c that do not fall and stay within `bounds`, the flat one among them, are weighted by how well
    they explain the points (Bayes, flat priors on the curve's height at the first and the last point, a grid of
    exponents and of the noise between two trainings). Three points do not determine three parameters, and the interval
    says so. With `scores` ([points][the same held-out rows]) what the points have in common, easy and hard rows, is not
    taken for noise.

    Raises ValueError unless there are two points or more, each with more rows than the one before.
    """
    import numpy as np

    at = np.array([p.rows for p in points], dtype=np.float64)
    if len(points) < 2 or not (np.diff(at) > 0).all() or at[0] < 1:
        raise ValueError("a learning curve needs two points or more, each with more training rows than the one before")
    low, scale = bounds[0], bounds[1] - bounds[0]
    means = (np.array([p.mean for p in points]) - low) / scale
    sampling = _covariance(points, scores) / scale**2
    rng = np.random.default_rng(seed)
    fits = [
        _fit(shape, means, sampling + noise**2 * np.eye(len(at)), noise, rng)
        for shape in _shapes(at, rows)
        for noise in _TRAINING_NOISE
    ]
    best = max((evidence for evidence, draws in fits if draws.size), default=0.0)
    weights = np.concatenate([np.full(draws.shape[1], np.exp(min(0.0, e - best))) for e, draws in fits])
    then, gain = np.concatenate([draws for _, draws in fits], axis=1) * scale
    return Forecast(rows, _summary(then + low, weights, level), _summary(gain, weights, level))


def _covariance(points: Sequence[Point], scores: Sequence[Sequence[float]] | None) -> NDArray[float64]:
    """Of the points' means, from drawing the held-out rows."""
    import numpy as np

    if scores is None or len(scores[0]) < 2:
        return np.diag([p.error**2 for p in points])
    rows = len(scores[0])
    # Where all rows score the same, as many may as the rows that were not drawn: half a row's worth is always in doubt.
    least = np.eye(len(points)) * (0.5 / rows) ** 2
    return np.atleast_2d(np.cov(np.asarray(scores, dtype=np.float64))) / rows + least


def _shapes(at: NDArray[float64], rows: int) -> Iterator[NDArray[float64]]:
    """Each kind of curve as a matrix: times its parameters it is the curve's heights at the points and at `rows`.

    The parameters are the heights at the first and at the last point; of the flat curve, its height.
    """
    import numpy as np

    yield np.ones((len(at) + 1, 1))
    for exponent in _EXPONENTS:
        powers = np.append(at, rows) ** -exponent
        along = (powers[0] - powers) / (powers[0] - powers[-2])
        yield np.stack([1 - along, along], axis=1)


def _fit(
    shape: NDArray[float64],
    means: NDArray[float64],
    covariance: NDArray[float64],
    noise: float,
    rng: Generator,
) -> tuple[float, NDArray[float64]]:
    """The logarithm of the weight of each draw, and draws [quality at the new rows and its gain, draws].

    The heights are linear in the parameters, so that the posterior is a normal distribution, cut where the curve falls
    or leaves the bounds. The weight is the evidence (Bishop 2006, 3.86, without what is the same for all).
    """
    import numpy as np

    seen = shape[:-1]
    precision = np.linalg.inv(covariance)
    spread = np.linalg.inv(seen.T @ precision @ seen)
    centre = spread @ seen.T @ precision @ means
    left = means - seen @ centre
    volume = np.linalg.slogdet(2 * np.pi * spread)[1] - np.linalg.slogdet(covariance)[1]
    heights = shape @ rng.multivariate_normal(centre, spread, size=_DRAWS).T
    first, last, then = heights[0], heights[-2], heights[-1]
    possible = (first <= last) & (then <= 1)
    anew = np.clip(then + rng.normal(0, noise, _DRAWS), 0, 1)
    return float(volume - left @ precision @ left) / 2, np.stack([anew, then - last])[:, possible]


def _summary(values: NDArray[float64], weights: NDArray[float64], level: float) -> Interval:
    import numpy as np

    if not len(values):
        raise ValueError("no curve within the bounds explains these points")
    order = np.argsort(values)
    below = np.cumsum(weights[order]) / weights.sum()
    low, high = np.interp([(1 - level) / 2, (1 + level) / 2], below, values[order])
    return Interval(float(np.average(values, weights=weights)), float(low), float(high))
