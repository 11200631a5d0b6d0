"""How the learning rate goes over a run."""

from __future__ import annotations

import pytest

from tuneloop.protocols import Schedule
from tuneloop.training.schedule import scheduled


def rates(schedule: Schedule, warmup: float = 0.1) -> list[float]:
    return [scheduled(step, 100, schedule, warmup) for step in range(1, 101)]


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_the_rate_rises_then_falls_but_never_to_nothing(schedule: Schedule) -> None:
    shares = rates(schedule)
    assert shares[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert shares[9:] == sorted(shares[9:], reverse=True)
    assert shares[-1] == pytest.approx(0.1)


def test_half_way_down_a_cosine_is_as_far_as_a_line_but_later() -> None:
    assert scheduled(55, 100, "cosine") == pytest.approx(scheduled(55, 100, "linear"))
    assert scheduled(30, 100, "cosine") > scheduled(30, 100, "linear")
    assert scheduled(80, 100, "cosine") < scheduled(80, 100, "linear")


def test_a_constant_rate_stays_once_it_has_risen() -> None:
    assert rates("constant", 0.2)[19:] == [1.0] * 81
    assert rates("constant", 0.2)[0] == pytest.approx(0.05)


def test_without_warm_up_the_first_step_has_the_whole_rate() -> None:
    assert rates("cosine", 0.0)[0] == 1.0
    assert scheduled(1, 1) == 1.0
    assert rates("linear", 1.0)[-1] == 1.0
