"""A Draft made of the calls of an application: what it sends every time becomes the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuneloop import calls
from tuneloop.calls import content_text
from tuneloop.errors import InvalidInput
from tuneloop.prompt_types import Draft
from tuneloop.prompts import alignment, templates
from tuneloop.prompts.drafts import check_name, parameters
from tuneloop.prompts.rendering import INPUT, INSTRUCTIONS, each_text, texts
from tuneloop.types import Json, Log, Message

#: logs that are looked at; more say nothing new
MOST_LOGS = 20
_PARAMETERS = (
    *("temperature", "top_p", "max_tokens", "max_completion_tokens", "frequency_penalty", "presence_penalty", "seed"),
    *("stop", "tool_choice", "parallel_tool_calls", "reasoning_effort", "verbosity"),
)


def from_logs(name: str, logs: Sequence[Log], *, keep_input: bool = False, note: str | None = None) -> Draft:
    """The template of one call or of several.

    Its system and developer messages stand as they are, and its last user message becomes {{input}} (with
    `keep_input` it stays as well); what was said between belongs to the conversation, and is left out. Of several
    calls, what differs in the system messages becomes variables, and what every user message has around it stays.
    Model and parameters are those that all have. Raises InvalidInput where no template can be told.
    """
    check_name(name)
    if not logs:
        raise InvalidInput("there is no Log to make a prompt of.", param="logs")
    requests = [_request(log) for log in logs[:MOST_LOGS]]
    talks = [_conversation(request, log) for request, log in zip(requests, logs, strict=False)]
    instructions = _instructions([[one for one in talk if one["role"] in INSTRUCTIONS] for talk in talks])
    asked = [next((one for one in reversed(talk) if one["role"] == "user"), None) for talk in talks]
    tools = [calls.conversation(request)[1] for request in requests]
    made = [*instructions, *_question(asked, keep_input)]
    if not made:
        raise InvalidInput("these Logs have neither instructions nor a user's message.", param="logs")
    return Draft(
        name=name,
        messages=made,
        model=_same([log.model for log in logs]) or None,
        parameters=_parameters(requests),
        tools=_same(tools) or (),
        response_format=_same([request.get("response_format") for request in requests]),
        note=note or _origin(logs),
    )


def _request(log: Log) -> dict[str, Any]:
    request = calls.parse(log.request)
    if not isinstance(request, dict):
        raise InvalidInput(f"the request of {log.id} is no JSON object.", param="logs")
    return request


def _conversation(request: Mapping[str, Json], log: Log) -> list[Message]:
    try:
        messages, _ = calls.conversation(request)
    except InvalidInput as error:
        raise InvalidInput(f"{log.id}: {error.message}", param="logs") from None
    found = [one for one in messages if isinstance(one, dict) and isinstance(one.get("role"), str)]
    if not found:
        raise InvalidInput(f"{log.id} has no messages: it is a call of {log.endpoint}.", param="logs")
    return found


def _instructions(several: Sequence[Sequence[Message]]) -> list[Message]:
    """The system messages of all calls as templates."""
    first = several[0]
    if any([one["role"] for one in talk] != [one["role"] for one in first] for talk in several):
        raise InvalidInput(
            "these Logs do not begin with the same system messages: import one of them, or choose Logs of one prompt.",
            param="logs",
        )
    made: list[Message] = []
    for number, message in enumerate(first):
        if _same([talk[number].get("content") for talk in several]) is not None:
            made += each_text([message], templates.escape)
            continue
        taken = [INPUT, *(name for text in texts(made) for name in templates.variables(text))]
        said = [content_text(talk[number].get("content")) for talk in several]
        made.append({"role": message["role"], "content": alignment.template(said, taken)})
    return made


def _question(asked: Sequence[Message | None], keep: bool) -> list[Message]:
    """The user's message as a template."""
    there = [message for message in asked if message is not None]
    if not there:
        return []
    if keep:
        return each_text(there[:1], templates.escape)
    said = [content_text(message.get("content")) for message in there]
    text = alignment.frame(said, INPUT) if len(set(said)) > 1 else templates.write([templates.Variable(INPUT)])
    return [{"role": "user", "content": text}]


def _parameters(requests: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """Those that every call has alike, under chat's names."""
    known = [_named_as_chat(request) for request in requests]
    shared = {name: _same([request.get(name) for request in known]) for name in _PARAMETERS}
    try:
        return parameters(shared)
    except InvalidInput:  # a call that was wrong brings along nothing
        return {}


def _named_as_chat(request: Mapping[str, Json]) -> Mapping[str, Json]:
    if "max_output_tokens" not in request:
        return request
    return {**request, "max_completion_tokens": request["max_output_tokens"]}


def _same(values: Sequence[Any]) -> Any:
    """The value that all are; None where they differ."""
    return values[0] if all(value == values[0] for value in values) else None


def _origin(logs: Sequence[Log]) -> str:
    return f"from {logs[0].id}" + (f" and {len(logs) - 1} more" if len(logs) > 1 else "")
