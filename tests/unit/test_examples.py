"""Training files of the methods that learn from more than answers: pairs, thumbs, and prompts with their grader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop import examples
from tuneloop.calls import content_text
from tuneloop.errors import InvalidData
from tuneloop.examples import parse_examples, parse_labelled, parse_preferences, parse_prompts
from tuneloop.protocols import Method

ASK: dict[str, Any] = {"role": "user", "content": "How are you?"}
GOOD: dict[str, Any] = {"role": "assistant", "content": "Fine."}
BAD: dict[str, Any] = {"role": "assistant", "content": "Go away."}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}

PAIR: dict[str, Any] = {"input": {"messages": [ASK]}, "preferred_output": [GOOD], "non_preferred_output": [BAD]}
THUMB: dict[str, Any] = {"messages": [ASK, GOOD], "label": True}
CHAT: dict[str, Any] = {"messages": [ASK, GOOD]}

PARSERS: dict[Method, Any] = {
    "supervised": parse_examples,
    "dpo": parse_preferences,
    "kto": parse_labelled,
    "reinforcement": parse_prompts,
}


def lines(*rows: Any) -> list[bytes]:
    return [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]


def refusal(method: Method, *rows: Any) -> InvalidData:
    with pytest.raises(InvalidData) as error:
        list(PARSERS[method](lines(*rows), "training_file", "file-1"))
    return error.value


def test_both_answers_of_a_pair_follow_the_same_prompt() -> None:
    history = [{"role": "system", "content": "Be brief."}, ASK, GOOD | {"weight": 1}, ASK]
    answer = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    row = {
        "input": {"messages": history, "tools": [TOOL], "parallel_tool_calls": False},
        "preferred_output": [answer],
        "non_preferred_output": [BAD],
    }
    pair = next(parse_preferences(lines(row, *[PAIR] * 9)))
    assert pair.preferred.messages[:-1] == pair.rejected.messages[:-1]
    assert (pair.preferred.messages[-1], pair.rejected.messages[-1]) == (answer, BAD)
    assert pair.preferred.tools == pair.rejected.tools == [TOOL]
    assert pair.line == pair.preferred.line == pair.rejected.line == 1


def test_only_the_judged_answer_is_weighed() -> None:
    history = [ASK, GOOD | {"weight": 1}, ASK]
    pair = next(parse_preferences(lines(PAIR | {"input": {"messages": history}}, *[PAIR] * 9)))
    thumb = next(parse_labelled(lines({"messages": [*history, BAD | {"weight": 0}], "label": False}, *[THUMB] * 9)))
    for row in (pair.preferred, pair.rejected, thumb.row):
        weights = [message.get("weight", 1) for message in row.messages if message["role"] == "assistant"]
        assert weights == [0, 1] and row.weight == 1.0


def test_the_names_of_openais_older_schema_are_read() -> None:
    row = {"input": {"messages": [ASK]}, "preferred_completion": [GOOD], "non_preferred_completion": [BAD]}
    assert next(parse_preferences(lines(row, *[PAIR] * 9))).rejected.messages[-1] == BAD


def test_an_output_may_call_tools_before_it_answers() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    output = [
        {"role": "assistant", "content": None, "tool_calls": [call], "weight": 0},
        {"role": "tool", "tool_call_id": "c1", "content": "3"},
        GOOD,
    ]
    pair = next(parse_preferences(lines(PAIR | {"preferred_output": output}, *[PAIR] * 9)))
    assert [message.get("weight", 1) for message in pair.preferred.messages[-3:]] == [1, 1, 1]
    assert pair.preferred.messages[-1] == GOOD and pair.rejected.messages[-1] == BAD


FUNCTION = {"name": "look_up", "description": "d", "parameters": {"type": "object", "properties": {}}}
CALLED = {"name": "look_up", "arguments": "{}"}


@pytest.mark.parametrize(
    "messages",
    [
        [ASK, ASK, GOOD],
        [{"role": "developer", "content": "d"}, ASK, GOOD],
        [{"role": "system", "content": [{"type": "text", "text": "s"}], "name": "n"}, ASK | {"name": "ann"}, GOOD],
        [ASK, {"role": "assistant", "content": [{"type": "text", "text": "x"}, {"type": "refusal", "refusal": "no"}]}],
        [ASK, {"role": "assistant", "content": None, "refusal": "I cannot."}],
        [ASK, GOOD | {"weight": 0}, ASK, GOOD | {"weight": 1}],
        [GOOD, ASK, GOOD],
        [ASK, GOOD, GOOD],
        [ASK, {"role": "assistant", "function_call": CALLED}, {"role": "function", "name": "look_up", "content": "1"}]
        + [GOOD],
        [
            ASK,
            {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "type": "function", "function": CALLED}]},
        ],
    ],
)
def test_whatever_openai_takes_is_taken(messages: list[dict[str, Any]]) -> None:
    tool = {"type": "function", "function": FUNCTION, "strict": None}
    more = {"tools": [tool], "parallel_tool_calls": False, "functions": [FUNCTION], "something": "else"}
    first, second, *_ = parse_examples(lines({"messages": messages}, {"messages": messages, **more}, *[CHAT] * 8))
    assert [message["role"] for message in first.messages] == [message["role"] for message in messages]
    assert list(second.tools) == [tool, {"type": "function", "function": FUNCTION}]


def test_a_refusal_is_an_answer_like_any_other() -> None:
    rows = [
        {"role": "assistant", "content": None, "refusal": "I cannot."},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "I cannot."}]},
    ]
    found = parse_examples(lines(*({"messages": [ASK, row]} for row in rows), *[CHAT] * 8))
    assert [content_text(next(found).messages[-1]["content"]) for _ in rows] == ["I cannot."] * 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tools": [{"type": "function"}]}, "each of 'tools' needs a 'function' with a 'name'"),
        ({"functions": [{"description": "x"}]}, "each of 'tools' needs a 'function' with a 'name'"),
        ({"functions": "x"}, "'functions' must be a list of objects"),
        ({"parallel_tool_calls": "yes"}, "'parallel_tool_calls' must be true or false"),
        ({"messages": [ASK, {"role": "assistant", "function_call": {}}]}, "message 2: 'function_call' must be"),
        (
            {"messages": [ASK, {"role": "assistant", "function_call": {"name": "f", "arguments": [1]}}]},
            "'arguments' as a text of JSON",
        ),
        ({"messages": [ASK, {"role": "assistant", "content": [{"type": "refusal"}]}]}, "needs 'refusal', a text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, GOOD]},
            "message 1: content part 'image_url' is not supported",
        ),
        ({"messages": [GOOD]}, "there is no message before the assistant's"),
    ],
)
def test_what_cannot_be_learnt_is_named(row: dict[str, Any], message: str) -> None:
    assert message in refusal("supervised", CHAT | row, *[CHAT] * 10).message


def test_labels_are_read_from_chats_and_completions() -> None:
    rows = [{"prompt": "2+2", "completion": " 4", "label": True}, THUMB | {"label": False}, *[THUMB] * 8]
    found = list(parse_labelled(lines(*rows)))
    assert [row.label for row in found] == [True, False] + [True] * 8
    assert found[0].row.messages[-1] == {"role": "assistant", "content": "4"}


def test_a_training_file_needs_good_and_bad_answers_and_a_validation_file_does_not() -> None:
    error = refusal("kto", *[THUMB] * 12)
    assert "12 example(s) with label true and 0 with label false" in error.message
    assert (error.code, error.param) == ("invalid_training_file", "training_file")
    assert len(list(parse_labelled(lines(THUMB), "validation_file"))) == 1


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_too_few_rows_are_counted(method: Method) -> None:
    rows = [PAIR] * 7 if method == "dpo" else [THUMB | {"label": i % 2 == 0} for i in range(7)]
    error = refusal(method, *rows)
    assert error.message == "Training file has 7 example(s), but must have at least 10 examples"
    assert (error.code, error.param) == ("invalid_n_examples", "training_file")


@pytest.mark.parametrize(
    ("method", "row", "found", "of"),
    [
        ("supervised", PAIR, "preference", "dpo"),
        ("supervised", THUMB, "label", "kto"),
        ("dpo", CHAT, "chat", "supervised"),
        ("dpo", THUMB, "label", "kto"),
        ("kto", CHAT, "chat", "supervised"),
        ("kto", PAIR, "preference", "dpo"),
    ],
)
def test_a_file_in_another_methods_format_is_named_in_openais_words(
    method: Method, row: dict[str, Any], found: str, of: str
) -> None:
    words = (
        f"Invalid file format. Input file file-1 is in the fine-tune-{found} format, but the specified fine-tuning "
        f"job is not using '{of}' as the training method (provided method={method})."
    )
    assert refusal(method, *[row] * 10).message == words
    right = {"supervised": CHAT, "dpo": PAIR, "kto": THUMB}[method]
    late = refusal(method, right, row)
    assert late.message.startswith(words) and "Example 2 " in late.message
    assert late.code == "invalid_training_file"


@pytest.mark.parametrize(
    ("method", "row", "message"),
    [
        ("dpo", b"{", "Example 1: not valid JSON"),
        ("dpo", {"text": "x"}, "Example 1: Unexpected file format, expected 'input', 'preferred_output' and"),
        ("dpo", {"input": {"messages": [ASK]}}, "expected 'input', 'preferred_output' and 'non_preferred_output'"),
        ("dpo", PAIR | {"input": [ASK]}, "Example 1: 'input' must be an object with 'messages'"),
        ("dpo", PAIR | {"input": {}}, "Example 1, input: 'messages' must be a list"),
        (
            "dpo",
            PAIR | {"input": {"messages": [{"content": "x"}]}},
            "Example 1, input, message 1 Discriminator 'role' is missing in value",
        ),
        ("dpo", PAIR | {"input": {"messages": [ASK], "tools": 1}}, "Example 1, input: 'tools' must be a list"),
        ("dpo", PAIR | {"preferred_output": GOOD}, "'preferred_output' must be a list with a message"),
        ("dpo", PAIR | {"preferred_output": []}, "'preferred_output' must be a list with a message"),
        (
            "dpo",
            PAIR | {"preferred_output": [GOOD, {"role": "tool", "content": "x"}]},
            "the last message of 'preferred_output' must be from the assistant",
        ),
        (
            "dpo",
            {k: v for k, v in PAIR.items() if k != "non_preferred_output"},
            "'non_preferred_output' must be a list",
        ),
        (
            "dpo",
            PAIR | {"non_preferred_output": [ASK]},
            "'non_preferred_output' holds messages of the assistant, not of 'user'",
        ),
        ("dpo", PAIR | {"preferred_output": [{"role": "assistant"}]}, "preferred_output, message 1: 'content' is"),
        ("dpo", PAIR | {"weight": 0.5}, "only rows for the method 'supervised' have a 'weight', not for 'dpo'"),
        ("kto", THUMB | {"label": "good"}, "Example 1: 'label' must be true (thumb up) or false (thumb down)"),
        ("kto", THUMB | {"label": 1}, "Example 1: 'label' must be true"),
        ("kto", {"label": True}, "Example 1: 'messages' must be a list"),
        ("kto", THUMB | {"messages": [GOOD, ASK]}, "message 2: the last message must be from the assistant"),
        ("kto", THUMB | {"weight": 2}, "only rows for the method 'supervised' have a 'weight', not for 'kto'"),
    ],
)
def test_a_wrong_row_is_named(method: Method, row: Any, message: str) -> None:
    error = refusal(method, row, *[{"dpo": PAIR, "kto": THUMB}[method]] * 10)
    assert message in error.message
    assert (error.code, error.param) == ("invalid_training_file", "training_file")


def test_files_are_read_and_checked(tmp_path: Path) -> None:
    pairs, thumbs = tmp_path / "pairs.jsonl", tmp_path / "thumbs.jsonl"
    pairs.write_bytes(b"\xef\xbb\xbf" + b"\r\n\r\n".join(lines(*[PAIR] * 10)))
    thumbs.write_bytes(b"\n".join(lines(*[THUMB, THUMB | {"label": False}] * 5)))
    assert [pair.line for pair in examples.read_preferences(pairs)] == list(range(1, 20, 2))
    assert sum(row.label for row in examples.read_labelled(thumbs)) == 5
    assert examples.check(pairs, "dpo", "training_file", "file-1") == 10
    with pytest.raises(InvalidData, match=r"Input file file-7 is in the fine-tune-label format"):
        examples.check(thumbs, "supervised", "training_file", "file-7")


TEXT = st.text(max_size=8)
MESSAGE = st.builds(lambda role, text: {"role": role, "content": text}, st.sampled_from(["user", "assistant"]), TEXT)
ANSWER = TEXT.map(lambda text: {"role": "assistant", "content": text})


@given(st.lists(MESSAGE, min_size=1, max_size=4), ANSWER, ANSWER)
def test_any_pair_comes_through(prompt: list[dict[str, Any]], good: dict[str, Any], bad: dict[str, Any]) -> None:
    row = {"input": {"messages": prompt}, "preferred_output": [good], "non_preferred_output": [bad]}
    (pair,) = parse_preferences(lines(row), "validation_file")
    for one, answer in ((pair.preferred, good), (pair.rejected, bad)):
        texts = [(message["role"], message["content"]) for message in one.messages]
        assert texts == [(message["role"], message["content"]) for message in [*prompt, answer]]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT, lambda part: st.lists(part, max_size=3), max_leaves=5
)
KEYS = ("messages", "input", "preferred_output", "non_preferred_output", "label", "tools", "weight", "prompt")
LINE = st.dictionaries(st.sampled_from(KEYS), JSON | st.just([ASK, GOOD]) | st.just({"messages": [ASK]}), max_size=6)


@given(st.sampled_from(["supervised", "dpo", "kto"]), LINE)
def test_whatever_a_line_holds_it_is_read_or_complained_of(method: Method, line: dict[str, Any]) -> None:
    try:
        (row,) = PARSERS[method](lines(line), "validation_file", "file-1")
    except InvalidData as error:
        words = ("Invalid file format. Example 1", "Invalid file format. Input file file-1 is in the")
        assert error.message.startswith(words)
        assert (error.code, error.param) == ("invalid_validation_file", "validation_file")
    else:
        assert row.line == 1


PROMPT: dict[str, Any] = {"messages": [{"role": "system", "content": "Be brief."}, ASK], "answer": "Fine."}


def test_a_prompt_keeps_every_key_for_its_grader() -> None:
    odd = {
        **PROMPT,
        "label": True,
        "preferred_completion": "x",
        "prompt": "a",
        "completion": "b",
        "tools": [TOOL],
        "weight": 0.5,
    }
    first, second, *_ = parse_prompts(lines(odd, *[PROMPT] * 9))
    assert first.item == odd and first.tools == [TOOL]
    assert (second.line, second.messages, second.item) == (2, PROMPT["messages"], PROMPT)
    talk = {"messages": [ASK, GOOD, ASK]}
    assert next(parse_prompts(lines(talk, *[PROMPT] * 9))).messages == talk["messages"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (CHAT, "Example 1, message 2: the last message must be from the user: the method 'reinforcement' writes"),
        ({"messages": [ASK, {"role": "tool", "content": "x"}]}, "Example 1, message 2: the last message must be from"),
        ({"messages": [{"content": "x"}]}, "Example 1, message 1 Discriminator 'role' is missing in value"),
        ({"messages": []}, "Example 1: 'messages' must be a list with at least one message"),
        ({"messages": [ASK], "tools": 3}, "Example 1: 'tools' must be a list of objects"),
        ({"prompt": "a", "completion": "b"}, "Example 1, message 2: the last message must be from the user"),
        ({"question": "a"}, "Example 1: Unexpected file format, expected chat messages that end with the user's."),
        (PAIR, "Input file file-1 is in the fine-tune-preference format, but the specified fine-tuning job is not"),
        (b"{", "Example 1: not valid JSON"),
    ],
)
def test_a_row_that_asks_nothing_is_named(row: Any, message: str) -> None:
    error = refusal("reinforcement", row, *[PROMPT] * 9)
    assert message in error.message
    assert (error.param, error.code) == ("training_file", "invalid_training_file")


def test_prompts_are_no_rows_to_imitate_and_too_few_are_refused() -> None:
    assert "the last message must be from the assistant" in refusal("supervised", PROMPT).message
    error = refusal("reinforcement", *[PROMPT] * 9)
    assert (error.code, error.param) == ("invalid_n_examples", "training_file")
    assert "Training file has 9 example(s), but must have at least 10 examples" in error.message
    assert len(list(parse_prompts(lines(PROMPT), "validation_file"))) == 1
