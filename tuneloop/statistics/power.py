"""Power: how many rows would show what is there."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from tuneloop.statistics.resampling import differences

#: More than this nobody labels: then rows are not what is missing.
MOST_ROWS = 100_000


def rows_needed(
    before: Sequence[float],
    after: Sequence[float],
    margin: float,
    *,
    level: float = 0.95,
    power: float = 0.8,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> int | None:
    """About how many rows in all show that `after` is worse by less than `margin`, if it is as these rows say.

    With so many rows the lower bound of `bootstrap` is above -margin with probability `power`: the bound is taken for
    normal, with the mean and the variance that its random weights have (a Dirichlet distribution's; Rubin 1981). What
    these rows say is itself uncertain, so is the number. None when no number up to MOST_ROWS would do: the difference
    seen is -margin or near it.
    """
    from scipy.stats import norm

    changes = differences(before, after)
    mean, variance = float(changes.mean()), float(changes.var())
    worst = min(bounds[0] - bounds[1], float(changes.min()))
    z = float(norm.ppf((1 + level) / 2) + norm.ppf(power))

    def shows(rows: int) -> bool:
        centre = (rows * mean + worst) / (rows + 1)
        spread = (rows * (variance + (mean - centre) ** 2) + (worst - centre) ** 2) / (rows + 1) / (rows + 2)
        return centre - z * sqrt(spread) > -margin

    if not shows(MOST_ROWS):
        return None
    low, high = 0, MOST_ROWS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high
