"""What the training costs: the time of one's own machine, or a provider's price per token."""

from __future__ import annotations

from dataclasses import dataclass

#: dollars for a million tokens of training, each epoch counted, as OpenAI's price list had them when its fine-tuning
#: closed to new customers; of no price list in a package
TRAINING_PRICES = (("gpt-4.1-nano", 1.5), ("gpt-4o-mini", 3.0), ("gpt-4.1-mini", 5.0), ("gpt-4.1", 25.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingCost:
    """What a training cost, how long it took, and who says so. What is unknown is None."""

    dollars: float | None
    minutes: float | None
    source: str


def training_here(minutes: float, dollars_per_hour: float | None) -> TrainingCost:
    """Of a training on this machine; without a price per hour its cost is unknown."""
    if dollars_per_hour is None:
        source = "this machine, whose price per hour is not set (settings.toml, [machine] dollars_per_hour)"
        return TrainingCost(dollars=None, minutes=minutes, source=source)
    source = f"this machine: ${dollars_per_hour:,.2f}/h for {minutes:,.1f} min"
    return TrainingCost(dollars=dollars_per_hour * minutes / 60, minutes=minutes, source=source)


def training_at_provider(model: str, tokens: float) -> TrainingCost:
    """Of a training on `tokens` tokens (each epoch counted) at a provider; None dollars when no price is known."""
    price = dict(TRAINING_PRICES).get(model)
    if price is None:
        return TrainingCost(dollars=None, minutes=None, source=f"the price of training {model!r} is not known")
    source = f"OpenAI's last list price for training {model}: ${price:,.2f} per million tokens"
    return TrainingCost(dollars=tokens * price / 1_000_000, minutes=None, source=source)
