"""Prices: what each model costs, and who says so."""

from __future__ import annotations

from tuneloop.pricing import Quote
from tuneloop.store import called
from tuneloop.ui import parts, tables
from tuneloop.ui.here import Here
from tuneloop.ui.settings.upstreams import say_if_changed

_MOST = 200
_SAMPLE = """[prices."my-model"]
input = 2.50      # dollars per million tokens
output = 10.00

[machine]
dollars_per_hour = 0.05   # what this machine costs"""


async def show(here: Here) -> None:
    """Fill the part."""
    parts.heading("Prices", "Dollars for a million tokens. Your own come first, then an upstream's, then list prices.")
    found = await here.do(_find, here)
    with parts.card():
        if found:
            rows = [_row(here, name, quote) for name, quote in found]
            headers = ("Model", "Read", "Written", "Who says so", "Checked")
            tables.table(headers, rows, label="Prices of models", numbers=(1, 2))
        else:
            parts.text("p", "No model was called yet, and no price is given.", "dim")
    parts.heading("Your own prices", f"Write these lines into {here.loop.settings.settings_file}, and start again.")
    parts.code(_SAMPLE, label="the lines")
    await say_if_changed(here)


def _find(here: Here) -> list[tuple[str, Quote | None]]:
    """The models that were called, that have a price, and that upstreams name."""
    loop = here.loop
    names = {*loop.settings.prices, *loop.routes.catalog().upstream, *called.models(loop.store.database, _MOST)}
    names |= {name for upstream in loop.settings.upstreams for name in upstream.prices}
    return [(name, loop.prices.quote(name)) for name in sorted(names)[:_MOST]]


def _row(here: Here, name: str, quote: Quote | None) -> list[tables.Cell | str]:
    if quote is not None:
        return [name, f"${quote.price.input:,.2f}", f"${quote.price.output:,.2f}", quote.source, quote.date or ""]
    catalog = here.loop.routes.catalog()
    target = catalog.aliases.get(name, name)
    if target not in catalog.base and target not in catalog.tuned:
        return [name, "-", "-", tables.Cell(said="not known", below="Give your own, below"), ""]
    hour = here.loop.settings.dollars_per_hour
    below = f"${hour:,.2f} an hour" if hour is not None else "its price per hour is not set"
    return [name, "-", "-", tables.Cell(said="this machine's time", below=below), ""]
