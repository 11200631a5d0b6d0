"""What calls of one size cost on several models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from tuneloop.errors import InvalidInput
from tuneloop.types import Price

#: dollars of 1,000 tokens, which a price is always below; what is larger is a slip of the pen
_MOST = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class CostLine:
    """One model in a comparison of costs, in dollars."""

    name: str
    cost_per_call: float
    cost_per_1000: float
    #: of all the calls compared
    cost: float
    #: 0 for the dearest, with two decimals
    saving_vs_dearest_percent: float


def compare(
    input_tokens: float, output_tokens: float, prices: Sequence[tuple[str, Price]], calls: int = 1
) -> list[CostLine]:
    """What `calls` calls of a size cost on each model, in the order given.

    Computed in decimals, so that 500 + 1,000 tokens at 0.012/0.016 per 1K tokens are 0.022 dollars and not nearly so.
    Raises InvalidInput for a negative size or number of calls.
    """
    sizes = [Decimal(str(n)) for n in (input_tokens, output_tokens, calls)]
    if not all(size.is_finite() and size >= 0 for size in sizes):
        raise InvalidInput(f"tokens and calls must be zero or more, not {input_tokens!r}, {output_tokens!r}, {calls!r}")
    per_call = [_exact_cost(price, sizes[0], sizes[1]) for _, price in prices]
    dearest = max(per_call, default=Decimal(0))
    return [
        CostLine(
            name=name,
            cost_per_call=float(cost),
            cost_per_1000=float(cost * 1000),
            cost=float(cost * sizes[2]),
            saving_vs_dearest_percent=float(round(100 * (1 - cost / dearest), 2)) if dearest else 0.0,
        )
        for (name, _), cost in zip(prices, per_call, strict=True)
    ]


def _exact_cost(price: Price, input_tokens: Decimal, output_tokens: Decimal) -> Decimal:
    return (input_tokens * Decimal(str(price.input)) + output_tokens * Decimal(str(price.output))) / 1_000_000


def parse_price(text: str) -> Price:
    """Read "0.012/0.016": dollars per 1,000 input tokens, a slash, dollars per 1,000 output tokens.

    Raises InvalidInput that says what is wrong.
    """
    sides = text.split("/")
    if len(sides) != 2:
        raise InvalidInput(f"a price is input/output in dollars per 1,000 tokens, as in 0.012/0.016, not {text!r}")
    input_side, output_side = (float(_dollars(side, text) * 1000) for side in sides)
    return Price(input=input_side, output=output_side)


def _dollars(side: str, text: str) -> Decimal:
    try:
        value = Decimal(side.strip().removeprefix("$"))
    except InvalidOperation:
        raise InvalidInput(f"{side.strip()!r} in the price {text!r} is not a number of dollars") from None
    if not value.is_finite() or not 0 <= value < _MOST:
        raise InvalidInput(f"{side.strip()!r} in the price {text!r} must be zero or more dollars, below {_MOST}")
    return value
