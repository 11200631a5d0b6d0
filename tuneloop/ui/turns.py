"""A conversation as it is read: who said what, which tools were called, what they gave back.

It is read leniently from whatever a request or an answer holds (chat, Responses, completions, embeddings): what is of
a kind nobody knows is shown as the JSON that it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tuneloop import calls
from tuneloop.types import Json, Log

Kind = Literal["text", "call", "result", "image", "thought", "refusal", "other"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A piece of what was said."""

    kind: Kind
    #: of a call, its arguments; of an image, its URL; of anything unknown, its JSON
    said: Any = ""
    #: of the tool that was called, or that gave this back
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """What one of them said at a time."""

    role: str
    parts: Sequence[Part]


def asked(log: Log) -> list[Turn]:
    """What went in."""
    request = _mapping(calls.parse(log.request))
    listed = request.get("messages")
    if not isinstance(listed, list):
        given = request.get("input", request.get("prompt"))
        listed = given if isinstance(given, list) and _are_items(given) else _texts(given)
    if isinstance(request.get("instructions"), str):
        listed = [{"role": "system", "content": request["instructions"]}, *listed]
    found = list(_turns(listed))
    return found or ([Turn(role="user", parts=[Part(kind="text", said=log.input_text)])] if log.input_text else [])


def of_messages(messages: Sequence[Json]) -> list[Turn]:
    """The turns of messages as chat has them, such as those of a data set's row."""
    return list(_turns(messages))


def answers(log: Log) -> list[Turn]:
    """What came out: one turn, or several where several were asked for."""
    answer = _mapping(calls.whole(log.response))
    if isinstance(answer.get("output"), list):
        found = [turn for turn in _turns(answer["output"]) if turn.parts]
        return [Turn(role="assistant", parts=[part for turn in found for part in turn.parts])] if found else []
    found = [turn for choice in _listed(answer.get("choices")) for turn in _choice(choice)]
    vectors = [one for one in _listed(answer.get("data")) if _mapping(one).get("object") == "embedding"]
    if vectors and not found:
        return [_turn_of("assistant", f"{len(vectors):,} vectors of numbers; they are in the raw JSON.")]
    return found or ([_turn_of("assistant", log.output_text)] if log.output_text else [])


def tools(log: Log) -> list[tuple[str, Json]]:
    """The tools that were offered: their names, and what they take."""
    request = _mapping(calls.parse(log.request))
    offered = [_mapping(one) for one in [*_listed(request.get("tools")), *_listed(request.get("functions"))]]
    return [(str(_mapping(one.get("function", one)).get("name") or one.get("type")), one) for one in offered if one]


def settings(log: Log) -> list[tuple[str, str]]:
    """The rest of what was asked for: temperature and the like."""
    request = _mapping(calls.parse(log.request))
    plain = {name: value for name, value in request.items() if isinstance(value, bool | int | float | str)}
    kind = _mapping(request.get("response_format") or _mapping(request.get("text")).get("format")).get("type")
    if isinstance(kind, str):
        plain["response_format"] = kind
    left_out = ("model", "stream", "user", "input", "prompt", "instructions")
    return [(name, str(value)[:200]) for name, value in plain.items() if name not in left_out]


def _turns(listed: Sequence[Json]) -> Iterator[Turn]:
    names: dict[str, str] = {}
    for one in listed:
        message = _mapping(one)
        if not message:
            yield Turn(role="user", parts=[Part(kind="text" if isinstance(one, str) else "other", said=one)])
            continue
        for call in _listed(message.get("tool_calls")):
            names[str(_mapping(call).get("id"))] = str(_mapping(_mapping(call).get("function")).get("name"))
        if message.get("type") == "function_call":
            names[str(message.get("call_id"))] = str(message.get("name"))
        yield _item(message, names) if "role" not in message else _message(message, names)


def _message(message: Mapping[str, Json], names: Mapping[str, str]) -> Turn:
    role = str(message["role"])
    if role in ("tool", "function"):
        name = str(message.get("name") or names.get(str(message.get("tool_call_id")), "")) or "a tool"
        return _result(message.get("content"), name)
    return Turn(role=role, parts=list(_parts(message)))


def _parts(message: Mapping[str, Json]) -> Iterator[Part]:
    """What is in a message of chat, or of Responses."""
    thought = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thought, str) and thought:
        yield Part(kind="thought", said=thought)
    content = message.get("content")
    if isinstance(content, str) and content:
        yield Part(kind="text", said=content)
    for piece in _listed(content):
        yield _piece(piece)
    if isinstance(message.get("refusal"), str) and message["refusal"]:
        yield Part(kind="refusal", said=message["refusal"])
    called = [_mapping(call) for call in _listed(message.get("tool_calls"))]
    for function in [_mapping(call.get("function", call.get("custom"))) for call in called]:
        yield _call(function.get("name"), function.get("arguments", function.get("input")))
    if function := _mapping(message.get("function_call")):
        yield _call(function.get("name"), function.get("arguments"))


def _piece(piece: Json) -> Part:
    """A part of a message's content."""
    known = _mapping(piece)
    for kind, name in (("text", "text"), ("refusal", "refusal"), ("image", "image_url")):
        said = _mapping(known.get(name)).get("url") or known.get(name)
        if isinstance(said, str):
            return Part(kind=kind, said=said)  # type: ignore[arg-type]
    return Part(kind="text", said=piece) if isinstance(piece, str) else Part(kind="other", said=piece)


def _item(item: Mapping[str, Json], names: Mapping[str, str]) -> Turn:
    """An item of Responses that is no message."""
    kind = item.get("type")
    if kind == "message":
        return Turn(role="assistant", parts=list(_parts(item)))
    if kind == "function_call":
        return Turn(role="assistant", parts=[_call(item.get("name"), item.get("arguments"))])
    if kind == "function_call_output":
        return _result(item.get("output"), names.get(str(item.get("call_id")), "a tool"))
    if kind == "reasoning":
        told = "\n\n".join(str(_mapping(one).get("text", "")) for one in _listed(item.get("summary")))
        return Turn(role="assistant", parts=[Part(kind="thought", said=told)] if told else [])
    return Turn(role="assistant", parts=[Part(kind="other", said=dict(item))])


def _result(said: Json, name: str) -> Turn:
    return Turn(role="tool", parts=[Part(kind="result", said=calls.content_text(said) or said, name=name)])


def _choice(choice: Json) -> Iterator[Turn]:
    known = _mapping(choice)
    if message := _mapping(known.get("message")):
        yield Turn(role="assistant", parts=list(_parts(message)))
    elif isinstance(known.get("text"), str):
        yield _turn_of("assistant", known["text"])


def _call(name: Json, arguments: Json) -> Part:
    return Part(kind="call", said=arguments if arguments is not None else "", name=str(name or "a tool"))


def _turn_of(role: str, said: str) -> Turn:
    return Turn(role=role, parts=[Part(kind="text", said=said)])


def _are_items(given: Sequence[Json]) -> bool:
    return any(isinstance(one, Mapping) for one in given)


def _texts(given: Json) -> list[Json]:
    """A text, or several to complete or embed, as what the user said."""
    found = [given] if isinstance(given, str) else [one for one in _listed(given) if isinstance(one, str)]
    return [{"role": "user", "content": one} for one in found]


def _listed(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else ()


def _mapping(value: Json) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
