"""tuneloop cost."""

from __future__ import annotations

from typing import Annotated

import typer

from tuneloop.cli.console import say, table
from tuneloop.errors import InvalidInput
from tuneloop.types import Price


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""

    @app.command()
    def cost(
        models: Annotated[
            list[str] | None, typer.Argument(help="Models to compare, such as gpt-4o gpt-4o-mini.")
        ] = None,
        input: Annotated[int, typer.Option("--input", help="Input tokens of a call.", min=0)] = 500,
        output: Annotated[int, typer.Option("--output", help="Output tokens of a call.", min=0)] = 1000,
        calls: Annotated[int, typer.Option(help="Calls to add up.", min=1)] = 1000,
        price: Annotated[
            list[str] | None,
            typer.Option(help="NAME=INPUT/OUTPUT in dollars per 1,000 tokens, such as tuned=0.012/0.016; repeatable."),
        ] = None,
        dollars_per_hour: Annotated[
            float | None, typer.Option(help="What an hour of your machine costs; adds the line 'machine'.", min=0)
        ] = None,
        tokens_per_second: Annotated[
            float | None, typer.Option(help="Output tokens a second your machine was measured at.", min=0)
        ] = None,
    ) -> None:
        """Compare what calls cost. Without arguments: the price of a tuned and of a large model in 2023, as a sample.

        Example: tuneloop cost gpt-4o gpt-4o-mini --input 500 --output 1000
        """
        from tuneloop import pricing

        given = price or ([] if models or dollars_per_hour is not None else ["tuned=0.012/0.016", "large=0.03/0.06"])
        prices = [_listed(model) for model in models or []] + [_given(text) for text in given]
        if dollars_per_hour is not None:
            if not tokens_per_second:
                raise InvalidInput("--dollars-per-hour needs --tokens-per-second, as measured on that machine")
            prices.append(("machine", pricing.machine_price(dollars_per_hour, tokens_per_second)))
        lines = pricing.compare(input, output, prices, calls)
        rows = [
            (
                line.name,
                f"{line.cost_per_call:.6f}".rstrip("0"),
                f"{line.cost_per_1000:,.2f}",
                f"{line.cost:,.2f}",
                f"{line.saving_vs_dearest_percent:.2f} %",
            )
            for line in lines
        ]
        table(("model", "$ per call", "$ per 1,000", f"$ for {calls:,}", "saving"), rows)
        say(f"{input:,} input and {output:,} output tokens a call; saving against the dearest")


def _listed(model: str) -> tuple[str, Price]:
    from tuneloop import settings
    from tuneloop.pricing import Prices

    loaded = settings.load()
    price = Prices(loaded.prices, loaded.upstreams, loaded.dollars_per_hour).price(model)
    if price is None:
        raise InvalidInput(
            f"the price of {model!r} is not known; give it: --price {model}=INPUT/OUTPUT (per 1K tokens)"
        )
    return model, price


def _given(text: str) -> tuple[str, Price]:
    from tuneloop.pricing import parse_price

    name, equals, price = text.rpartition("=")
    if not equals or not name:
        raise InvalidInput(f"--price is NAME=INPUT/OUTPUT in dollars per 1,000 tokens, not {text!r}")
    return name, parse_price(price)
