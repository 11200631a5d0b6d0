"""What a list of measurements comes to."""

from __future__ import annotations

from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The value that `percent` of the values do not exceed, interpolated linearly; None when there are none.

    This is type 7 of Hyndman & Fan 1996, as in NumPy and spreadsheets.
    """
    import numpy as np

    return float(np.percentile(values, percent)) if len(values) else None
