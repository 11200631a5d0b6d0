"""Prices: from tokens to dollars.

Three sources, the first that knows the model wins: the user's own table, the table of the upstream that answered, and
the list prices that the `genai-prices` package carries (no network). A model that runs here costs the machine's time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from tuneloop.errors import InvalidInput
from tuneloop.settings import Upstream
from tuneloop.types import Price

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, Provider

#: Names we give to models that run here; whatever follows the colon, no provider's list price is theirs.
LOCAL_PREFIXES = ("ft:", "hf:")

#: Names remembered; clients choose the names they ask for, so the memory has a bound.
_REMEMBERED = 4096

#: dollars for a million tokens of training, each epoch counted, as OpenAI's price list had them when its fine-tuning
#: closed to new customers; of no price list in a package
TRAINING_PRICES = (("gpt-4.1-nano", 1.5), ("gpt-4o-mini", 3.0), ("gpt-4.1-mini", 5.0), ("gpt-4.1", 25.0))


class _Listed(NamedTuple):
    """A model of `genai-prices` whose price depends on the size or the time of the call."""

    provider: Provider
    model: ModelInfo


class Prices:
    """What models cost. Looking a name up is remembered, so asking for every call is cheap.

    The first look-up of a name in neither table imports `genai-prices` (about 0.2 s).
    """

    def __init__(
        self,
        own: Mapping[str, Price] | None = None,
        upstreams: Sequence[Upstream] = (),
        dollars_per_hour: float | None = None,
    ) -> None:
        self._own = own or {}
        self._upstreams = upstreams
        self._dollars_per_hour = dollars_per_hour
        self._find = lru_cache(_REMEMBERED)(self._look_up)

    def price(self, model: str, provider: str | None = None) -> Price | None:
        """Dollars per million tokens, or None when nobody knows. Of prices in tiers, the lowest tier's.

        `provider` is the name of an upstream or of a `genai-prices` provider; without it the first upstream that serves
        `model` is meant, and failing that the maker of a model of this name.
        """
        found = self._find(model, provider)
        return _price_now(found.model) if isinstance(found, _Listed) else found

    def cost(self, provider: str | None, model: str, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What one call cost in dollars, tiers and hours of the day respected; None when the price is unknown."""
        found = self._find(model, provider)
        if found is None:
            return None
        if isinstance(found, _Listed):
            return _listed_cost(found, prompt_tokens, completion_tokens)
        return (prompt_tokens * found.input + completion_tokens * found.output) / 1_000_000

    def machine_cost(self, seconds: float) -> float | None:
        """What `seconds` of this machine cost in dollars; None when its price per hour is not set."""
        return None if self._dollars_per_hour is None else self._dollars_per_hour * seconds / 3600

    def _look_up(self, model: str, provider: str | None) -> Price | _Listed | None:
        if model in self._own:
            return self._own[model]
        upstream = self._upstream(model, provider)
        if upstream is not None and model in upstream.prices:
            return upstream.prices[model]
        return None if model.startswith(LOCAL_PREFIXES) else _published(model, provider, upstream)

    def _upstream(self, model: str, provider: str | None) -> Upstream | None:
        if provider is None:
            return next((u for u in self._upstreams if u.serves(model)), None)
        return next((u for u in self._upstreams if u.name == provider), None)


def _published(model: str, provider: str | None, upstream: Upstream | None) -> Price | _Listed | None:
    from genai_prices.data_snapshot import get_snapshot

    snapshot = get_snapshot()
    seller = _seller(snapshot, model, provider, upstream)
    found = seller and seller.find_model(model, all_providers=snapshot.providers)
    if not seller or not found:
        return None
    return _flat_price(found) or (_Listed(seller, found) if _price_now(found) else None)


def _seller(snapshot: DataSnapshot, model: str, name: str | None, upstream: Upstream | None) -> Provider | None:
    """Whose list price applies. A name is compared whole: an upstream called "my-mistral" is not Mistral."""
    if name is None and upstream is None:
        return _provider_or_none(snapshot, model=model.lower())
    if upstream is not None and (seller := _provider_or_none(snapshot, url=upstream.base_url)):
        return seller
    wanted = (upstream.name if upstream is not None else name or "").lower()
    return next((p for p in snapshot.providers if p.id == wanted), None)


def _provider_or_none(snapshot: DataSnapshot, *, model: str | None = None, url: str | None = None) -> Provider | None:
    try:
        return snapshot.find_provider(model, None, url)
    except LookupError:
        return None


def _flat_price(model: ModelInfo) -> Price | None:
    """The price where it is two plain numbers: a product costs 0.1 us, the library's calculation 80 us a call."""
    from genai_prices.types import ModelPrice, TieredPrices

    prices = model.prices
    if not isinstance(prices, ModelPrice) or prices.requests_kcount is not None:
        return None
    if isinstance(prices.input_mtok, TieredPrices) or isinstance(prices.output_mtok, TieredPrices):
        return None
    return _price_now(model)


def _price_now(model: ModelInfo) -> Price | None:
    from datetime import UTC, datetime

    from genai_prices.types import TieredPrices

    prices = model.get_prices(datetime.now(tz=UTC))
    sides = [p.base if isinstance(p, TieredPrices) else p for p in (prices.input_mtok, prices.output_mtok)]
    if sides == [None, None]:
        return None
    return Price(input=float(sides[0] or 0), output=float(sides[1] or 0))


def _listed_cost(found: _Listed, prompt_tokens: int, completion_tokens: int) -> float:
    from genai_prices.types import Usage

    usage = Usage(input_tokens=prompt_tokens, output_tokens=completion_tokens)
    return float(found.model.calc_price(usage, found.provider).total_price)


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
    if not value.is_finite() or value < 0:
        raise InvalidInput(f"{side.strip()!r} in the price {text!r} must be zero or more dollars")
    return value


def machine_price(
    dollars_per_hour: float, output_tokens_per_second: float, input_tokens_per_second: float | None = None
) -> Price:
    """The price of a token on one's own machine: dollars per hour over the measured throughput under load.

    Input is read much faster than output is written; where its speed was not measured it counts as slow as output,
    which never flatters the machine. Raises InvalidInput for numbers that make no price.
    """
    input_speed = output_tokens_per_second if input_tokens_per_second is None else input_tokens_per_second
    if dollars_per_hour < 0 or output_tokens_per_second <= 0 or input_speed <= 0:
        raise InvalidInput("dollars per hour must be zero or more, and tokens per second more than zero")
    per_second = dollars_per_hour / 3600
    return Price(input=per_second / input_speed * 1_000_000, output=per_second / output_tokens_per_second * 1_000_000)
