"""What a token costs on one's own machine: its price per hour over its measured throughput."""

from __future__ import annotations

import math

from tuneloop.errors import InvalidInput
from tuneloop.pricing.quotes import Quote
from tuneloop.types import Price


def machine_source(dollars_per_hour: float, tokens_per_second: float | None) -> str:
    """In words: "this machine: $0.20/h at 61 tokens/s"."""
    speed = "" if tokens_per_second is None else f" at {tokens_per_second:,.3g} tokens/s"
    return f"this machine: ${dollars_per_hour:,.2f}/h{speed}"


def machine_quote(
    dollars_per_hour: float,
    output_tokens_per_second: float,
    input_tokens_per_second: float | None = None,
    date: str | None = None,
) -> Quote:
    """The price of this machine with its source; `date` is the day of the measurement. Raises InvalidInput."""
    price = machine_price(dollars_per_hour, output_tokens_per_second, input_tokens_per_second)
    return Quote(price, machine_source(dollars_per_hour, output_tokens_per_second), date)


def machine_price(
    dollars_per_hour: float, output_tokens_per_second: float, input_tokens_per_second: float | None = None
) -> Price:
    """The price of a token on one's own machine: dollars per hour over the measured throughput under load.

    Input is read much faster than output is written; where its speed was not measured it counts as slow as output,
    which never flatters the machine. Raises InvalidInput for numbers that make no price.
    """
    input_speed = output_tokens_per_second if input_tokens_per_second is None else input_tokens_per_second
    speeds_are_real = all(0 < speed < math.inf for speed in (output_tokens_per_second, input_speed))
    if not 0 <= dollars_per_hour < math.inf or not speeds_are_real:
        raise InvalidInput("dollars per hour must be zero or more, and tokens per second more than zero")
    per_second = dollars_per_hour / 3600
    return Price(input=per_second / input_speed * 1_000_000, output=per_second / output_tokens_per_second * 1_000_000)
