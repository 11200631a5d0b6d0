"""Training rows as JSON Lines, in the format of each method: read, checked, and complained of by line.

    supervised  OpenAI's chat format        {"messages": [..., answer], "tools": [...], "weight": 1}
    dpo         OpenAI's preference format  {"input": {"messages": [...], "tools": [...]},
                                             "preferred_output": [answer], "non_preferred_output": [answer]}
    kto         chat with a thumb           {"messages": [..., answer], "tools": [...], "label": true}
    reinforcement  OpenAI's prompts         {"messages": [..., question], "tools": [...], and what graders read}

An answer is an assistant's message; an output may hold more before it, calls of tools and what came of them. `label`
is ours: true is a thumb up, false a thumb down, for the last message. `tools` (or OpenAI's older `functions`) and
`weight` may be left out. In the chat format every assistant's message is learnt, as heavily as its own `weight` and the
row's say; in the next two the answer alone, with the calls before it. Reinforcement writes its answers itself: its rows
end with the user's message, and any other key is `item.KEY` for the grader.

No tokenizer is needed, so that an upload can be checked at once. Example N in a message is line N of the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import orjson

from tuneloop.errors import InvalidData
from tuneloop.examples.messages import checked, tools_of, weight_of
from tuneloop.protocols import Method
from tuneloop.types import Json, Message, Tool

T = TypeVar("T")

FilePurpose = Literal["training_file", "validation_file"]

#: OpenAI takes no training file with fewer rows
MIN_EXAMPLES = 10
#: where its guide says that results start to be good
FEW_EXAMPLES = 50

_BOM = b"\xef\xbb\xbf"
_OLDER_KEYS = {"preferred_completion": "preferred_output", "non_preferred_completion": "non_preferred_output"}
#: OpenAI's names of the formats, and one in its manner
_FORMATS: Mapping[Method, str] = {
    "supervised": "fine-tune-chat",
    "dpo": "fine-tune-preference",
    "kto": "fine-tune-label",
    "reinforcement": "fine-tune-reinforcement",
}
_EXPECTED: Mapping[Method, str] = {
    "supervised": "Unexpected file format, expected either prompt/completion pairs or chat messages.",
    "dpo": "Unexpected file format, expected 'input', 'preferred_output' and 'non_preferred_output'.",
    "kto": "'label' must be true (thumb up) or false (thumb down), beside chat messages.",
    "reinforcement": "Unexpected file format, expected chat messages that end with the user's.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of a training file, checked: messages whose last is the assistant's."""

    #: line in the file, counted from 1
    line: int
    messages: Sequence[Message]
    tools: Sequence[Tool] = ()
    #: multiplies the weights of the row's messages
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PreferenceRow:
    """Two answers to the same messages. Messages and tools of both rows are equal up to the answer, which alone has
    weights that are not 0."""

    line: int
    preferred: Row
    rejected: Row


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledRow:
    """An answer and whether it is a good one. Only the last message of the row has a weight that is not 0."""

    line: int
    row: Row
    #: True is a thumb up, False a thumb down
    label: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptRow:
    """Messages that ask for an answer, the last of them the user's, and what a grader is told beside it."""

    line: int
    messages: Sequence[Message]
    tools: Sequence[Tool] = ()
    #: the whole row, as templates see it under `item`
    item: Mapping[str, Json]


def read_examples(path: Path, param: FilePurpose = "training_file") -> Iterator[Row]:
    """The rows of a file, one at a time. Raises InvalidData that names the line, or says that there are too few."""
    with path.open("rb") as lines:
        yield from parse_examples(lines, param, path.name)


def read_preferences(path: Path, param: FilePurpose = "training_file") -> Iterator[PreferenceRow]:
    """The pairs of a file, one at a time. Raises InvalidData that names the line, or says that there are too few."""
    with path.open("rb") as lines:
        yield from parse_preferences(lines, param, path.name)


def read_labelled(path: Path, param: FilePurpose = "training_file") -> Iterator[LabelledRow]:
    """The labelled rows of a file, one at a time. Raises InvalidData that names the line, or says that there are too
    few, or in a training file none with the one label or the other."""
    with path.open("rb") as lines:
        yield from parse_labelled(lines, param, path.name)


def read_prompts(path: Path, param: FilePurpose = "training_file") -> Iterator[PromptRow]:
    """The prompts of a file, one at a time. Raises InvalidData that names the line, or says that there are too few."""
    with path.open("rb") as lines:
        yield from parse_prompts(lines, param, path.name)


def parse_examples(
    lines: Iterable[bytes], param: FilePurpose = "training_file", filename: str = "file"
) -> Iterator[Row]:
    """The rows in `lines` of bytes; blank lines, a byte order mark and CRLF are passed over. Raises InvalidData."""
    return _parse(lines, param, filename, "supervised", _row)


def parse_preferences(
    lines: Iterable[bytes], param: FilePurpose = "training_file", filename: str = "file"
) -> Iterator[PreferenceRow]:
    """The pairs in `lines`, as `parse_examples` does."""
    return _parse(lines, param, filename, "dpo", _preference)


def parse_labelled(
    lines: Iterable[bytes], param: FilePurpose = "training_file", filename: str = "file"
) -> Iterator[LabelledRow]:
    """The labelled rows in `lines`, as `parse_examples` does."""
    labels: Counter[bool] = Counter()
    for row in _parse(lines, param, filename, "kto", _labelled):
        labels[row.label] += 1
        yield row
    if param == "training_file" and len(labels) < 2:
        raise InvalidData(
            f"Training file has {labels[True]} example(s) with label true and {labels[False]} with label false, "
            "but the method 'kto' needs some of each",
            param=param,
        )


def parse_prompts(
    lines: Iterable[bytes], param: FilePurpose = "training_file", filename: str = "file"
) -> Iterator[PromptRow]:
    """The prompts in `lines`, as `parse_examples` does."""
    return _parse(lines, param, filename, "reinforcement", _prompt)


_PARSERS: Mapping[Method, Callable[[Iterable[bytes], FilePurpose, str], Iterator[Any]]] = {
    "supervised": parse_examples,
    "dpo": parse_preferences,
    "kto": parse_labelled,
    "reinforcement": parse_prompts,
}


def read(path: Path, method: Method, param: FilePurpose, filename: str) -> Iterator[Any]:
    """The rows of a file for a method, one at a time. Raises InvalidData, where it is called `filename`."""
    with path.open("rb") as lines:
        yield from _PARSERS[method](lines, param, filename)


def check(path: Path, method: Method, param: FilePurpose, filename: str) -> int:
    """Read a file to its end and return how many rows it has. Raises InvalidData, where it is called `filename`."""
    return sum(1 for _ in read(path, method, param, filename))


def check_row(value: Mapping[str, Json], method: Method, number: int) -> None:
    """Check one modern row. Raises InvalidData that names it as Example `number`, and the message in it."""
    _READERS[method](value, number)


def expected(method: Method) -> str:
    """What a row for a method should have been, in OpenAI's words."""
    return _EXPECTED[method]


def method_of(row: Mapping[str, Json]) -> Method | None:
    """The method that the format of a modern row is for; None when it is in no known one."""
    if "preferred_output" in row or "non_preferred_output" in row:
        return "dpo"
    if isinstance(row.get("label"), bool):
        return "kto"
    return "supervised" if "messages" in row else None


def modern(row: Mapping[str, Json]) -> Mapping[str, Json]:
    """A row with today's keys in place of those of OpenAI's older formats: messages for prompt and completion,
    `..._output` for `..._completion`."""
    question, answer = row.get("prompt"), row.get("completion")
    if "messages" not in row and isinstance(question, str) and isinstance(answer, str):
        # The old format asked for a space before and a stop sequence after: both belong to raw completions only.
        said = (("user", question), ("assistant", answer))
        messages = [{"role": role, "content": text.strip()} for role, text in said]
        return {"messages": messages, **{key: row[key] for key in row.keys() - {"prompt", "completion"}}}
    return {_OLDER_KEYS.get(key, key): value for key, value in row.items()}


def _parse(
    lines: Iterable[bytes],
    param: FilePurpose,
    filename: str,
    method: Method,
    read: Callable[[Mapping[str, Json], int], T],
) -> Iterator[T]:
    count = 0
    for number, line in enumerate(lines, start=1):
        text = (line.removeprefix(_BOM) if number == 1 else line).strip()
        if text:
            try:
                value = _object(text, number)
                # Any key of a prompt is its owner's.
                value = value if method == "reinforcement" and "messages" in value else modern(value)
                _check_format(value, method, filename, number, first=count == 0)
                row = read(value, number)
            except InvalidData as error:
                error.param, error.code = param, f"invalid_{param}"
                raise
            count += 1
            yield row
    least = MIN_EXAMPLES if param == "training_file" else 1
    if count < least:
        kind = "Training" if param == "training_file" else "Validation"
        message = f"{kind} file has {count} example(s), but must have at least {least} examples"
        raise InvalidData(message, param=param, code="invalid_n_examples")


def _object(text: bytes, number: int) -> Mapping[str, Json]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidData(f"{_where(number)}: not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise InvalidData(f"{_where(number)}: expected a JSON object, not {type(value).__name__}")
    return value


def _where(number: int) -> str:
    return f"Invalid file format. Example {number}"


def _check_format(value: Mapping[str, Json], method: Method, filename: str, number: int, *, first: bool) -> None:
    found = method_of(value)
    if found == method or (method == "reinforcement" and "messages" in value):
        return
    if found is None or (method == "kto" and "label" in value):
        raise InvalidData(f"{_where(number)}: {_EXPECTED[method]}")
    raise InvalidData(
        f"Invalid file format. Input file {filename} is in the {_FORMATS[found]} format, but the specified fine-tuning "
        f"job is not using '{found}' as the training method (provided method={method})."
        + ("" if first else f" Example {number} is such a row, those before it are not.")
    )


def _row(value: Mapping[str, Json], number: int) -> Row:
    where = _where(number)
    messages = checked(value.get("messages"), where)
    if messages[-1]["role"] != "assistant":
        raise InvalidData(f"{where}, message {len(messages)}: the last message must be from the assistant")
    if len(messages) == 1:
        raise InvalidData(f"{where}: there is no message before the assistant's")
    tools = tools_of(value, where)
    return Row(line=number, messages=messages, tools=tools, weight=weight_of(value, where, most=float("inf")))


def _prompt(value: Mapping[str, Json], number: int) -> PromptRow:
    where = _where(number)
    messages = checked(value.get("messages"), where)
    if messages[-1]["role"] != "user":
        raise InvalidData(
            f"{where}, message {len(messages)}: the last message must be from the user: the method 'reinforcement' "
            "writes its answers itself"
        )
    return PromptRow(line=number, messages=messages, tools=tools_of(value, where), item=value)


def _labelled(value: Mapping[str, Json], number: int) -> LabelledRow:
    _check_no_weight(value, "kto", number)
    row = _row(value, number)
    answer = _answer_alone(row.messages[:-1], row.messages[-1:])
    return LabelledRow(line=number, row=Row(line=number, messages=answer, tools=row.tools), label=value["label"])


def _preference(value: Mapping[str, Json], number: int) -> PreferenceRow:
    where, given = _where(number), value.get("input")
    if not isinstance(given, dict):
        raise InvalidData(f"{where}: 'input' must be an object with 'messages'")
    _check_no_weight(value, "dpo", number)
    prompt = checked(given.get("messages"), f"{where}, input")
    tools = tools_of(given, f"{where}, input")
    preferred, rejected = (_output(value, key, where) for key in ("preferred_output", "non_preferred_output"))
    return PreferenceRow(
        line=number,
        preferred=Row(line=number, messages=_answer_alone(prompt, preferred), tools=tools),
        rejected=Row(line=number, messages=_answer_alone(prompt, rejected), tools=tools),
    )


def _output(value: Mapping[str, Json], key: str, where: str) -> list[Message]:
    output = value.get(key)
    if not isinstance(output, list) or not output:
        raise InvalidData(f"{where}: '{key}' must be a list with a message, the assistant's")
    messages = checked(output, f"{where}, {key}")
    for message in messages:
        if message["role"] not in ("assistant", "tool"):
            raise InvalidData(f"{where}: '{key}' holds messages of the assistant, not of {message['role']!r}")
    if messages[-1]["role"] != "assistant":
        raise InvalidData(f"{where}: the last message of '{key}' must be from the assistant")
    return messages


def _answer_alone(prompt: Sequence[Message], answer: Sequence[Message]) -> list[Message]:
    """The messages with weights in the answer only."""
    before = [{**message, "weight": 0} if message["role"] == "assistant" else message for message in prompt]
    return [*before, *({key: value for key, value in message.items() if key != "weight"} for message in answer)]


def _check_no_weight(value: Mapping[str, Json], method: Method, number: int) -> None:
    if value.get("weight") not in (None, 1):
        raise InvalidData(
            f"{_where(number)}: only rows for the method 'supervised' have a 'weight', not for {method!r}"
        )


_READERS: Mapping[Method, Callable[[Mapping[str, Json], int], object]] = {
    "supervised": _row,
    "dpo": _preference,
    "kto": _labelled,
    "reinforcement": _prompt,
}
