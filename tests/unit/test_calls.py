"""What the bytes of a call say: whole answers and streams give the same."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.calls import assemble, content_text, input_text, measure, metadata_of
from tuneloop.gateway.stream import EventStream
from tuneloop.types import Json


def _stream(*events: Json) -> bytes:
    return b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events) + b"data: [DONE]\n\n"


def _delta(delta: dict[str, Json], index: int = 0, finish_reason: str | None = None) -> dict[str, Json]:
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    return {"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def test_a_stream_is_assembled() -> None:
    pieces = [
        _delta({"role": "assistant", "content": ""}),
        _delta({"content": "Hel"}),
        _delta({"content": "other"}, index=1),
        _delta({"content": "lo"}),
        _delta({}, finish_reason="stop"),
        {"id": "c1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
    ]
    answer = assemble(b": a comment\r\n\r\n" + _stream(*pieces))
    assert answer["object"] == "chat.completion"
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["Hello", "other"]
    measured = measure(answer)
    assert (measured.output_text, measured.finish_reason, measured.response_id) == ("Hello", "stop", "c1")
    assert (measured.prompt_tokens, measured.completion_tokens) == (3, 2)


def test_tool_calls_are_assembled_by_index() -> None:
    first = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
    second = {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}}
    more = {"index": 0, "function": {"arguments": '{"x":1}'}}
    answer = assemble(_stream(_delta({"tool_calls": [first, second]}), _delta({"tool_calls": [more]})))
    calls = answer["choices"][0]["message"]["tool_calls"]
    assert [call["function"] for call in calls] == [
        {"name": "f", "arguments": '{"x":1}'},
        {"name": "g", "arguments": "{}"},
    ]
    assert orjson.loads(measure(answer).output_text) == calls


@pytest.mark.parametrize(
    "answer",
    [
        None,
        3,
        [],
        {},
        {"choices": 3},
        {"choices": [3]},
        {"choices": [{"message": 3}]},
        {"usage": {"prompt_tokens": -1}},
    ],
)
def test_nothing_is_read_from_what_is_not_as_expected(answer: Json) -> None:
    measured = measure(answer)
    assert (measured.prompt_tokens, measured.finish_reason, measured.output_text) == (None, None, "")


def test_odd_streams_do_no_harm() -> None:
    odd = [
        3,
        {"choices": [3]},
        _delta({"tool_calls": [3, {"index": 10**9}]}),
        {"choices": [{"index": "x", "text": "t"}]},
    ]
    assert measure(assemble(b"data: {broken\n\n" + _stream(*odd))).finish_reason is None


def test_input_text_is_the_last_users() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}]
    messages = [
        {"role": "user", "content": "first"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": "x"},
    ]
    assert input_text({"messages": messages}) == "a\nb"
    assert input_text({"messages": [{"role": "system", "content": "x"}]}) == ""
    assert input_text({"prompt": "p"}) == "p"
    assert content_text(None) == ""


def test_metadata_becomes_text() -> None:
    assert metadata_of({"metadata": {"a": "b", "n": 1, "o": {"x": None}}}) == {"a": "b", "n": "1", "o": '{"x":null}'}
    assert metadata_of({"metadata": 3}) == {}


@given(st.data())
def test_a_stream_cut_anywhere_goes_through_whole_but_for_its_end(data: st.DataObject) -> None:
    body = _stream(_delta({"content": "data: [DONE]"}), _delta({"content": "[DONE]\n"})).replace(
        b"\n", data.draw(st.sampled_from([b"\n", b"\r\n"]))
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=12)))
    stream = EventStream({}, None)
    bounds = [0, *cuts, len(body)]
    sent = b"".join(stream.feed(body[a:b]) for a, b in zip(bounds, bounds[1:], strict=False))
    assert sent + stream.rest == body
    assert stream.done and stream.rest.startswith(b"data: [DONE]")
