"""Statistics of a comparison: is the difference real? Everything is paired, since all arms answer the same rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from numpy import float64
    from numpy.random import Generator
    from numpy.typing import NDArray

RESAMPLES = 10_000
#: Random numbers drawn at once: bounds the memory at some 10 MB however many rows there are.
_DRAWN_AT_ONCE = 1_000_000


class Interval(NamedTuple):
    """A mean, and the bounds it lies in with the stated confidence."""

    mean: float
    low: float
    high: float


def bootstrap(
    before: Sequence[float], after: Sequence[float], *, level: float = 0.95, seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """The mean of after - before over the rows, with its paired percentile bootstrap interval.

    Rows are drawn with replacement, a row's two scores together (Efron & Tibshirani 1993, chapters 8 and 13).
    Raises ValueError unless both have the same number of scores, at least one.
    """
    import numpy as np

    differences = _differences(before, after)
    means = _resampled(
        differences,
        lambda rng, size: differences[rng.integers(len(differences), size=size)].mean(axis=1),
        np.random.default_rng(seed),
        resamples,
    )
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(differences.mean()), float(low), float(high))


def sign_flip(before: Sequence[float], after: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES) -> float:
    """Two-sided p-value of "the mean difference is zero": Fisher's paired randomisation test.

    Were there no difference, each row's sign could as well be the other (Fisher 1935, section 21); the p-value is the
    share of random sign patterns that are at least as extreme, the observed one counted (Phipson & Smyth 2010).
    """
    import numpy as np

    differences = _differences(before, after)
    means = _resampled(
        differences,
        lambda rng, size: (rng.integers(2, size=size) * 2 - 1) @ differences / len(differences),
        np.random.default_rng(seed),
        resamples,
    )
    # Sums of the same numbers in another order differ in the last bits; a tie must count as a tie.
    extreme = np.abs(means) >= abs(differences.mean()) - 1e-12
    return float((1 + np.count_nonzero(extreme)) / (1 + resamples))


def mcnemar(before: Sequence[bool], after: Sequence[bool]) -> float:
    """Exact two-sided p-value of McNemar's test on right / wrong outcomes of the same rows.

    Of the rows on which the two disagree, each side wins half under the hypothesis: a binomial test (McNemar 1947;
    Fagerland, Lydersen & Laake 2013, "exact conditional"). 1 when they never disagree.
    """
    from scipy.stats import binomtest

    gained = sum(not b and a for b, a in zip(before, after, strict=True))
    lost = sum(b and not a for b, a in zip(before, after, strict=True))
    return float(binomtest(gained, gained + lost, 0.5).pvalue) if gained + lost else 1.0


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The value that `percent` of the values do not exceed, interpolated linearly; None when there are none.

    This is type 7 of Hyndman & Fan 1996, as in NumPy and spreadsheets.
    """
    import numpy as np

    return float(np.percentile(values, percent)) if len(values) else None


def _differences(before: Sequence[float], after: Sequence[float]) -> NDArray[float64]:
    import numpy as np

    if len(before) != len(after) or not len(before):
        raise ValueError(f"paired scores are needed, not {len(before)} and {len(after)}")
    return np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)


def _resampled(
    differences: NDArray[float64],
    draw: Callable[[Generator, tuple[int, int]], NDArray[float64]],
    rng: Generator,
    resamples: int,
) -> NDArray[float64]:
    """`draw` makes means [size] from random numbers [size, rows]; called until there are `resamples` of them."""
    import numpy as np

    rows = len(differences)
    at_once = max(1, _DRAWN_AT_ONCE // rows)
    sizes = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    return np.concatenate([draw(rng, (size, rows)) for size in sizes])
