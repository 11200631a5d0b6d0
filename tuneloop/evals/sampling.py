"""Sampling: what a model is asked for a row, and its answer as output items have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from tuneloop import fields
from tuneloop.calls import content_text
from tuneloop.errors import InvalidInput
from tuneloop.evals.rows import Row
from tuneloop.graders import complete, prompts, sample_of, templates
from tuneloop.graders.fields import number
from tuneloop.graders.judges import usage_of
from tuneloop.types import Json, Message

_PARAM = "data_source"
#: what is sampled with where the run does not say, as with OpenAI; always sent, so that what is shown is what was
DEFAULTS: Mapping[str, Json] = {"seed": 42, "temperature": 1.0, "top_p": 1.0, "max_completion_tokens": 2048}
_NO_ERROR: Mapping[str, str] = {"code": "", "message": ""}
_MOST_TOKENS = 2**31


def check(data_source: Mapping[str, Any]) -> str:
    """The model a run samples, "" when the answers are in its data. Raises InvalidInput."""
    model, asked = data_source.get("model"), data_source.get("input_messages")
    parameters(data_source)
    if data_source["type"] == "jsonl":
        return ""
    if asked is not None:
        _check_messages(asked, f"{_PARAM}.input_messages")
        return fields.text({f"{_PARAM}.model": model}, f"{_PARAM}.model")
    if model is None:
        return ""
    if data_source["source"]["type"] in ("file_content", "file_id"):
        message = f"Missing required parameter: '{_PARAM}.input_messages': what is {model!r} to be asked?"
        raise InvalidInput(message, param=f"{_PARAM}.input_messages", code="missing_required_parameter")
    return fields.text({f"{_PARAM}.model": model}, f"{_PARAM}.model")


def parameters(data_source: Mapping[str, Any]) -> dict[str, Json]:
    """The sampling parameters as a chat request has them. Raises InvalidInput."""
    where = f"{_PARAM}.sampling_params"
    given = _object(data_source.get("sampling_params"), where)
    found: dict[str, Json] = {}
    for name, high in (("temperature", 2), ("top_p", 1)):
        if given.get(name) is not None:
            found[name] = number(given[name], f"{where}.{name}", 0, high)
    for name in ("max_completion_tokens", "max_completions_tokens"):  # OpenAI's examples have both
        if given.get(name) is not None:
            param = f"{where}.{name}"
            found["max_completion_tokens"] = fields.whole({param: given[name]}, param, 1, _MOST_TOKENS)
    if given.get("seed") is not None:
        found["seed"] = fields.whole({f"{where}.seed": given["seed"]}, f"{where}.seed", -(2**63), 2**63 - 1)
    if given.get("reasoning_effort") is not None:
        found["reasoning_effort"] = fields.text(
            {f"{where}.reasoning_effort": given["reasoning_effort"]}, f"{where}.reasoning_effort"
        )
    return {**DEFAULTS, **found, **_format(given, where), **_tools(given, where)}


def request(model: str, data_source: Mapping[str, Any], row: Row) -> dict[str, Json]:
    """The chat request for a row. Raises GradingFailed where a template finds no value."""
    return {"model": model, "messages": _messages(data_source, row), **parameters(data_source)}


def sampled(body: Mapping[str, Any], answer: Mapping[str, Any]) -> tuple[dict[str, Json], dict[str, Json]]:
    """What graders see of an answer, and what the output item shows of it."""
    choice = answer["choices"][0]
    seen = {**sample_of(choice["message"], choice.get("finish_reason")), "model": answer.get("model") or body["model"]}
    shown = {
        "model": str(seen["model"]),
        "input": [_shown(message) for message in body["messages"]],
        "output": [_shown(choice["message"])],
        "finish_reason": str(choice.get("finish_reason") or ""),
        "usage": usage_of(answer).tokens,
        "error": _NO_ERROR,
    }
    return seen, {**shown, **{name: body[name] for name in DEFAULTS}}


def given(row: Row) -> tuple[dict[str, Json], dict[str, Json]]:
    """The same of an answer that is in the data; without one there is no `sample` for templates."""
    if row.sample is None:
        return {}, empty("")
    seen = complete(row.sample)
    choice = _first(seen.get("choices"))
    message = choice.get("message")
    asked = [dict(one) for one in seen.get("input") or () if isinstance(one, Mapping)]
    shown = empty(seen["model"] if isinstance(seen.get("model"), str) else "", asked)
    shown["output"] = [_shown(message)] if isinstance(message, Mapping) else []
    shown["finish_reason"] = str(choice.get("finish_reason") or "")
    if isinstance(seen.get("usage"), Mapping):
        shown["usage"] = usage_of(seen).tokens
    return seen, shown


def empty(model: str, messages: Sequence[Message] = (), error: Mapping[str, Json] = _NO_ERROR) -> dict[str, Json]:
    """What an output item shows where there is no answer."""
    shown = {"model": model, "input": [_shown(message) for message in messages], "output": []}
    return {**shown, "finish_reason": "", "usage": usage_of({}).tokens, "error": error, **DEFAULTS}


def _check_messages(asked: Json, param: str) -> None:
    holder: dict[str, Any] = fields.typed(asked, dict, param)
    kind = fields.one_of({f"{param}.type": holder.get("type")}, f"{param}.type", ("template", "item_reference"))
    if kind == "template":
        prompts.check(holder, "template", param)
        return
    where = f"{param}.item_reference"
    reference = fields.text({where: holder.get("item_reference")}, where)
    if not reference.startswith("item"):
        raise InvalidInput(f"Invalid '{where}': it must begin with 'item.', not be {reference!r}.", param=where)
    templates.check("{{" + reference + "}}", where)


def _messages(data_source: Mapping[str, Any], row: Row) -> list[Message]:
    asked = data_source.get("input_messages")
    if asked is not None and asked["type"] == "template":
        return prompts.fill(asked["template"], row.item, {})
    reference = "item.input" if asked is None else asked["item_reference"]
    found = templates.look_up(reference, row.item, {})
    if isinstance(found, str):
        return [{"role": "user", "content": found}]
    return [prompts.as_chat(message) for message in found]


def _shown(message: Mapping[str, Any]) -> dict[str, Json]:
    """A message as output items have it: its content as a text."""
    content = message.get("content")
    if not isinstance(content, str | None):
        parts_are_text = isinstance(content, list) and all(isinstance(p, dict) and "text" in p for p in content)
        content = content_text(content) if parts_are_text else orjson.dumps(content).decode()
    return {**message, "role": str(message.get("role", "")), "content": content or ""}


def _first(choices: Json) -> Mapping[str, Any]:
    first = choices[0] if isinstance(choices, list) and choices else {}
    return first if isinstance(first, Mapping) else {}


def _object(value: Json, param: str) -> dict[str, Any]:
    found: dict[str, Any] = {} if value is None else fields.typed(value, dict, param)
    return found


def _format(given: Mapping[str, Any], where: str) -> dict[str, Json]:
    """`response_format` of completions, or `text.format` of responses in its shape."""
    if given.get("response_format") is not None:
        return {"response_format": fields.typed(given["response_format"], dict, f"{where}.response_format")}
    text = _object(given.get("text"), f"{where}.text")
    if text.get("format") is None:
        return {}
    flat: dict[str, Any] = fields.typed(text["format"], dict, f"{where}.text.format")
    if flat.get("type") != "json_schema":
        return {"response_format": flat}
    inner = {name: value for name, value in flat.items() if name != "type"}
    return {"response_format": {"type": "json_schema", "json_schema": inner}}


def _tools(given: Mapping[str, Any], where: str) -> dict[str, Json]:
    """Functions, in the shape of completions or of responses. Raises InvalidInput for other tools."""
    tools: list[Any] = [] if given.get("tools") is None else fields.typed(given["tools"], list, f"{where}.tools")
    shaped: list[dict[str, Json]] = []
    for index, tool in enumerate(tools):
        param = f"{where}.tools[{index}]"
        if fields.typed(tool, dict, param).get("type") != "function":
            raise InvalidInput(f"'{param}' is no function; models here know no other tools.", param=param)
        inner = {name: value for name, value in tool.items() if name != "type"}
        shaped.append(tool if "function" in tool else {"type": "function", "function": inner})
    return {"tools": shaped} if shaped else {}
