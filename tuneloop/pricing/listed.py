"""List prices, as the `genai-prices` package carries them: no network."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from tuneloop.pricing.quotes import Quote
from tuneloop.settings import Upstream
from tuneloop.types import Price

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, Provider

#: how the entry of a model says when somebody last looked at its maker's page
_VERIFIED = re.compile(r"verified on (\d{4}-\d{2}-\d{2})")


class Listed(NamedTuple):
    """A model of `genai-prices` whose price depends on the size or the time of the call."""

    provider: Provider
    model: ModelInfo

    def quote(self) -> Quote | None:
        """The price now; of prices in tiers, the lowest tier's."""
        price = _price_now(self.model)
        return None if price is None else Quote(price, _source(self.provider), _verified(self.model))

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Dollars of one call, tiers and hours of the day respected."""
        from genai_prices.types import Usage

        usage = Usage(input_tokens=prompt_tokens, output_tokens=completion_tokens)
        return float(self.model.calc_price(usage, self.provider).total_price)


def published(model: str, provider: str | None, upstream: Upstream | None) -> Quote | Listed | None:
    """What a provider asks for a model: a quote where the price is two plain numbers; None when it is not listed.

    A product costs 0.1 us, the library's calculation 80 us a call.
    """
    from genai_prices.data_snapshot import get_snapshot

    snapshot = get_snapshot()
    seller = _seller(snapshot, model, provider, upstream)
    found = seller and seller.find_model(model, all_providers=snapshot.providers)
    if not seller or not found:
        return None
    listed = Listed(seller, found)
    quote = listed.quote()
    return quote if quote is None or _is_flat(found) else listed


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


def _is_flat(model: ModelInfo) -> bool:
    from genai_prices.types import ModelPrice, TieredPrices

    prices = model.prices
    if not isinstance(prices, ModelPrice) or prices.requests_kcount is not None:
        return False
    return not isinstance(prices.input_mtok, TieredPrices) and not isinstance(prices.output_mtok, TieredPrices)


def _price_now(model: ModelInfo) -> Price | None:
    from datetime import UTC, datetime

    from genai_prices.types import TieredPrices

    prices = model.get_prices(datetime.now(tz=UTC))
    sides = [p.base if isinstance(p, TieredPrices) else p for p in (prices.input_mtok, prices.output_mtok)]
    if sides == [None, None]:
        return None
    return Price(input=float(sides[0] or 0), output=float(sides[1] or 0))


@cache
def _edition() -> str:
    from importlib.metadata import version

    return f"genai-prices {version('genai-prices')}"


def _source(seller: Provider) -> str:
    return f"list price of {seller.name} ({_edition()})"


def _verified(model: ModelInfo) -> str | None:
    return max(_VERIFIED.findall(model.price_comments or ""), default=None)
