"""What people and models wrote, as it is shown: read leniently, and never believed."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from tuneloop.types import Json, Log
from tuneloop.ui import conversation, corrections, turns, writing
from tuneloop.ui.turns import Part, Turn


def log(request: Json = None, response: Json = None, **more: Any) -> Log:
    bodies = [b"" if body is None else json.dumps(body).encode() for body in (request, response)]
    fields = {
        "id": "l",
        "created_at": 1.0,
        "source": "api",
        "endpoint": "/v1/chat/completions",
        "model": "m",
        "status": 200,
    }
    return Log(**{**fields, "request": bodies[0], "response": bodies[1], **more})


def kinds(found: list[Turn]) -> list[tuple[str, list[tuple[str, Any]]]]:
    return [(turn.role, [(part.kind, part.said) for part in turn.parts]) for turn in found]


def tags(markup: str) -> list[tuple[str, dict[str, str]]]:
    """The elements of markup, with their attributes."""
    found: list[tuple[str, dict[str, str]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, {name: value or "" for name, value in attrs}))

    Reader().feed(markup)
    return found


@pytest.mark.parametrize(
    "wrong",
    [
        "<script>alert(1)</script>",
        "[a](javascript:alert(1))",
        "![a](https://elsewhere/x.png)",
        "<img src=x onerror=alert(1)>",
        '{"a": "<img src=x>"}',
        "[a]: javascript:alert(1)\n\n[a]",
        "```<b>\n<script>\n```",
        '[x](https://a/"onclick="alert(1))',
    ],
)
def test_nothing_that_somebody_wrote_is_markup_or_loaded(wrong: str) -> None:
    for made in (writing.written(wrong), writing.plain(wrong)):
        for tag, attributes in tags(made):
            assert tag not in ("script", "img", "iframe", "style", "object", "svg")
            assert not any(name.startswith(("on", "src", "style")) for name in attributes)
            assert attributes.get("href", "https:").startswith("https:")


def test_markdown_and_json_are_shown_as_they_are_meant() -> None:
    made = writing.written("# Title\n\n**bold**\n\n| a |\n|---|\n| 1 |\n\n[more](https://a.example/)")
    assert '<p class="heading">Title</p>' in made and "<strong>bold</strong>" in made and "<td>1</td>" in made
    assert 'rel="noopener noreferrer nofollow" target="_blank"' in made
    assert '<span class="name">&quot;a&quot;</span>: <span class="value">1</span>' in writing.plain('{"a":1}')
    assert writing.as_json("{no") is None and writing.as_json("3") is None and writing.as_json("[" * 90_000) is None
    assert "as-is" in writing.plain("# a *b*") and "\ud800" not in writing.written("# \ud800") + writing.plain("\ud800")


def test_what_is_long_is_folded_and_what_is_endless_cut() -> None:
    assert "fold" not in writing.written("word " * 300)
    assert "Show all 5,000 characters" in writing.written("word " * 1000)
    assert "Show all" in writing.plain("a\n" * 40)
    made = writing.written("x" * (writing.MOST + 5))
    assert "5 characters more" in made and len(made) < writing.MOST + 1000


def test_of_an_endless_conversation_the_last_turns_are_shown() -> None:
    said = [{"role": "user", "content": f"turn {number} " + "x" * 20_000} for number in range(100)]
    made = conversation.markup(turns.asked(log({"messages": said})))
    assert "turn 99 " in made and "turn 0 " not in made and "earlier turns" in made and len(made) < 500_000


def test_a_conversation_with_tools_and_pictures() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "<b>"}'}}
    picture = "data:image/png;base64,AAAA"
    parts = [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": picture}},
        {"type": "image_url", "image_url": {"url": "https://elsewhere/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml,<svg onload=x>"}},
        {"type": "input_audio", "input_audio": {"data": "AA"}},
    ]
    messages = [
        {"role": "developer", "content": "rules"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": '{"seen": 1}'},
        {"role": "assistant", "content": None, "refusal": "no", "function_call": {"name": "old", "arguments": ""}},
        "stray",
        5,
    ]
    made = conversation.markup(turns.asked(log({"messages": messages})))
    assert made.count("<img") == 1 and f'src="{picture}"' in made
    for shown in (
        "Image, not loaded: https://elsewhere/a.png",
        "Instructions",
        "Calls <code>look</code>",
        "&lt;b&gt;",
        "Result of <code>look</code>",
        "What it thought",
        "Refused",
        "Calls <code>old</code>",
        "stray",
        "input_audio",
    ):
        assert shown in made


def test_what_is_asked_in_other_ways() -> None:
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "function_call", "call_id": "k", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "k", "output": [{"type": "input_text", "text": "ok"}]},
    ]
    assert kinds(turns.asked(log({"instructions": "be", "input": items}))) == [
        ("system", [("text", "be")]),
        ("user", [("text", "hi")]),
        ("assistant", [("call", "{}")]),
        ("tool", [("result", "ok")]),
    ]
    assert kinds(turns.asked(log({"input": "one"}))) == [("user", [("text", "one")])]
    assert kinds(turns.asked(log({"input": ["one", "two"]}))) == [
        ("user", [("text", "one")]),
        ("user", [("text", "two")]),
    ]
    assert kinds(turns.asked(log({"prompt": "once"}))) == [("user", [("text", "once")])]
    assert kinds(turns.asked(log(input_text="only this"))) == [("user", [("text", "only this")])]
    assert turns.asked(log([1, 2])) == []


def test_what_is_answered_in_other_ways() -> None:
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "web_search_call", "id": "w"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "yes"}]},
    ]
    (turn,) = turns.answers(log({}, {"object": "response", "output": output}))
    assert [part.kind for part in turn.parts] == ["thought", "other", "text"]
    two = {"choices": [{"message": {"role": "assistant", "content": "a"}}, {"text": "b"}, "c"]}
    assert kinds(turns.answers(log({}, two))) == [("assistant", [("text", "a")]), ("assistant", [("text", "b")])]
    vectors = {"object": "list", "data": [{"object": "embedding", "embedding": [1]}] * 3}
    assert "3 vectors" in conversation.said(turns.answers(log({}, vectors))[0])
    pieces = [{"choices": [{"index": 0, "delta": {"content": said}}]} for said in ("Hel", "lo")]
    stream = b"".join(b"data: " + json.dumps(piece).encode() + b"\n\n" for piece in pieces)
    assert kinds(turns.answers(replace(log(), response=stream))) == [("assistant", [("text", "Hello")])]
    assert kinds(turns.answers(log(output_text="only this"))) == [("assistant", [("text", "only this")])]
    assert turns.answers(log()) == []


def test_tools_and_settings() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}, {"type": "web_search"}, 3]
    request = {
        "model": "m",
        "temperature": 0.5,
        "tools": tools,
        "response_format": {"type": "json_schema"},
        "user": "x",
    }
    assert [name for name, _ in turns.tools(log(request))] == ["f", "web_search"]
    assert turns.settings(log(request)) == [("temperature", "0.5"), ("response_format", "json_schema")]
    assert "Tools it could call: f, web_search" in conversation.offered(turns.tools(log(request)))
    assert conversation.offered([]) == ""


@pytest.mark.parametrize(
    ("said", "right", "marks"),
    [
        ("opens at ten", "opens at nine", "opens at <del>ten</del><ins>nine</ins>"),
        ("abc", "abcd", "<del>abc</del><ins>abcd</ins>"),
        ("", "new", "<ins>new</ins>"),
        ("a b", "a b", "a b"),
        ("one <b>", "two <b>", "<del>one</del><ins>two</ins> &lt;b&gt;"),
        ("a " * 600 + "end", "a " * 600 + "fin", "a " * 600 + "<del>end</del><ins>fin</ins>"),
        ("x " * 500, "y " * 500, "<del>" + ("x " * 500).rstrip() + "</del><ins>" + ("y " * 500).rstrip() + "</ins> "),
    ],
)
def test_a_correction_is_marked_word_by_word(said: str, right: str, marks: str) -> None:
    made = corrections.marked({"content": said}, {"content": right})
    assert made == f'<p class="as-is correction">{marks}</p>'


def test_a_part_of_a_kind_that_nobody_knows_is_its_json() -> None:
    assert "&quot;new&quot;" in conversation.said(Turn(role="user", parts=[Part(kind="other", said={"type": "new"})]))
