"""tuneloop prompts try: two prompts or models side by side."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich import box
from rich.table import Table
from rich.text import Text

from tuneloop.cli.console import console, say, stderr
from tuneloop.cli.context import opened
from tuneloop.errors import InvalidInput

if TYPE_CHECKING:
    from tuneloop.evaluations import Answer
    from tuneloop.loop import Loop
    from tuneloop.playground import Case, Side

    Answers = list[list[Answer]]


def add(group: typer.Typer) -> None:
    """Put the command into its group."""

    @group.command("try")
    def try_out(
        sides: Annotated[list[str], typer.Argument(help="Prompts, models, or MODEL+PROMPT: support@1 support@2.")],
        input: Annotated[str | None, typer.Option("--input", help="What the user says: {{input}}.")] = None,
        values: Annotated[
            list[str] | None, typer.Option("--set", help="VARIABLE=VALUE, or VARIABLE=@FILE; repeatable.")
        ] = None,
        model: Annotated[str | None, typer.Option(help="What answers to prompts; default: the one they name.")] = None,
        prompt: Annotated[str | None, typer.Option(help="What models are asked with.")] = None,
        on: Annotated[str | None, typer.Option(help="Ask what the rows of this data set ask.")] = None,
        split: Annotated[str, typer.Option(help="With --on: train, validation or test.")] = "validation",
        rows: Annotated[int, typer.Option(help="With --on: how many rows.", min=1)] = 5,
        max_tokens: Annotated[int, typer.Option(help="Of an answer, where the prompt says nothing.", min=1)] = 256,
        json: Annotated[bool, typer.Option("--json", help="JSON Lines, an answer each.")] = False,
    ) -> None:
        """Ask prompts or models the same and show their answers side by side, with tokens, time and cost.

        The calls are not logged. `tuneloop evaluate` measures the difference.

        Example: tuneloop prompts try support@1 support@2 --set company=Acme --input "Where is my parcel?"
        """
        from tuneloop import datasets, playground

        given = pairs(values)
        with opened() as loop:
            chosen = [playground.side(loop, text, model=model, prompt=prompt) for text in sides]
            if on is None:
                cases = [playground.of_input(input, given)]
            else:
                found = loop.store.datasets.named(on)
                cases = playground.of_rows(loop, found, datasets.parse_split(split, "--split"), rows, given)
            playground.check(chosen, cases)
            answers = asyncio.run(_ask(loop, chosen, cases, max_tokens))
        if json:
            _as_json(chosen, cases, answers)
        else:
            _side_by_side(chosen, cases, answers)


def pairs(texts: Sequence[str] | None) -> dict[str, Any]:
    """VARIABLE=VALUE, or VARIABLE=@FILE for the text of a file. Raises InvalidInput."""
    found = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidInput(f"expected VARIABLE=VALUE, not {text!r}")
        found[name] = read(Path(value[1:])).removesuffix("\n") if value.startswith("@") else value
    return found


def parameters(texts: Sequence[str]) -> dict[str, Any]:
    """NAME=VALUE, where the value is JSON or else a text. Raises InvalidInput."""
    from tuneloop import calls

    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidInput(f"expected NAME=VALUE, not {text!r}")
        parsed = calls.parse(value.encode())
        found[name] = value if parsed is None and value != "null" else parsed
    return found


def read(file: Path) -> str:
    """The text of a file, or of standard input for "-". Raises InvalidInput."""
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"cannot read {str(file)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{str(file)!r} is not a text in UTF-8: {error}") from error


async def _ask(loop: Loop, sides: Sequence[Side], cases: Sequence[Case], max_tokens: int) -> Answers:
    from tuneloop import playground

    answers: Answers = [[] for _ in cases]
    with stderr.status("asking ...") as status:

        def tell(number: int, place: int, answer: Answer) -> None:
            answers[number].append(answer)
            status.update(f"asking ... {number + 1} of {len(cases)}, {sides[place].name}")

        try:
            await playground.ask(loop, sides, cases, max_tokens, tell)
        finally:
            await loop.local.close()
    return answers


def _as_json(sides: Sequence[Side], cases: Sequence[Case], answers: Answers) -> None:
    for case, given in zip(cases, answers, strict=True):
        for side, answer in zip(sides, given, strict=True):
            line = {
                "side": side.name,
                "model": side.model,
                "prompt": side.prompt.reference if side.prompt else None,
                "input": _asked(case),
                "reference": case.reference,
                "answer": answer.text,
                "error": answer.error,
                "prompt_tokens": answer.prompt_tokens,
                "completion_tokens": answer.completion_tokens,
                "first_token_ms": answer.first_token_ms,
                "latency_ms": answer.latency_ms,
                "cost": answer.cost,
            }
            print(orjson.dumps(line).decode())


def _side_by_side(sides: Sequence[Side], cases: Sequence[Case], answers: Answers) -> None:
    shown = Table(box=box.SIMPLE_HEAD, show_lines=True, expand=console.is_terminal)
    several = len(cases) > 1 or cases[0].reference is not None
    for header in ("input", "reference") if several else ():
        shown.add_column(header, overflow="fold", ratio=1)
    for side in sides:
        asked = side.model if side.name != side.model else ""
        shown.add_column(Text(f"{side.name}\n{asked}".rstrip()), overflow="fold", ratio=2)
    for case, given in zip(cases, answers, strict=True):
        first = (_asked(case), case.reference or "") if several else ()
        shown.add_row(*map(Text, first), *(Text(f"{_said(answer)}\n\n{_measured(answer)}") for answer in given))
    console.print(shown)
    if several:
        for place, side in enumerate(sides):
            say(f"{side.name}: {_summary([given[place] for given in answers])}")


def _asked(case: Case) -> str:
    from tuneloop.calls import input_text

    return input_text({"messages": list(case.messages)})


def _said(answer: Answer) -> str:
    return answer.text if answer.error is None else f"failed: {answer.error}"


def _measured(answer: Answer) -> str:
    if answer.error is not None:
        return ""
    tokens = f"{_count(answer.prompt_tokens)} + {_count(answer.completion_tokens)} tokens"
    first = "" if answer.first_token_ms is None else f", first after {answer.first_token_ms:,.0f} ms"
    cost = "" if answer.cost is None else f", ${answer.cost:.6f}"
    return f"{tokens}, {answer.latency_ms or 0:,.0f} ms{first}{cost}"


def _summary(answers: Sequence[Answer]) -> str:
    good = [answer for answer in answers if answer.error is None]
    if not good:
        return "every call failed"
    read, written = (sum(n or 0 for n in counts) / len(good) for counts in _tokens(good))
    latency = sum(answer.latency_ms or 0 for answer in good) / len(good)
    costs = [answer.cost for answer in good if answer.cost is not None]
    cost = f", ${1000 * sum(costs) / len(costs):.4f} per 1,000 calls" if costs else ""
    failed = f", {len(answers) - len(good)} failed" if len(good) < len(answers) else ""
    return f"{read:,.0f} + {written:,.0f} tokens and {latency:,.0f} ms a call{cost}{failed}"


def _tokens(answers: Sequence[Answer]) -> tuple[list[int | None], list[int | None]]:
    return [one.prompt_tokens for one in answers], [one.completion_tokens for one in answers]


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"
