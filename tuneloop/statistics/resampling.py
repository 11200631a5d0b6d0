"""Random numbers in parts, so that many rows do not fill the memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import float64
    from numpy.random import Generator
    from numpy.typing import NDArray

#: Random numbers drawn at once: bounds the memory at some 10 MB however many rows there are.
_DRAWN_AT_ONCE = 1_000_000


def differences(before: Sequence[float], after: Sequence[float]) -> NDArray[float64]:
    """after - before, row by row. Raises ValueError unless both have the same number of scores, at least one."""
    import numpy as np

    if len(before) != len(after) or not len(before):
        raise ValueError(f"paired scores are needed, not {len(before)} and {len(after)}")
    return np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)


def in_parts(
    draw: Callable[[Generator, tuple[int, int]], NDArray[float64]], columns: int, resamples: int, seed: int
) -> NDArray[float64]:
    """`draw` makes results [..., size] from random numbers [size, columns]; called until there are `resamples`."""
    import numpy as np

    rng = np.random.default_rng(seed)
    at_once = max(1, _DRAWN_AT_ONCE // columns)
    sizes = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    return np.concatenate([draw(rng, (size, columns)) for size in sizes], axis=-1)
