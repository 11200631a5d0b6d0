"""p-values of paired comparisons, and their correction for many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuneloop.statistics.intervals import RESAMPLES
from tuneloop.statistics.resampling import differences, in_parts

if TYPE_CHECKING:
    from numpy import float64
    from numpy.random import Generator
    from numpy.typing import NDArray


def sign_flip(before: Sequence[float], after: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES) -> float:
    """Two-sided p-value of "the mean difference is zero": Fisher's paired randomisation test.

    Were there no difference, each row's sign could as well be the other (Fisher 1935, section 21); the p-value is the
    share of random sign patterns that are at least as extreme, the observed one counted (Phipson & Smyth 2010).
    """
    import numpy as np

    changes = differences(before, after)

    def means(rng: Generator, size: tuple[int, int]) -> NDArray[float64]:
        found: NDArray[float64] = (rng.integers(2, size=size) * 2 - 1) @ changes / len(changes)
        return found

    # Sums of the same numbers in another order differ in the last bits; a tie must count as a tie.
    extreme = np.abs(in_parts(means, len(changes), resamples, seed)) >= abs(changes.mean()) - 1e-12
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


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values, corrected for having looked at all of them (Holm 1979); in the same order.

    The chance that any of those below 0.05 is a false alarm is at most 0.05, whatever depends on what.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected = [0.0] * len(p_values)
    greatest = 0.0
    for rank, index in enumerate(order):
        greatest = max(greatest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = greatest
    return corrected
