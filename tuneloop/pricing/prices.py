"""The price of each model: the user's own, else that of the upstream that answers, else a list price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from tuneloop.pricing.listed import Listed, published
from tuneloop.pricing.quotes import Quote
from tuneloop.settings import Upstream
from tuneloop.types import Price

#: Names we give to models that run here; whatever follows the colon, no provider's list price is theirs.
LOCAL_PREFIXES = ("ft:", "hf:")

#: Names remembered; clients choose the names they ask for, so the memory has a bound.
_REMEMBERED = 4096


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

    @property
    def dollars_per_hour(self) -> float | None:
        """What an hour of this machine costs, where it is set."""
        return self._dollars_per_hour

    def price(self, model: str, provider: str | None = None) -> Price | None:
        """Dollars per million tokens, or None when nobody knows. Of prices in tiers, the lowest tier's.

        `provider` is the name of an upstream or of a `genai-prices` provider; without it the first upstream that serves
        `model` is meant, and failing that the maker of a model of this name.
        """
        quote = self.quote(model, provider)
        return None if quote is None else quote.price

    def quote(self, model: str, provider: str | None = None) -> Quote | None:
        """The same with its source and date."""
        found = self._find(model, provider)
        return found.quote() if isinstance(found, Listed) else found

    def cost(self, provider: str | None, model: str, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What one call cost in dollars, tiers and hours of the day respected; None when the price is unknown."""
        found = self._find(model, provider)
        return None if found is None else found.cost(prompt_tokens, completion_tokens)

    def machine_cost(self, seconds: float) -> float | None:
        """What `seconds` of this machine cost in dollars; None when its price per hour is not set."""
        return None if self._dollars_per_hour is None else self._dollars_per_hour * seconds / 3600

    def _look_up(self, model: str, provider: str | None) -> Quote | Listed | None:
        if model in self._own:
            return Quote(self._own[model], "your price table (settings.toml)")
        upstream = self._upstream(model, provider)
        if upstream is not None and model in upstream.prices:
            return Quote(upstream.prices[model], f"price table of upstream {upstream.name!r} (settings.toml)")
        return None if model.startswith(LOCAL_PREFIXES) else published(model, provider, upstream)

    def _upstream(self, model: str, provider: str | None) -> Upstream | None:
        if provider is None:
            return next((u for u in self._upstreams if u.serves(model)), None)
        return next((u for u in self._upstreams if u.name == provider), None)
