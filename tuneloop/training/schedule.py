"""How the learning rate goes over a run."""

from __future__ import annotations

import math

from tuneloop.protocols import Schedule

#: share of the highest rate at which cosine and linear end: the last steps still learn
_FLOOR = 0.1


def scheduled(step: int, total: int, schedule: Schedule = "cosine", warmup: float = 0.1) -> float:
    """Share of the highest learning rate at a step counted from 1.

    It rises in a line over the first `warmup` of the steps, then falls along half a cosine or a line, or stays.
    """
    rising = max(1, round(warmup * total))
    if step <= rising:
        return step / rising
    if schedule == "constant":
        return 1.0
    progress = (step - rising) / max(1, total - rising)
    left = 1 - progress if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * progress))
    return _FLOOR + (1 - _FLOOR) * left
