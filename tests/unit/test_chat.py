"""Chat to tokens, and the training rows it is made from."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from tests.tiny import write_tiny_model
from tuneloop.chat import Chat, load_chat
from tuneloop.errors import InvalidData, InvalidInput
from tuneloop.examples import Row, parse_examples, read_examples

ASK: dict[str, Any] = {"role": "user", "content": "How are you?"}
SAY: dict[str, Any] = {"role": "assistant", "content": "Fine."}
TALK = [{"role": "system", "content": "Be brief."}, ASK, SAY, {"role": "user", "content": "Ünï 🙂\n"}, SAY]
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bonn"}'}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def chat(smollm2: Path) -> Chat:
    return load_chat(smollm2)


def learnt(chat: Chat, row: Row) -> str:
    """The text that a row has loss on."""
    rendered = chat.render(row)
    ids = [token for token, weight in zip(rendered.token_ids, rendered.weights, strict=True) if weight]
    return chat.decode(ids)


@pytest.mark.parametrize("messages", [[ASK], TALK, TALK[1:], [{"role": "system", "content": "x"}]])
def test_tokens_are_those_of_transformers(chat: Chat, smollm2: Path, messages: list[dict[str, Any]]) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(smollm2)
    expected = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    assert chat.prompt_ids(messages) == expected


def test_answers_and_their_end_tokens_are_learnt(chat: Chat) -> None:
    assert learnt(chat, Row(line=1, messages=TALK)) == "Fine.<|im_end|>Fine.<|im_end|>"


def test_the_prompt_of_the_last_answer_is_what_serving_tokenises(chat: Chat) -> None:
    # An answer that begins with white space would merge with the newline before it.
    messages = [ASK, {"role": "assistant", "content": "\n\n  Fine."}, ASK, {"role": "assistant", "content": "\nGood."}]
    rendered = chat.render(Row(line=1, messages=messages))
    prompt = chat.prompt_ids(messages[:3])
    assert rendered.token_ids[: len(prompt)] == prompt
    assert chat.decode(rendered.token_ids[len(prompt) :]) == "\nGood.<|im_end|>"


def test_weights_of_messages_and_of_the_row_multiply(chat: Chat) -> None:
    messages = [ASK, SAY | {"weight": 0}, ASK, SAY | {"weight": 0.5}]
    rendered = chat.render(Row(line=1, messages=messages, weight=3.0))
    assert sorted(set(rendered.weights)) == [0.0, 1.5]
    assert learnt(chat, Row(line=1, messages=messages)) == "Fine.<|im_end|>"


def test_content_parts_and_developers_are_made_plain(chat: Chat) -> None:
    parts = [{"role": "developer", "content": [{"type": "text", "text": "Be brief."}]}]
    assert chat.prompt_ids([*parts, ASK]) == chat.prompt_ids([TALK[0], ASK])


def test_tool_calls_are_shown_where_the_template_knows_none(chat: Chat) -> None:
    messages = [ASK, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
    text = learnt(chat, Row(line=1, messages=messages, tools=[TOOL]))
    assert text == '<tool_call>\n{"name": "weather", "arguments": {"city": "Bonn"}}\n</tool_call><|im_end|>'
    assert '"parameters": {"type": "object"}' in chat.prompt_text([ASK], [TOOL])


def test_a_template_that_knows_tools_gets_them_as_objects(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path)
    template = (
        "{% for t in tools or [] %}{{ t.function.name }}{% endfor %}"
        "{% for m in messages %}{{ m.role }}:{{ m.content }}{% for c in m.tool_calls or [] %}"
        "{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}<|im_end|>{% endfor %}"
    )
    (model / "chat_template.jinja").write_text(template)
    messages = [{"role": "assistant", "content": None, "tool_calls": [CALL]}]
    assert load_chat(model).prompt_text(messages, [TOOL]) == 'weatherassistant:weather{"city": "Bonn"}<|im_end|>'


def test_a_template_that_rewrites_history_is_refused(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path)
    (model / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m.role }}:{% if loop.last or m.role == 'user' %}{{ m.content }}{% endif %}"
        "<|im_end|>{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
    )
    row = Row(line=7, messages=[ASK, SAY, ASK, SAY])
    with pytest.raises(InvalidInput, match="Example 7: .* writes message 2 as"):
        load_chat(model).render(row)


def test_a_template_that_ends_answers_with_nothing_is_refused(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path)
    (model / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}\n{% endfor %}")
    with pytest.raises(InvalidInput, match="special token"):
        load_chat(model).render(Row(line=1, messages=[ASK, SAY]))


def test_a_template_may_refuse_messages(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path)
    (model / "chat_template.jinja").write_text("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(InvalidInput, match="roles must alternate"):
        load_chat(model).prompt_ids([ASK])


def test_a_row_longer_than_the_context_is_not_cut(tmp_path: Path) -> None:
    chat = load_chat(write_tiny_model(tmp_path, context=64))
    rendered = chat.render(Row(line=3, messages=[ASK | {"content": "long " * 20}, SAY]))
    assert chat.context == 64
    assert len(rendered.token_ids) > 100


def test_a_folder_without_tokenizer_or_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no tokenizer.json"):
        load_chat(tmp_path)
    model = write_tiny_model(tmp_path / "model")
    (model / "chat_template.jinja").unlink()
    with pytest.raises(InvalidInput, match="no chat template"):
        load_chat(model)


def test_the_template_in_tokenizer_config_counts(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path)
    (model / "chat_template.jinja").unlink()
    config = json.loads((model / "tokenizer_config.json").read_text())
    for template in ("{{ eos_token }}", [{"name": "default", "template": "{{ eos_token }}"}]):
        (model / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": template}))
        assert load_chat(model).prompt_text([ASK]) == "<|im_end|>"


def test_chat_needs_no_torch() -> None:
    code = "import sys, tuneloop.chat, tokenizers, jinja2; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def rows(*values: Any) -> list[bytes]:
    good = json.dumps({"messages": [ASK, SAY]}).encode()
    return [value if isinstance(value, bytes) else json.dumps(value).encode() for value in values] + [good] * 10


def test_bom_crlf_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + b"\r\n\r\n".join(rows({"messages": TALK})) + b"\r\n \r\n")
    lines = [row.line for row in read_examples(file)]
    assert lines == [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21]


def test_prompt_and_completion_become_messages() -> None:
    row = next(parse_examples(rows({"prompt": "2+2\n\n###\n\n", "completion": " 4"})))
    assert row.messages == [{"role": "user", "content": "2+2\n\n###"}, {"role": "assistant", "content": "4"}]


def test_tools_and_weights_are_kept() -> None:
    row = next(parse_examples(rows({"messages": [ASK, SAY], "tools": [TOOL], "weight": 2, "extra": 1})))
    assert (row.tools, row.weight) == ([TOOL], 2.0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"{", "Example 1: not valid JSON"),
        (b"\xff\xfe{\x00", "Example 1: not valid JSON"),
        ([1], "Example 1: expected a JSON object, not list"),
        ({"text": "x"}, "expected either prompt/completion pairs or chat messages"),
        ({"messages": []}, "'messages' must be a list"),
        ({"messages": "x"}, "'messages' must be a list"),
        ({"messages": ["x"]}, "Example 1, message 1: expected an object"),
        ({"messages": [ASK, {"content": "x"}]}, "Example 1, message 2 Discriminator 'role' is missing"),
        ({"messages": [ASK, {"role": "bot", "content": "x"}]}, "message 2: unknown role 'bot'"),
        ({"messages": [ASK, {"role": "assistant"}]}, "message 2: 'content' is missing"),
        ({"messages": [ASK, {"role": "assistant", "content": 3}]}, "'content' must be text"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}, SAY]}, "'image_url' is not supported"),
        ({"messages": [ASK, SAY | {"weight": 2}]}, "'weight' must be a number between 0 and 1, not 2"),
        ({"messages": [ASK, SAY | {"weight": True}]}, "'weight' must be a number"),
        ({"messages": [ASK | {"weight": 1}, SAY]}, "only an assistant's message"),
        ({"messages": [ASK, SAY], "weight": -1}, "that is not negative"),
        ({"messages": [ASK, SAY | {"tool_calls": [{}]}]}, "needs a 'function' with a 'name'"),
        ({"messages": [ASK, SAY], "tools": {}}, "'tools' must be a list of objects"),
        ({"messages": [SAY, ASK]}, "message 2: the last message must be from the assistant"),
        ({"messages": [SAY]}, "no message before the assistant's"),
        (
            {"input": {"messages": [ASK]}, "preferred_output": [SAY], "non_preferred_output": [SAY]},
            "Input file train.jsonl is in the fine-tune-preference format, but the specified fine-tuning job",
        ),
    ],
)
def test_a_wrong_row_is_named(value: Any, message: str) -> None:
    with pytest.raises(InvalidData) as error:
        list(parse_examples(rows(value), filename="train.jsonl"))
    assert message in error.value.message
    assert (error.value.code, error.value.param) == ("invalid_training_file", "training_file")


def test_a_training_file_needs_ten_examples_and_a_validation_file_one() -> None:
    seven = rows()[:7]
    with pytest.raises(InvalidData) as error:
        list(parse_examples(seven))
    assert error.value.message == "Training file has 7 example(s), but must have at least 10 examples"
    assert error.value.code == "invalid_n_examples"
    assert len(list(parse_examples(seven, "validation_file"))) == 7
    with pytest.raises(InvalidData) as error:
        list(parse_examples([b"\n"], "validation_file"))
    assert error.value.param == "validation_file"
