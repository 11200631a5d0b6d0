"""The rate limit, on a clock of its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tuneloop.gateway.rates import RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_calls_at_once_then_one_at_a_time() -> None:
    clock = Clock()
    rates = RateLimit(3, clock)
    assert [rates.take("a").remaining for _ in range(3)] == [2, 1, 0]
    refused = rates.take("a")
    assert refused.retry_after == 20.0 and refused.full_after == 60.0
    assert dict(refused.headers())[b"retry-after"] == b"20"
    assert rates.take("b").retry_after == 0.0, "another key has a minute of its own"
    clock.now += 19.9
    assert rates.take("a").retry_after > 0
    clock.now += 0.2
    assert rates.take("a").retry_after == 0.0
    clock.now += 60.0
    assert rates.take("a").remaining == 2


@given(st.integers(1, 200), st.lists(st.floats(0, 30), max_size=100))
def test_never_more_than_twice_the_limit_in_a_minute_and_who_waits_is_let_in(limit: int, pauses: list[float]) -> None:
    clock = Clock()
    rates = RateLimit(limit, clock)
    let_in = []
    for pause in [0.0] * limit + pauses:
        clock.now += pause
        allowance = rates.take("a")
        assert 0 <= allowance.remaining < limit
        if allowance.retry_after:
            clock.now += allowance.retry_after
            assert rates.take("a").retry_after == 0.0
        let_in.append(clock.now)
    for moment in let_in:
        assert sum(moment - 60 < other <= moment for other in let_in) <= 2 * limit
