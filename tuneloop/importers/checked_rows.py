"""Rows of a training file, checked as OpenAI checks them: what is refused is named, all of it, and nothing else is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tuneloop import examples
from tuneloop.checks.findings import Finding
from tuneloop.checks.kinds import finding
from tuneloop.checks.rows import Row
from tuneloop.errors import TuneloopError
from tuneloop.examples.messages import NOT_TEXT, checked, complaints, tools_of
from tuneloop.protocols import Method
from tuneloop.types import Json

#: complaints of a row that are shown
_SHOWN = 5
_UNLEARNT = ("user", "system", "developer", "tool", "function")
#: keys that rows of a training file have for Tuneloop's or OpenAI's own use
_KNOWN = frozenset(
    {"messages", "tools", "functions", "weight", "label", "input", "preferred_output", "non_preferred_output", "id"}
)
#: and those that graders do not read
_UNGRADED = _KNOWN | {"parallel_tool_calls", "metadata", "user"}
#: keys of formats that others use -> how the same is written here
_ELSEWHERE = {
    "conversations": "ShareGPT's conversations: write them as 'messages' with 'role' and 'content'",
    "instruction": "Alpaca's instructions: write them as 'messages' of the user and the assistant",
    "chosen": "pairs of TRL's: write 'input', 'preferred_output' and 'non_preferred_output'",
    "contents": "Gemini's contents: write them as 'messages' with 'role' and 'content'",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line of a file, parsed."""

    number: int
    #: "line 3"; "row 3" where rows are not one on each line
    where: str
    #: in bytes
    length: int
    #: None when there is no object in it
    value: dict[str, Json] | None
    faults: tuple[Finding, ...] = ()


def method_of(rows: Sequence[Mapping[str, Json]]) -> Method:
    """The method that most rows of a file are for. They are prompts for reinforcement when all end with the user's
    message and have something for graders beside it; without that, answers are missing."""
    found = Counter(method for row in rows if (method := examples.method_of(examples.modern(row))) is not None)
    method = found.most_common(1)[0][0] if found else "supervised"
    if method == "supervised" and all(_last_role(row) == "user" and row.keys() - _UNGRADED for row in rows):
        return "reinforcement" if rows else method
    return method


def row(line: Line, value: Mapping[str, Json], method: Method) -> Row:
    """The row in a line of a file for a method, or what OpenAI would refuse of it."""
    value = value if method == "reinforcement" else examples.modern(value)
    made = Row(
        number=line.number, id=value["id"] if isinstance(value.get("id"), str) else line.where, faults=line.faults
    )
    if wrong := tuple(_wrong(line.number, value, method)):
        return replace(made, faults=(*line.faults, *wrong))
    given = value["input"] if method == "dpo" else value
    messages = checked(given["messages"], line.where)
    rejected = checked(value["non_preferred_output"], line.where) if method == "dpo" else ()
    if method == "dpo":
        messages += checked(value["preferred_output"], line.where)
    prompt, answer = (messages, None) if method == "reinforcement" else (messages[:-1], messages[-1])
    weighted = method == "supervised" and value.get("weight") is not None
    return replace(
        made,
        messages=prompt,
        answer=answer,
        tools=tools_of(given, line.where),
        ratings=(value["label"],) if method == "kto" else (),
        extra={key: field for key, field in {**given, **value}.items() if key not in _KNOWN},
        weight=float(value["weight"]) if weighted else 1.0,
        rejected=rejected,
    )


def refused(number: int, errors: Sequence[TuneloopError]) -> tuple[Finding, ...]:
    """The findings of a row that is refused for some errors, those that only models here refuse by themselves."""
    found = []
    for code in ("invalid_format", NOT_TEXT):
        said = [error.message for error in errors if (error.code == NOT_TEXT) == (code == NOT_TEXT)]
        if said := list(dict.fromkeys(message.removeprefix("Invalid file format. ") for message in said)):
            more = f" (and {len(said) - _SHOWN} more)" if len(said) > _SHOWN else ""
            found.append(finding(code, number, "; ".join(said[:_SHOWN]) + more, errors=said[:20]))
    return tuple(found)


def _wrong(number: int, value: Mapping[str, Json], method: Method) -> Iterator[Finding]:
    """What OpenAI's validator would refuse, with the message it stands in."""
    where = f"Example {number}"
    own = examples.method_of(value)
    if own != method and not (method == "reinforcement" and "messages" in value):
        yield finding("invalid_format", number, f"{where}: {_misfit(value, own, method)}")
        return
    role = _last_role(value)
    answerless = method in ("supervised", "kto") and role in _UNLEARNT
    if answerless:
        place = f"{where}, message {len(value['messages'])}"
        yield finding("no_answer", number, f"{place}: the last message is the {role}'s, not the assistant's", role=role)
    errors = list(_complaints(value, method, where))
    try:
        examples.check_row(value, method, number)
    except TuneloopError as error:
        if not errors and not answerless:
            errors.append(error)
    yield from refused(number, errors)


def _misfit(value: Mapping[str, Json], own: Method | None, method: Method) -> str:
    """Why a row is not in the format of the others."""
    if own is not None:
        return f"the row is for the method {own!r}, but most rows are for {method!r}"
    hint = next((f"; these look like {hint}" for key, hint in _ELSEWHERE.items() if key in value), "")
    expected = examples.expected(method)
    return f"{expected} It has {', '.join(map(repr, list(value)[:8])) or 'no keys'}{hint}"


def _complaints(value: Mapping[str, Json], method: Method, where: str) -> Iterator[TuneloopError]:
    """What is wrong with each message of a row, and with its tools."""
    given = value.get("input") if method == "dpo" else value
    if not isinstance(given, Mapping):
        return
    yield from complaints(given.get("messages"), f"{where}, input" if method == "dpo" else where)
    if method == "dpo":
        for key in ("preferred_output", "non_preferred_output"):
            yield from complaints(value.get(key), f"{where}, {key}")
    try:
        tools_of(given, where)
    except TuneloopError as error:
        yield error


def _last_role(value: Mapping[str, Json]) -> str | None:
    messages = value.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    role = last.get("role") if isinstance(last, Mapping) else None
    return role if isinstance(role, str) else None
