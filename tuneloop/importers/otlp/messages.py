"""Messages as instrumentations write them down -> messages as OpenAI's wire format has them.

Known: OpenAI's own form; GenAI's `parts` (text, tool_call, tool_call_response, uri, blob); OpenInference's `contents`;
the blocks of Anthropic, Bedrock, Gemini and the Vercel AI SDK; LangChain's {"type": "human"}; items of Responses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuneloop.importers.otlp.values import as_text, first, mapping, parsed, text
from tuneloop.types import Json, Message

_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "bot": "assistant", "function": "tool"}
_KNOWN = frozenset({"system", "developer", "user", "assistant", "tool"})
_CALLS = frozenset({"tool_call", "tool_use", "function_call", "server_tool_call"})
_RESULTS = frozenset({"tool_call_response", "tool_result", "function_call_output", "server_tool_call_response"})
#: blocks of Bedrock and Gemini, whose key is their type
_WRAPPED = {
    "message_content": "",  # OpenInference
    "toolUse": "tool_call",
    "functionCall": "tool_call",
    "toolResult": "tool_result",
    "functionResponse": "tool_result",
}


def to_messages(value: Json, role: str = "user") -> list[Message]:
    """The messages that a value holds: one, a list of them (or of lists, as batches are), or a text.

    `role` is that of a message that does not say. What cannot be read is left out.
    """
    found = []
    for item in _flat(parsed(value)):
        if isinstance(item, str):
            found += [{"role": role, "content": item}] if item else []
        elif isinstance(item, dict):
            found += _message(item, role)
    return found


def to_tool_call(value: Json, number: int = 0) -> dict[str, Any] | None:
    """OpenAI's form of a call of a tool, whoever wrote it down; None where it names no function."""
    call = mapping(mapping(value).get("tool_call")) or mapping(value)
    function = call["function"] if isinstance(call.get("function"), dict) else call
    name = text(function, "name", "toolName", "tool_name")
    if name is None:
        return None
    arguments = first(function, "arguments", "args", "input", "parameters")
    identity = text(call, "id", "toolCallId", "tool_call_id", "call_id", "toolUseId") or f"call_{number}"
    called = {"name": name, "arguments": "{}" if arguments is None else as_text(arguments)}
    return {"id": identity, "type": "function", "function": called}


def to_tool(value: Json) -> dict[str, Any] | None:
    """OpenAI's definition of a tool; None where it has no name."""
    tool = mapping(value)
    for wrapper in ("tool", "json_schema"):  # OpenInference
        tool = mapping(tool.get(wrapper)) or tool
    if isinstance(tool.get("function"), dict):
        return {"type": "function", "function": tool["function"]}
    name = text(tool, "name")
    if name is None:
        return None
    schema = first(tool, "parameters", "input_schema", "inputSchema", "parameters_json_schema", "json_schema")
    function: dict[str, Any] = {"name": name}
    if description := text(tool, "description"):
        function["description"] = description
    if schema := mapping(schema):
        function["parameters"] = schema
    return {"type": "function", "function": function}


def _flat(value: Json) -> Iterator[Json]:
    for item in value if isinstance(value, list) else [value]:
        yield from item if isinstance(item, list) else [item]


@dataclass(slots=True)
class _Said:
    """What the parts of one message come to."""

    content: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    results: list[Message] = field(default_factory=list)


def _message(value: Mapping[str, Json], role: str) -> list[Message]:
    value = _unwrapped(value)
    role = _role(value, role)
    said = _said(_parts(value))
    for call in _calls(value):
        if made := to_tool_call(call, len(said.calls)):
            said.calls.append(made)
    if role == "tool" and not said.results:
        identity = text(value, "tool_call_id", "toolCallId", "id") or ""
        return [{"role": "tool", "tool_call_id": identity, "content": _content(said.content) or ""}]
    if said.results and not said.content and not said.calls:
        return said.results
    message: Message = {"role": "assistant" if said.calls else role, "content": _content(said.content)}
    if message["content"] is None and not said.calls:
        message["content"] = ""
    if "role" in value:
        message |= {key: value[key] for key in ("name", "refusal") if isinstance(value.get(key), str)}
    if said.calls:
        message["tool_calls"] = said.calls
    return [*said.results, message]


def _calls(value: Mapping[str, Json]) -> Iterator[Json]:
    """The calls of tools that stand beside the content."""
    yield from _flat(parsed(value.get("tool_calls")))
    if "function_call_name" in value:  # OpenInference
        yield {"name": value["function_call_name"], "arguments": value.get("function_call_arguments_json")}


def _unwrapped(value: Mapping[str, Json]) -> Mapping[str, Json]:
    if isinstance(value.get("message"), dict):  # OpenInference, and a choice
        return dict(value["message"])
    if isinstance(value.get("kwargs"), dict):  # LangChain's own way of writing objects down
        kind = value.get("id")
        return {"type": kind[-1] if isinstance(kind, list) and kind else None, **value["kwargs"]}
    return value


def _role(value: Mapping[str, Json], role: str) -> str:
    named = value.get("role")
    if not isinstance(named, str):
        kind = value.get("type")
        named = kind.lower().removesuffix("chunk").removesuffix("message") if isinstance(kind, str) else ""
        if named not in _ROLES and named not in _KNOWN:
            return role
    named = named.lower()
    return _ROLES.get(named, named)


def _parts(value: Mapping[str, Json]) -> Json:
    kind = str(value.get("type", "")).replace("-", "_")
    if "role" not in value and (kind in _CALLS or kind in _RESULTS):  # an item of OpenAI's Responses
        return [value]
    return first(value, "parts", "contents", "content", "text")


def _said(parts: Json) -> _Said:
    said = _Said()
    for part in parts if isinstance(parts, list) else [parts]:
        if isinstance(part, dict):
            _add(said, _block(part))
        elif part is not None:
            said.content.append({"type": "text", "text": as_text(part)})
    return said


def _block(part: Mapping[str, Json]) -> Mapping[str, Json]:
    for wrapper, kind in _WRAPPED.items():
        if isinstance(inner := part.get(wrapper), dict):
            return {**inner, "type": kind} if kind else inner
    return part


def _add(said: _Said, part: Mapping[str, Json]) -> None:
    kind = str(part.get("type", "text")).replace("-", "_")
    if kind in _CALLS:
        said.calls += [call for call in [to_tool_call(part, len(said.calls))] if call]
    elif kind in _RESULTS:
        said.results.append(_result(part))
    elif kind in ("text", "input_text", "output_text"):
        if (words := text(part, "text", "content")) is not None:
            said.content.append({"type": "text", "text": words})
    elif kind == "refusal":
        said.content.append(dict(part))
    elif url := _image(part, kind):
        said.content.append({"type": "image_url", "image_url": url})


def _result(part: Mapping[str, Json]) -> Message:
    identity = text(part, "id", "tool_use_id", "toolCallId", "tool_call_id", "call_id", "toolUseId") or ""
    content = first(part, "response", "result", "output", "content")
    if isinstance(content, dict) and "value" in content:  # the Vercel AI SDK
        content = content["value"]
    return {"role": "tool", "tool_call_id": identity, "content": "" if content is None else as_text(content)}


def _image(part: Mapping[str, Json], kind: str) -> dict[str, Any] | None:
    """OpenAI's `image_url` of a part that is an image."""
    if isinstance(part.get("image_url"), dict):
        return dict(part["image_url"])
    kinds = f"{kind} {part.get('modality', '')} {text(part, 'mime_type', 'mediaType', 'media_type') or ''}"
    if "image" not in kinds:
        return None
    image = part.get("image")
    source = {**part, **mapping(part.get("source")), **mapping(image), **mapping(mapping(image).get("image"))}
    url = text(source, "image_url", "url", "uri") or (image if isinstance(image, str) else None)
    data = text(source, "data") or (text(source, "content") if kind == "blob" else None)
    if url is None and data is not None:
        url = f"data:{text(source, 'mime_type', 'mediaType', 'media_type') or 'image/png'};base64,{data}"
    return None if url is None else {"url": url}


def _content(parts: Iterable[dict[str, Any]]) -> Json:
    """A text where there is one part and it is text, as messages are mostly written."""
    kept = list(parts)
    if len(kept) == 1 and kept[0]["type"] == "text":
        return kept[0]["text"]
    return kept or None
