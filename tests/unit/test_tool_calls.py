"""How calls of tools are written by each family, and read back, in whatever pieces they come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chat_templates import FAMILIES
from tests.unit.test_chat_templates import ASK, TOOL, trained
from tuneloop.tool_calls import HERMES, CallFormat, CallReader, format_of
from tuneloop.types import Message

LLAMA = CallFormat(first='{"name": "', between='", "parameters": ', more=None, last="}")
CALLS = [("lookup", '{"city": "Köln {\\"}\\"}", "days": [1, {"a": null}]}'), ("now", "{}")]


def read(form: CallFormat, *pieces: str) -> list[tuple[str, str]]:
    """What a reader tells of an answer in pieces; what is of one kind and no name is joined."""
    reader = CallReader(form)
    told: list[tuple[str, str]] = []
    for piece in [*(part for text in pieces for part in reader.feed(text)), *reader.close()]:
        if told and told[-1][0] == piece.kind != "name":
            told[-1] = (piece.kind, told[-1][1] + piece.text)
        else:
            told.append((piece.kind, piece.text))
    return told


def write(form: CallFormat, calls: list[tuple[str, str]]) -> str:
    """Calls as text, arguments as they are."""
    text = form.first + calls[0][0] + form.between + calls[0][1]
    for name, arguments in calls[1:]:
        text += f"{form.more}{name}{form.between}{arguments}"
    return (text + form.last).replace("\0", "abcdefghi")


@pytest.mark.parametrize("family", ["Qwen2", "Qwen3", "Llama 3.2", "Mistral", "Gemma", "SmolLM3"])
def test_what_a_family_writes_is_read_back(family: str) -> None:
    chat = trained(FAMILIES[family])
    wanted = CALLS if chat.calls.more is not None else CALLS[:1]
    calls = [
        {"id": "call_012345", "type": "function", "function": {"name": name, "arguments": arguments}}
        for name, arguments in wanted
    ]
    answer: Message = {"role": "assistant", "content": None, "tool_calls": calls}
    prompt = chat.prompt_text([ASK], [TOOL])
    written = chat.prompt_text([ASK, answer], [TOOL])[len(prompt) :].replace("<think>\n\n</think>\n\n", "")
    assert [part for part in read(chat.calls, written) if part[0] != "content"] == [
        part for name, arguments in wanted for part in (("name", name), ("arguments", arguments))
    ]


@given(st.data())
def test_an_answer_is_read_alike_in_any_pieces(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from([HERMES, trained(FAMILIES["Mistral"]).calls]))
    said = data.draw(st.sampled_from(["", "Let me look. ", "a < b <tool", " <b>\n\n"]))
    calls = data.draw(st.sampled_from([[], CALLS[:1], CALLS]))
    text = said + (write(form, calls) if calls else "")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    bounds = [0, *cuts, len(text)]
    told = read(form, *(text[a:b] for a, b in zip(bounds, bounds[1:], strict=False)))
    content = said.rstrip() if calls else said
    assert told == [("content", content)] * bool(content) + [
        part for name, arguments in calls for part in (("name", name), ("arguments", arguments))
    ]


@pytest.mark.parametrize("text", ["<tool_call> is a tag " + "x" * 300, '<tool_call>\n{"nome": "x"}', "no <tool_"])
def test_what_begins_like_a_call_and_is_none_is_content(text: str) -> None:
    assert read(HERMES, *text) == [("content", text)]


def test_calls_without_an_opening_word_stand_at_the_start() -> None:
    call = write(LLAMA, CALLS[:1])
    assert read(LLAMA, *call) == [("name", "lookup"), ("arguments", CALLS[0][1])]
    assert read(LLAMA, "Yes: ", call) == [("content", "Yes: " + call)]
    assert read(LLAMA, '{"x": 1}') == [("content", '{"x": 1}')]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("I call probe_name with probe_key=probe_value", None),
        ("probe_name probe_name " + '{"probe_key": "probe_value"}', None),
    ],
)
def test_a_format_that_cannot_be_told_is_none(one: str, two: str | None) -> None:
    assert format_of(one, two) is None


def test_a_template_whose_calls_cannot_be_read_gets_them_as_text() -> None:
    source = (
        "{% for m in messages %}{{ m.role }}:{{ m.content }}{% for c in m.tool_calls or [] %}"
        "<{{ c.function.name }}>{% for k, v in c.function.arguments.items() %}{{ k }}={{ v }}{% endfor %}{% endfor %}"
        "<|im_end|>{% endfor %}{% for t in tools or [] %}{{ t.function.name }}{% endfor %}"
    )
    chat = trained(source)
    call: dict[str, Any] = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    text = chat.prompt_text([ASK, {"role": "assistant", "content": "Well.", "tool_calls": [call]}], [TOOL])
    assert chat.calls is HERMES
    assert 'assistant:Well.\n<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>' in text
    assert "You are provided with function signatures within <tools></tools>" in text
