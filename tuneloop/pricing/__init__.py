"""Prices: from tokens to dollars, and from dollars to what is saved. One model of cost for reports and commands.

Three sources, the first that knows the model wins: the user's own table, the table of the upstream that answered, and
the list prices that the `genai-prices` package carries (no network). A model that runs here costs the machine's time.
"""

from tuneloop.pricing.accounts import account, break_even, break_even_days, compared
from tuneloop.pricing.comparisons import CostLine, compare, parse_price
from tuneloop.pricing.machines import machine_price, machine_quote, machine_source
from tuneloop.pricing.prices import LOCAL_PREFIXES, Prices
from tuneloop.pricing.quotes import Quote
from tuneloop.pricing.training import TRAINING_PRICES, TrainingCost, training_at_provider, training_here
from tuneloop.pricing.volumes import MONTH_DAYS, Volume, told, volume

__all__ = [
    "LOCAL_PREFIXES",
    "MONTH_DAYS",
    "TRAINING_PRICES",
    "CostLine",
    "Prices",
    "Quote",
    "TrainingCost",
    "Volume",
    "account",
    "break_even",
    "break_even_days",
    "compare",
    "compared",
    "machine_price",
    "machine_quote",
    "machine_source",
    "parse_price",
    "told",
    "training_at_provider",
    "training_here",
    "volume",
]
