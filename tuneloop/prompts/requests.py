"""A call that names a prompt, turned into the call that the prompt makes: of chat or of Responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from tuneloop import fields, items
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.prompt_types import Draft, Prompt
from tuneloop.prompts import versions
from tuneloop.prompts.rendering import around, defaults
from tuneloop.store import Store
from tuneloop.types import Json, Message

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
#: how ids of OpenAI's own prompts begin, as ours do
_OPENAI = "pmpt_"
#: parameters of chat that Responses has too
_IN_RESPONSES = ("temperature", "top_p", "parallel_tool_calls", "top_logprobs", "service_tier")
_LENGTHS = ("max_completion_tokens", "max_tokens")


class Expanded(NamedTuple):
    """A request without `prompt`, and the version it was made with ("support@2")."""

    asked: dict[str, Json]
    prompt: str


def expand(store: Store, asked: Mapping[str, Json], endpoint: str) -> Expanded | None:
    """The request with its `prompt`, `{"id" or "name", "version", "variables"}`, filled in: the prompt's messages
    first, its parameters and model where the request has none.

    None where the request is to go on as it is: it has no such field, or means a prompt that OpenAI keeps. Raises
    InvalidInput and NotFound.
    """
    wanted = asked.get("prompt")
    if not isinstance(wanted, dict) or endpoint not in (CHAT, RESPONSES):
        return None
    try:
        prompt = _find(store, wanted)
    except NotFound:
        if endpoint == RESPONSES and str(wanted.get("id")).startswith(_OPENAI):
            return None
        raise
    values = {} if wanted.get("variables") is None else fields.typed(wanted["variables"], dict, "prompt.variables")
    own = {name: value for name, value in asked.items() if name != "prompt"}
    fill = _chat if endpoint == CHAT else _response
    made = fill(prompt, own, values)
    if not made.get("model"):
        if prompt.model is None:
            raise InvalidInput(
                f"prompt {prompt.reference} names no model: give 'model' in the call, or save the prompt with one.",
                param="model",
                code="missing_required_parameter",
            )
        made["model"] = prompt.model
    return Expanded(made, prompt.reference)


def _find(store: Store, wanted: Mapping[str, Json]) -> Prompt:
    key = "id" if wanted.get("id") is not None else "name"
    named = fields.text({f"prompt.{key}": wanted.get(key)}, f"prompt.{key}")
    version = wanted.get("version")
    if version is None:
        return versions.find(store, named, param=f"prompt.{key}")
    if isinstance(version, bool) or not isinstance(version, str | int):
        raise InvalidInput("Invalid type for 'prompt.version': expected a string.", param="prompt.version")
    by_id = store.prompts.find(named) if named.startswith(_OPENAI) else None
    name = by_id.name if by_id else versions.reference(named, f"prompt.{key}").name
    return versions.find(store, f"{name}@{version}", param="prompt.version")


def _chat(prompt: Prompt, own: dict[str, Json], values: Mapping[str, Json]) -> dict[str, Json]:
    messages = _listed(own.get("messages"), "messages")
    made = _with_defaults(own, defaults(prompt))
    return {**made, "messages": around(prompt, messages, values, param="prompt.variables")}


def _response(prompt: Prompt, own: dict[str, Json], values: Mapping[str, Json]) -> dict[str, Json]:
    given = items.listed(own.get("input"))
    asked = _with_defaults(own, _defaults_of_responses(prompt))
    as_items = replace(prompt, messages=[_item(message, prompt) for message in prompt.messages])
    return {**asked, "input": around(as_items, given, values, param="prompt.variables")}


def _with_defaults(own: Mapping[str, Json], brought: Mapping[str, Json]) -> dict[str, Json]:
    """The request's own fields, and the prompt's where it has none (or null)."""
    has = {name: value for name, value in own.items() if value is not None or name not in brought}
    if any(own.get(name) is not None for name in _LENGTHS):  # two names of one thing
        brought = {name: value for name, value in brought.items() if name not in _LENGTHS}
    return {**brought, **has}


def _defaults_of_responses(prompt: Draft) -> dict[str, Json]:
    """What of a prompt's fields the Responses API has, under its names."""
    known = defaults(prompt)
    made = {name: known[name] for name in _IN_RESPONSES if name in known}
    for name in reversed(_LENGTHS):
        if name in known:
            made["max_output_tokens"] = known[name]
    if "reasoning_effort" in known:
        made["reasoning"] = {"effort": known["reasoning_effort"]}
    if "tools" in known:
        made["tools"] = [_flat(tool, "function") for tool in known["tools"]]
    if "tool_choice" in known:
        made["tool_choice"] = _flat(known["tool_choice"], "function")
    if "response_format" in known:
        made["text"] = {"format": _flat(known["response_format"], "json_schema")}
    return made


def _flat(given: Json, inner: str) -> Json:
    """`{"type", inner: {...}}` of chat as Responses has it: all on one level."""
    if not isinstance(given, dict) or not isinstance(given.get(inner), dict):
        return given
    return {**{name: value for name, value in given.items() if name != inner}, **given[inner]}


def _item(message: Message, prompt: Prompt) -> Message:
    """A message of the template as an item of Responses. Raises InvalidInput for what that has not."""
    if message["role"] in ("tool", "function") or message.get("tool_calls") or message.get("function_call"):
        raise InvalidInput(
            f"prompt {prompt.reference} has calls of tools among its messages: ask /v1/chat/completions.",
            param="prompt",
        )
    content = message.get("content")
    if isinstance(content, list):
        content = [_part(part, "output" if message["role"] == "assistant" else "input") for part in content]
    return {"role": message["role"], "content": content}


def _part(part: Mapping[str, Any], way: str) -> dict[str, Json]:
    if part.get("type") == "text":
        return {"type": f"{way}_text", "text": part["text"]}
    if part.get("type") == "image_url" and isinstance(part.get("image_url"), dict):
        return {"type": "input_image", "image_url": part["image_url"].get("url"), "detail": "auto"}
    return dict(part)


def _listed(given: Json, name: str) -> Sequence[Message]:
    """The request's own messages, which it need not have; what is in them is the engine's to judge."""
    own: list[Any] = [] if given is None else fields.typed(given, list, name)
    for number, message in enumerate(own):
        fields.typed(message, dict, f"{name}[{number}]")
    return own
