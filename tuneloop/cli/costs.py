"""tuneloop cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.markup import escape

from tuneloop.cli.console import say, table, warn
from tuneloop.cli.context import opened
from tuneloop.errors import InvalidInput

if TYPE_CHECKING:
    from tuneloop.loop import Loop
    from tuneloop.pricing import Quote, Volume

_SAMPLE = ("tuned=0.012/0.016", "large=0.03/0.06")


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
        where: Annotated[str | None, typer.Option(help="Take the logged calls that match a filter instead.")] = None,
        evaluation: Annotated[str | None, typer.Option(help="Account for the arms of an evaluation instead.")] = None,
        per_month: Annotated[
            float | None, typer.Option(help="Calls in a month; default: at the logged rate.", min=0)
        ] = None,
        price: Annotated[
            list[str] | None,
            typer.Option(help="NAME=INPUT/OUTPUT in dollars per 1,000 tokens, such as tuned=0.012/0.016; repeatable."),
        ] = None,
        dollars_per_hour: Annotated[
            float | None,
            typer.Option(help="What an hour of your machine costs; default: as in settings.toml.", min=0),
        ] = None,
        tokens_per_second: Annotated[
            float | None,
            typer.Option(help="Output tokens a second your machine was measured at; adds the line 'machine'.", min=0),
        ] = None,
        input_tokens_per_second: Annotated[
            float | None, typer.Option(help="Input tokens a second; default: as slow as output.", min=0)
        ] = None,
        json: Annotated[bool, typer.Option("--json", help="JSON with everything.")] = False,
    ) -> None:
        """Compare what calls cost: of a size, as logged, or of an evaluation's arms.

        Without arguments: the price of a tuned and of a large model in 2023, as a sample.

        Example: tuneloop cost gpt-4o gpt-4o-mini --input 500 --output 1000
        Example: tuneloop cost gpt-4o-mini --where "created_at > now-30d"
        Example: tuneloop cost --evaluation eval_123 --per-month 100000
        """
        from tuneloop import pricing

        if dollars_per_hour is not None and tokens_per_second is None and evaluation is None:
            raise InvalidInput("--dollars-per-hour needs --tokens-per-second, as measured on that machine")
        if all(one is None for one in (models, price, where, evaluation, tokens_per_second)):
            price = list(_SAMPLE)
        with opened() as loop:
            machine = _per_hour(loop, dollars_per_hour)
            quotes = [_listed(loop, model) for model in models or []] + [_given(text) for text in price or []]
            if tokens_per_second is not None:
                quotes.append(_machine(machine, tokens_per_second, input_tokens_per_second))
            volume = None if per_month is None else pricing.told(per_month)
            if evaluation is not None:
                answer = _of_evaluation(loop, evaluation, where, volume, machine)
                show = _show_evaluation
            elif where is not None:
                answer, show = _of_logs(loop, where, quotes, volume), _show_logs
            else:
                answer, show = _of_size((input, output), calls, quotes, volume), _show_size
        if json:
            print(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
        else:
            show(answer)


def _per_hour(loop: Loop, given: float | None) -> float | None:
    return loop.settings.dollars_per_hour if given is None else given


def _listed(loop: Loop, model: str) -> tuple[str, Quote]:
    quote = loop.prices.quote(model)
    if quote is None:
        raise InvalidInput(
            f"the price of {model!r} is not known; give it: --price {model}=INPUT/OUTPUT (per 1K tokens)"
        )
    return model, quote


def _given(text: str) -> tuple[str, Quote]:
    from tuneloop.pricing import Quote, parse_price

    name, equals, price = text.rpartition("=")
    if not equals or not name:
        raise InvalidInput(f"--price is NAME=INPUT/OUTPUT in dollars per 1,000 tokens, not {text!r}")
    return name, Quote(parse_price(price), "as given")


def _machine(per_hour: float | None, output_speed: float, input_speed: float | None) -> tuple[str, Quote]:
    from tuneloop.pricing import machine_quote

    if per_hour is None:
        raise InvalidInput(
            "--tokens-per-second needs what an hour of that machine costs: --dollars-per-hour, "
            "or [machine] dollars_per_hour in settings.toml"
        )
    return "machine", machine_quote(per_hour, output_speed, input_speed)


def _of_size(
    tokens: tuple[int, int], calls: int, quotes: Sequence[tuple[str, Quote]], volume: Volume | None
) -> dict[str, Any]:
    from tuneloop import pricing

    month = None if volume is None else volume.calls_per_month
    lines = pricing.compare(*tokens, [(name, quote.price) for name, quote in quotes], calls)
    models = [
        {
            "model": line.name,
            "per_call": line.cost_per_call,
            "per_1000": line.cost_per_1000,
            "per_month": None if month is None else line.cost_per_call * month,
            "cost": line.cost,
            "saving_vs_dearest_percent": line.saving_vs_dearest_percent,
            "source": quote.source,
            "date": quote.date,
        }
        for line, (_, quote) in zip(lines, quotes, strict=True)
    ]
    return {
        "input_tokens": tokens[0],
        "output_tokens": tokens[1],
        "calls": calls,
        "calls_per_month": month,
        "models": models,
    }


def _show_size(answer: Mapping[str, Any]) -> None:
    monthly = answer["calls_per_month"] is not None
    headers = ["model", "$ per call", "$ per 1,000", f"$ for {answer['calls']:,}"]
    rows = [
        (
            one["model"],
            f"{one['per_call']:.6f}".rstrip("0"),
            f"{one['per_1000']:,.2f}",
            f"{one['cost']:,.2f}",
            *([f"{one['per_month']:,.2f}"] if monthly else []),
            f"{one['saving_vs_dearest_percent']:.2f} %",
            _source(one),
        )
        for one in answer["models"]
    ]
    table([*headers, *(["$ per month"] if monthly else []), "saving", "price"], rows)
    say(
        f"{answer['input_tokens']:,} input and {answer['output_tokens']:,} output tokens a call; "
        "saving against the dearest"
    )


def _of_logs(loop: Loop, where: str, quotes: Sequence[tuple[str, Quote]], volume: Volume | None) -> dict[str, Any]:
    from tuneloop import costs, filters

    return costs.of_logs(loop, filters.parse(where), quotes, volume)


def _show_logs(answer: Mapping[str, Any]) -> None:
    logged = [
        (
            one["model"],
            f"{one['calls']:,}",
            _number(one["prompt_tokens"], ",.0f"),
            _number(one["completion_tokens"], ",.0f"),
            *_dollars(one),
            "as logged",
        )
        for one in answer["models"]
    ]
    others = [(f"with {one['model']}", "", "", "", *_dollars(one), _source(one)) for one in answer["instead"]]
    headers = ("model", "calls", "input tokens", "output tokens", "$ in all", "$ per 1,000", "$ per month", "price")
    table(headers, [*logged, *others])
    _say_volume(answer)
    for note in answer["notes"]:
        warn(note)


def _of_evaluation(
    loop: Loop, evaluation: str, where: str | None, volume: Volume | None, per_hour: float | None
) -> dict[str, Any]:
    from tuneloop import costs, filters
    from tuneloop.pricing import Prices

    report = loop.store.evaluations.get(evaluation, param="evaluation").report
    if volume is None and where is not None:
        volume = costs.logged_volume(loop, filters.parse(where))
    prices = Prices(loop.settings.prices, loop.settings.upstreams, per_hour)
    return costs.of_evaluation(loop, report, volume=volume, prices=prices)


def _show_evaluation(answer: Mapping[str, Any]) -> None:
    rows = [
        (name, _number(one["per_1000"], ",.4f"), _number(one["per_month"], ",.2f"), _source(one))
        for name, one in answer["arms"].items()
    ]
    table(("arm", "$ per 1,000", "$ per month", "price"), rows)
    _say_volume(answer)
    training = answer["training"]
    if training is not None:
        dollars = "not known" if training["dollars"] is None else f"${training['dollars']:,.4f}"
        say(escape(f"training: {dollars} ({training['source']})"))
        say(_break_even(answer))
    for note in answer["notes"]:
        say(escape(note))


def _break_even(answer: Mapping[str, Any]) -> str:
    if answer["break_even_calls"] is None:
        never = answer["saving_per_1000"] is not None and answer["saving_per_1000"] <= 0
        return "it never pays for its training: no call is cheaper" if never else "when it has paid for it: not known"
    days = answer["break_even_days"]
    after = "" if days is None else f", that is {days:,.1f} days"
    return f"it has paid for its training after {answer['break_even_calls']:,} calls{after}"


def _say_volume(answer: Mapping[str, Any]) -> None:
    calls = "not known" if answer["calls_per_month"] is None else f"{answer['calls_per_month']:,.0f}"
    say(escape(f"calls in 30 days: {calls} ({answer['calls_source']})"))


def _dollars(one: Mapping[str, Any]) -> tuple[str, str, str]:
    return _number(one["cost"], ",.4f"), _number(one["per_1000"], ",.4f"), _number(one["per_month"], ",.2f")


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _source(one: Mapping[str, Any]) -> str:
    checked = f", {one['date']}" if one["date"] else ""
    return f"{one['source'] or '-'}{checked}"
