"""Training rows as OpenAI's chat JSON Lines have them: read, checked, and complained of by line.

No tokenizer is needed, so that an upload can be checked at once. Example N in a message is line N of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson

from tuneloop.errors import InvalidData
from tuneloop.types import Json, Message, Tool

FilePurpose = Literal["training_file", "validation_file"]

#: OpenAI takes no training file with fewer rows
MIN_EXAMPLES = 10

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of a training file, checked: messages whose last is the assistant's."""

    #: line in the file, counted from 1
    line: int
    messages: Sequence[Message]
    tools: Sequence[Tool] = ()
    #: multiplies the weights of the row's messages
    weight: float = 1.0


def read_examples(path: Path, param: FilePurpose = "training_file") -> Iterator[Row]:
    """The rows of a file, one at a time. Raises InvalidData that names the line, or says that there are too few."""
    with path.open("rb") as lines:
        yield from parse_examples(lines, param, path.name)


def parse_examples(
    lines: Iterable[bytes], param: FilePurpose = "training_file", filename: str = "file"
) -> Iterator[Row]:
    """The rows in `lines` of bytes; blank lines, a byte order mark and CRLF are passed over. Raises InvalidData."""
    count = 0
    for number, line in enumerate(lines, start=1):
        text = (line.removeprefix(_BOM) if number == 1 else line).strip()
        if text:
            try:
                yield _row(text, number, filename)
            except InvalidData as error:
                error.param, error.code = param, f"invalid_{param}"
                raise
            count += 1
    least = MIN_EXAMPLES if param == "training_file" else 1
    if count < least:
        kind = "Training" if param == "training_file" else "Validation"
        message = f"{kind} file has {count} example(s), but must have at least {least} examples"
        raise InvalidData(message, param=param, code="invalid_n_examples")


def _row(text: bytes, number: int, filename: str) -> Row:
    where = f"Invalid file format. Example {number}"
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidData(f"{where}: not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise InvalidData(f"{where}: expected a JSON object, not {type(value).__name__}")
    messages = _messages(value, where, filename)
    if not isinstance(messages, list) or not messages:
        raise InvalidData(f"{where}: 'messages' must be a list with at least one message")
    for index, message in enumerate(messages, start=1):
        _check_message(message, f"{where}, message {index}")
    if messages[-1]["role"] != "assistant":
        raise InvalidData(f"{where}, message {len(messages)}: the last message must be from the assistant")
    if len(messages) == 1:
        raise InvalidData(f"{where}: there is no message before the assistant's")
    tools = _list_of_objects(value, "tools", where)
    return Row(line=number, messages=messages, tools=tools, weight=_weight(value, where, most=float("inf")))


def _messages(value: Mapping[str, Json], where: str, filename: str) -> Json:
    if "messages" in value:
        return value["messages"]
    if "preferred_output" in value or "non_preferred_output" in value:
        raise InvalidData(
            f"Input file {filename} is in the fine-tune-preference format, but the specified fine-tuning job is not "
            "using 'dpo' as the training method (provided method=supervised)."
        )
    prompt, completion = value.get("prompt"), value.get("completion")
    if isinstance(prompt, str) and isinstance(completion, str):
        # The old format asked for a space before and a stop sequence after: both belong to raw completions only.
        return [{"role": "user", "content": prompt.strip()}, {"role": "assistant", "content": completion.strip()}]
    raise InvalidData(f"{where}: unexpected file format, expected either prompt/completion pairs or chat messages.")


def _check_message(message: Json, where: str) -> None:
    if not isinstance(message, dict):
        raise InvalidData(f"{where}: expected an object, not {type(message).__name__}")
    role = message.get("role")
    if role is None:
        raise InvalidData(f"{where}: 'role' is missing")
    if not isinstance(role, str) or role not in _ROLES:
        raise InvalidData(f"{where}: unknown role {role!r}, expected one of {', '.join(sorted(_ROLES))}")
    _check_content(message, where)
    for call in _list_of_objects(message, "tool_calls", where):
        function = call.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise InvalidData(f"{where}: each of 'tool_calls' needs a 'function' with a 'name'")
    if "weight" in message and role != "assistant":
        raise InvalidData(f"{where}: only an assistant's message may have a 'weight'")
    _weight(message, where, most=1.0)


def _check_content(message: Message, where: str) -> None:
    content = message.get("content")
    if content is None:
        if message["role"] == "assistant" and (message.get("tool_calls") or message.get("function_call")):
            return
        raise InvalidData(f"{where}: 'content' is missing")
    if isinstance(content, str):
        return
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise InvalidData(f"{where}: 'content' must be text or a list of content parts")
    for part in content:
        if part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise InvalidData(f"{where}: content part {part.get('type')!r} is not supported, only 'text' is")


def _list_of_objects(value: Mapping[str, Json], key: str, where: str) -> list[Json]:
    items = value.get(key)
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InvalidData(f"{where}: {key!r} must be a list of objects")
    return items


def _weight(value: Mapping[str, Json], where: str, most: float) -> float:
    weight = value.get("weight", 1.0)
    if weight is None:
        return 1.0
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight <= most:
        limit = f"between 0 and {most:g}" if most < float("inf") else "that is not negative"
        raise InvalidData(f"{where}: 'weight' must be a number {limit}, not {weight!r}")
    return float(weight)
