"""Versions of prompts, or models, asked the same and shown side by side. Nothing is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tuneloop import calls, comparing, prompts
from tuneloop.engines.asking import Asker
from tuneloop.errors import InvalidInput, NotFound, TuneloopError
from tuneloop.evaluations import Answer
from tuneloop.loop import Loop
from tuneloop.prompts import Prompt
from tuneloop.types import Dataset, Json, Message, Split, Tool


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """A model, and the prompt that it is asked with."""

    name: str
    model: str
    prompt: Prompt | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What every side is asked."""

    #: a conversation; instructions in it give way to those of a side's prompt
    messages: Sequence[Message]
    values: Mapping[str, Json] = field(default_factory=dict)
    tools: Sequence[Tool] = ()
    #: the answer as it should be, where that is known
    reference: str | None = None


#: told each answer as it comes: the case's number, the side's, the answer
OnAnswer = Callable[[int, int, Answer], None]


def side(loop: Loop, text: str, *, model: str | None = None, prompt: str | None = None) -> Side:
    """Read "support@2", "gpt-4o" or "gpt-4o+support@2". A prompt alone is asked of `model`, else of the model it names,
    else of the base model; a model alone with `prompt`. Raises NotFound, ModelNotFound and InvalidInput."""
    named, plus, reference = text.rpartition(comparing.PLUS)
    if plus:
        return _routed(loop, Side(name=text, model=named, prompt=prompts.find(loop.store, reference)))
    try:
        found = prompts.find(loop.store, text)
    except (NotFound, InvalidInput) as error:
        if "@" in text:
            raise
        kept = prompts.find(loop.store, prompt) if prompt else None
        return _routed(loop, Side(name=text, model=text, prompt=kept), error)
    return _routed(loop, Side(name=text, model=model or found.model or loop.settings.base_model, prompt=found))


def of_rows(loop: Loop, dataset: Dataset, split: Split, most: int, values: Mapping[str, Json]) -> list[Case]:
    """The first rows of a data set's split as cases. Raises InvalidInput when there are none."""
    return [
        Case(
            messages=row.messages[:-1],
            values=values,
            tools=row.tools,
            reference=calls.text_of(row.messages[-1]),
        )
        for row in comparing.held_out(loop, dataset, split, most)
    ]


def of_input(text: str | None, values: Mapping[str, Json]) -> Case:
    """One case: a user's message, or values alone."""
    return Case(messages=[] if text is None else [{"role": "user", "content": text}], values=values)


def check(sides: Sequence[Side], cases: Sequence[Case]) -> None:
    """Raises InvalidInput for what a side cannot be asked, and for a value that none has a place for."""
    for one in sides:
        for case in cases:
            if not _messages(one, case):
                raise InvalidInput(f"there is nothing to ask {one.name!r}: give --input, --set or --on", param="input")
    known = {name for one in sides if one.prompt for name in prompts.variables(one.prompt)}
    for name in next((case.values for case in cases), {}):
        if name not in known:
            raise InvalidInput(f"no side has a variable {name!r}; they have {sorted(known)}", param=name)


async def ask(loop: Loop, sides: Sequence[Side], cases: Sequence[Case], max_tokens: int, tell: OnAnswer) -> None:
    """Ask every side every case, one call at a time so that none slows another down. A call that fails is an Answer
    with its error. `max_tokens` holds where a prompt sets no limit."""
    catalog = loop.routes.catalog()
    async with Asker(loop.routes) as asker:
        for one in sides:
            if cases and (one.model in catalog.base or one.model in catalog.tuned):
                await _answer(loop, asker, one, cases[0], 1)  # what starts now must not be measured
        for number, case in enumerate(cases):
            for place, one in enumerate(sides):
                tell(number, place, await _answer(loop, asker, one, case, max_tokens))


async def _answer(loop: Loop, asker: Asker, one: Side, case: Case, max_tokens: int) -> Answer:
    brought = {} if one.prompt is None else prompts.defaults(one.prompt)
    limits = {} if {"max_tokens", "max_completion_tokens"} & brought.keys() else {"max_tokens": max_tokens}
    tools = {"tools": list(case.tools)} if case.tools else {}
    try:
        answer = await asker.answer(one.model, _messages(one, case), {**tools, **limits, **brought})
    except (TuneloopError, OSError) as error:
        return Answer(error=str(error))
    return replace(answer, cost=comparing.price(loop, one.model, answer, (answer.latency_ms or 0.0) / 1000))


def _messages(one: Side, case: Case) -> list[Message]:
    return list(case.messages) if one.prompt is None else prompts.messages(one.prompt, case.messages, case.values)


def _routed(loop: Loop, found: Side, error: TuneloopError | None = None) -> Side:
    target = loop.routes.catalog().aliases.get(found.model, found.model)
    try:
        loop.routes.route(target)
    except NotFound:
        if error is None:
            raise
        raise NotFound(f"{found.name!r} is neither a prompt nor a model that is known here", param="sides") from None
    return replace(found, model=target)
