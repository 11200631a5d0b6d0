"""A sheet: what is laid out in the web page's playground. Two sides, and what both are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tuneloop import calls, prompts
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.prompt_types import Draft, Prompt
from tuneloop.prompts import starters
from tuneloop.prompts.rendering import INSTRUCTIONS
from tuneloop.store import Store
from tuneloop.types import Example, Json, Log, Message, Tool

#: what a starter of the library is called among prompts: "starter:guard", "starter:guard:short"
STARTER = "starter:"
#: who the calls are by, in their logs
USER = "playground"


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """One side: a model, and what it is told."""

    model: str = ""
    #: what was laid out last: a version ("support@2"), a starter, or nothing
    loaded: str = ""
    draft: Draft = field(default_factory=lambda: Draft(name="", messages=[]))
    #: what it answered last, as `streams.Heard` has it
    answer: Mapping[str, Json] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """Two sides, and what both are asked."""

    sides: tuple[Setup, Setup] = (Setup(), Setup())
    #: whether the second side is there
    both: bool = True
    #: the conversation, without instructions
    messages: Sequence[Message] = ({"role": "user", "content": ""},)
    values: Mapping[str, str] = field(default_factory=dict)
    tools: Sequence[Tool] = ()
    #: the answer as it was or should be, where that is known
    reference: str | None = None
    #: where the conversation is from: "log:ID", "dataset:NAME:NUMBER" or nothing
    source: str = ""


def write(sheet: Sheet) -> dict[str, Json]:
    """A sheet as JSON."""
    return asdict(sheet)


def read(content: Mapping[str, Any]) -> Sheet:
    """A sheet from what `write` made of it. Raises InvalidInput for what an older or newer version has written."""
    try:
        sides = [Setup(**{**one, "draft": Draft(**one["draft"])}) for one in content["sides"]]
        return Sheet(**{**content, "sides": (sides[0], sides[1])})
    except (TypeError, KeyError, IndexError) as error:
        raise InvalidInput(f"this sheet was written by another version of Tuneloop: {error}", param="sheet") from error


def with_side(sheet: Sheet, place: int, **fields: Any) -> Sheet:
    """The sheet with one side changed."""
    first, second = (replace(one, **fields) if number == place else one for number, one in enumerate(sheet.sides))
    return replace(sheet, sides=(first, second))


def load(store: Store, named: str) -> Draft:
    """The prompt or starter of a name, "" for none. Raises NotFound and InvalidInput."""
    if not named:
        return Draft(name="", messages=[])
    if named.startswith(STARTER):
        name, _, length = named.removeprefix(STARTER).partition(":")
        return starters.draft(starters.load(name), name, short=length == "short", values={})
    found = prompts.find(store, named)
    return Draft(**{name: getattr(found, name) for name in Draft.__dataclass_fields__})


def with_log(sheet: Sheet, log: Log) -> Sheet:
    """The sheet with what a logged call asked: its instructions on each side without any, its model on a first side
    without one. Raises InvalidInput for a call that is no conversation."""
    request = calls.parse(log.request)
    messages, tools = calls.conversation(request if isinstance(request, dict) else {})
    if not messages or log.endpoint.endswith("/embeddings"):
        raise InvalidInput(f"the call {log.id} is no conversation: it went to {log.endpoint}", param="log")
    made = _asking(sheet, messages, tools)
    if not made.sides[0].model:
        made = with_side(made, 0, model=log.model)
    return replace(made, reference=log.output_text or None, source=f"log:{log.id}")


def with_row(sheet: Sheet, name: str, number: int, row: Example) -> Sheet:
    """The sheet with what a row of a data set asks; `number` is its place there."""
    made = _asking(sheet, row.messages[:-1], row.tools)
    return replace(made, reference=calls.text_of(row.messages[-1]) or None, source=f"dataset:{name}:{number}")


def names(sheet: Sheet) -> list[str]:
    """The variables that need a value, in the order of their first place."""
    found = [name for side in shown(sheet) for name in _variables(side.draft)]
    given = {prompts.INPUT} if any(one.get("role") == "user" for one in sheet.messages) else set()
    return [name for name in dict.fromkeys(found) if name not in given]


def shown(sheet: Sheet) -> Sequence[Setup]:
    """The sides that are there."""
    return sheet.sides if sheet.both else sheet.sides[:1]


def request(store: Store, sheet: Sheet, place: int) -> dict[str, Json]:
    """The chat request of one side, streamed. A version of a prompt that is as it was saved is named, so that the log
    knows it. Raises InvalidInput."""
    side = sheet.sides[place]
    if not side.model:
        raise InvalidInput("Choose a model.", param="model")
    wanted = _variables(side.draft)
    values = {name: value for name, value in sheet.values.items() if name in wanted and value}
    row = [message for message in sheet.messages if _says_something(message)]
    for name in names(sheet):
        if name in wanted and name not in values:
            raise InvalidInput(f"Give a value for {{{{{name}}}}}.", param=name)
    if prompts.INPUT in wanted and prompts.INPUT not in values and not _has_question(sheet):
        raise InvalidInput("There is nothing to ask: write what the user says.", param="messages")
    body: dict[str, Json] = {"model": side.model, "tools": list(sheet.tools)} if sheet.tools else {"model": side.model}
    saved = as_saved(store, side)
    if saved is not None:
        named = {"name": saved.name, "version": str(saved.version), "variables": values}
        body |= {"prompt": named, "messages": row}
    else:
        body |= {"messages": prompts.messages(_prompt(side.draft), row, values), **prompts.defaults(side.draft)}
        if not body["messages"]:
            raise InvalidInput("There is nothing to ask: write a message.", param="messages")
    return {**body, "user": USER, "stream": True, "stream_options": {"include_usage": True}}


def as_saved(store: Store, side: Setup) -> Prompt | None:
    """The version that a side shows, if nothing was changed in it since."""
    if not side.loaded or side.loaded.startswith(STARTER):
        return None
    try:
        found = prompts.find(store, side.loaded)
    except (NotFound, InvalidInput):
        return None
    return found if _content(found) == _content(tidy(side.draft)) else None


def tidy(draft: Draft) -> Draft:
    """A draft without messages that say nothing."""
    return replace(draft, messages=[message for message in draft.messages if _says_something(message)])


def diff(store: Store, draft: Draft) -> tuple[Prompt | None, str]:
    """The newest version under a draft's name, and what the draft changes in it, as a unified diff."""
    before = store.prompts.version(draft.name)
    if before is None:
        return None, ""
    return before, prompts.diff(before, replace(_prompt(tidy(draft)), name=draft.name, version=before.version + 1))


def _asking(sheet: Sheet, messages: Sequence[Message], tools: Sequence[Tool]) -> Sheet:
    told = [dict(message) for message in messages if message.get("role") in INSTRUCTIONS]
    asked = [dict(message) for message in messages if message.get("role") not in INSTRUCTIONS]
    for place, side in enumerate(sheet.sides):
        sheet = with_side(sheet, place, answer=None)
        if not tidy(side.draft).messages and not side.loaded:
            sheet = with_side(sheet, place, draft=replace(side.draft, messages=told))
    return replace(sheet, messages=asked, tools=list(tools), values={})


def _variables(draft: Draft) -> list[str]:
    """A template that is being written may be broken: it has no variables then."""
    try:
        return prompts.variables(draft)
    except InvalidInput:
        return []


def _has_question(sheet: Sheet) -> bool:
    return any(one.get("role") == "user" and _says_something(one) for one in sheet.messages)


def _says_something(message: Message) -> bool:
    content = message.get("content")
    return bool(content.strip() if isinstance(content, str) else content) or bool(message.get("tool_calls"))


def _prompt(draft: Draft) -> Prompt:
    fields = asdict(tidy(draft))
    return Prompt(**{**fields, "name": draft.name or "draft"}, id="", version=1, created_at=0.0)


def _content(draft: Draft) -> list[Any]:
    return [list(draft.messages), dict(draft.parameters), list(draft.tools), draft.response_format]
