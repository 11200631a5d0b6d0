"""Templates of all families: what they keep of a conversation, and what is repaired."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tests import chat_templates as templates
from tests.chat_templates import FAMILIES, SPECIAL_TOKENS
from tests.tiny import write_tiny_model
from tuneloop.chat import Chat, load_chat
from tuneloop.chat_templates import ChatTemplate, read_template, repaired
from tuneloop.errors import InvalidInput
from tuneloop.examples import Row
from tuneloop.types import Message

SYSTEM: Message = {"role": "system", "content": "Be brief."}
ASK: Message = {"role": "user", "content": "How are you?"}
SAY: Message = {"role": "assistant", "content": "Fine."}
THINK: Message = {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nFine."}
CALL = {"id": "call_0123456789ab", "type": "function", "function": {"name": "lookup", "arguments": '{"city": "Bonn"}'}}
CALLING: Message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT: Message = {"role": "tool", "tool_call_id": "call_0123456789ab", "content": "rain"}
TOOL = {"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}, "strict": True}}
TALK = [SYSTEM, ASK, SAY, ASK, SAY]

BROKEN = {"Qwen3", "Gemma", "Mistral", "DeepSeek R1"}
KNOW_TOOLS = {"Qwen2", "Qwen3", "Llama 3.2", "Mistral"}
#: shows no answer but the latest
FORGETFUL = (
    "{% for m in messages %}{{ m.role }}:{% if loop.last or m.role != 'assistant' %}{{ m.content }}{% endif %}"
    "<|im_end|>{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)


def template(source: str) -> ChatTemplate:
    return ChatTemplate(source, {"bos_token": "<s>", "eos_token": "</s>"})


def chat_of(chat_template: ChatTemplate) -> Chat:
    """A chat with a token a byte."""
    tokens = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return Chat(tokenizer, chat_template, None)


def trained(source: str) -> Chat:
    return chat_of(repaired(template(source)))


def learnt(chat: Chat, *messages: Message, tools: Any = ()) -> str:
    rendered = chat.render(Row(line=1, messages=messages, tools=tools))
    return chat.decode([token for token, weight in zip(rendered.token_ids, rendered.weights, strict=True) if weight])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_can_be_trained_as_it_is_served(family: str) -> None:
    assert trained(FAMILIES[family]).faults() == []
    assert bool(chat_of(template(FAMILIES[family])).faults()) == (family in BROKEN)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_repaired_template_needs_no_repair(family: str) -> None:
    once = repaired(template(FAMILIES[family]))
    assert repaired(once) is once


@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - {"Llama 3.2", "SmolLM3"}))
def test_the_prompt_of_one_turn_stays_as_the_base_model_knows_it(family: str) -> None:
    known, ours = template(FAMILIES[family]), repaired(template(FAMILIES[family]))
    assert ours.render([ASK], ask=True) == known.render([ASK], ask=True)
    if known.shows_system:
        assert ours.render([SYSTEM, ASK], ask=True) == known.render([SYSTEM, ASK], ask=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_and_their_end_tokens_are_learnt(family: str) -> None:
    end = {"Phi-3": "<|end|>", "DeepSeek R1": "<｜end▁of▁sentence｜>"} | dict.fromkeys(
        ["Gemma", "Gemma 3"], "<end_of_turn>"
    )
    end |= dict.fromkeys(["Llama 3", "Llama 3.2"], "<|eot_id|>") | {"Llama 2": " </s>", "Mistral": "</s>"}
    before = {"Qwen3": "<think>\n\n</think>\n\n", "DeepSeek R1": "\n</think>\n\n", "Llama 2": " ", "Mistral": " "}
    answer = before.get(family, "") + "Fine." + end.get(family, "<|im_end|>")
    assert learnt(trained(FAMILIES[family]), *TALK) == answer * 2


@pytest.mark.parametrize("family", FAMILIES)
def test_tools_calls_and_results_are_shown_by_every_family(family: str) -> None:
    chat = trained(FAMILIES[family])
    prompt = chat.prompt_text([SYSTEM, ASK, CALLING, RESULT], [TOOL])
    assert all(word in prompt for word in ("Be brief.", "lookup", '"city": "Bonn"', "rain", "parameters"))
    assert '"city": "Bonn"' in learnt(chat, ASK, CALLING, RESULT, SAY, ASK, CALLING, tools=[TOOL])
    # llama.cpp hands on three fields of a function.
    assert ("strict" in prompt) == (family not in KNOW_TOOLS | {"SmolLM3"})


@pytest.mark.parametrize("family", ["Qwen2", "Llama 2", "Llama 3", "Gemma 3", "Phi-3"])
def test_the_text_is_that_of_transformers(family: str) -> None:
    fast: Any = PreTrainedTokenizerFast
    backend = Tokenizer(models.BPE())
    tokenizer = fast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", chat_template=FAMILIES[family])
    ours = template(FAMILIES[family])
    for messages in ([ASK], [SYSTEM, ASK], [*TALK, ASK]):
        theirs = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert ours.render(messages, ask=True) == theirs


def test_thoughts_stay_where_they_were_thought() -> None:
    for source, thought in ((templates.QWEN3, "<think>\nHm."), (templates.DEEPSEEK_R1, "Hm.")):
        once = learnt(trained(source), ASK, THINK)
        assert once.startswith(f"{thought}\n</think>\n\nFine.<")
        assert learnt(trained(source), ASK, THINK, ASK, THINK) == once * 2


def test_reasoning_beside_the_content_is_learnt_by_models_that_reason() -> None:
    answer = SAY | {"reasoning_content": "Hm."}
    assert learnt(trained(templates.QWEN3), ASK, answer) == learnt(trained(templates.QWEN3), ASK, THINK)
    assert learnt(trained(templates.QWEN2), ASK, answer) == "Fine.<|im_end|>"


def test_a_system_message_goes_before_the_first_question_where_there_is_none() -> None:
    text = trained(templates.GEMMA).prompt_text([SYSTEM, ASK, SAY, ASK])
    assert text.startswith(
        "<s><start_of_turn>user\nBe brief.\n\nHow are you?<end_of_turn>\n<start_of_turn>model\nFine."
    )
    assert text == trained(templates.GEMMA3).prompt_text([SYSTEM, ASK, SAY, ASK])
    # A lonely one is refused as before.
    with pytest.raises(InvalidInput, match="System role not supported"):
        trained(templates.GEMMA).prompt_text([SYSTEM])


def test_mistral_keeps_its_instructions_at_the_start() -> None:
    prompt = trained(templates.MISTRAL).prompt_text([*TALK, ASK], [TOOL])
    first, _, rest = prompt.partition("</s>")
    assert first.startswith("<s>[AVAILABLE_TOOLS]") and first.endswith("[INST] Be brief.\n\nHow are you?[/INST] Fine.")
    assert "AVAILABLE_TOOLS" not in rest and "Be brief." not in rest


def test_ids_of_tool_calls_are_cut_for_mistral() -> None:
    prompt = trained(templates.MISTRAL).prompt_text([ASK, CALLING, RESULT], [TOOL])
    assert '"id": "3456789ab"' in prompt and '"call_id": "3456789ab"' in prompt
    short = trained(templates.MISTRAL).prompt_text([ASK, CALLING | {"tool_calls": [CALL | {"id": "c1"}]}])
    assert '"id": "0000000c1"' in short


def test_the_day_is_always_the_same() -> None:
    assert "Today Date: 26 Jul 2024\n" in trained(templates.LLAMA3_2).prompt_text([ASK])
    assert "Today Date: 26 July 2024\n" in trained(templates.SMOLLM3).prompt_text([ASK])
    # also where the clock is the server's, as llama.cpp's is
    source = repaired(template(templates.LLAMA3_2)).source
    assert "Today Date: 26 Jul 2024" in ChatTemplate(source, {"date_string": "1 Jan 2030"}).render([ASK])


def test_results_of_tools_are_the_users_words_where_a_template_knows_none() -> None:
    calling = CALLING | {"tool_calls": [CALL, CALL]}
    text = trained(templates.GEMMA).prompt_text([ASK, calling, RESULT, RESULT])
    response = "<tool_response>\nrain\n</tool_response>"
    assert text.endswith(f"<start_of_turn>user\n{response}\n{response}<end_of_turn>\n<start_of_turn>model\n")


def test_arguments_are_text_for_templates_that_join_them_to_text() -> None:
    source = (
        "{% for m in messages %}{{ m.role + ':' + m.content }}{% for c in m.tool_calls or [] %}"
        "{{ c.function.name + '=' + c.function.arguments }}{% endfor %}<|im_end|>{% endfor %}"
    )
    assert chat_of(template(source)).prompt_text([CALLING]) == 'assistant:lookup={"city": "Bonn"}<|im_end|>'
    as_object = CALL | {"function": {"name": "lookup", "arguments": {"city": "Bonn"}}}
    assert (
        chat_of(template(source))
        .prompt_text([CALLING | {"tool_calls": [as_object]}])
        .endswith('{"city": "Bonn"}<|im_end|>')
    )


def test_an_unknown_template_that_rewrites_the_past_learns_one_answer_of_a_row() -> None:
    chat = trained(FORGETFUL)
    with pytest.raises(InvalidInput) as error:
        chat.render(Row(line=7, messages=TALK))
    assert error.value.message == (
        "Example 7: the model's chat template writes message 3 as '<|im_end|>assistant:Fine.<|im_end|>', "
        "but as '<|im_end|>assistant:<|im_end|>user:How are you?<|im_end|>ass' with later messages after it, "
        'so that it cannot be learnt as it is served. Give earlier answers "weight": 0, so that the last alone is '
        "learnt, or make an example of each"
    )
    # Both ways out lead to the same answers, below the prompts that are served.
    row = Row(line=7, messages=[SYSTEM, ASK, SAY | {"weight": 0}, ASK, SAY])
    rendered, prompt = chat.render(row), chat.prompt_ids([SYSTEM, ASK, SAY, ASK])
    assert rendered.token_ids[: len(prompt)] == prompt
    assert learnt(chat, *row.messages) == learnt(chat, *TALK[:3]) == "Fine.<|im_end|>"
    assert [fault.partition(":")[0] for fault in chat.faults()] == [
        "Several answers",
        "Answers with <think>",
        "Tool calls",
    ]


def test_a_template_that_rewrites_the_prompt_is_of_no_use() -> None:
    source = (
        "{% if add_generation_prompt %}Answer: {% endif %}{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}"
    )
    with pytest.raises(InvalidInput, match=r"Example 1: .* the prompt of message 2 as 'Answer: .*another model"):
        learnt(trained(source), ASK, SAY)
    assert len(trained(source).faults()) == 1


def test_what_a_template_leaves_out_of_an_answer_is_a_fault() -> None:
    source = templates.QWEN2.replace(
        "message.content }}{%- for call", "message.content.split('</think>')[-1] }}{%- for call"
    )
    assert source != templates.QWEN2
    assert trained(source).faults() == [
        "Answers with <think>: the model's chat template leaves out the reasoning of an answer"
    ]


def test_a_refused_row_is_named() -> None:
    with pytest.raises(InvalidInput, match="Example 1: the model's chat template refuses .* roles must alternate"):
        learnt(trained(templates.GEMMA3), ASK, ASK, SAY)
    with pytest.raises(InvalidInput, match="refuses the messages"):
        trained("{{ messages[0].content.nothing.at_all }}").prompt_text([ASK])


def test_an_answer_is_not_the_first_word_of_a_text() -> None:
    # Llama 2 puts a space before a text; an answer continues one.
    words = ["▁", "a", "▁a", "[INST]", "</s>", "<s>"]
    vocabulary = {token: index for index, token in enumerate([*words, *(f"<0x{byte:02X}>" for byte in range(256))])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("▁", "a")], unk_token="</s>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.add_special_tokens(["</s>", "<s>"])
    chat = Chat(
        tokenizer,
        template("{% for m in messages %}{{ m.content }}{{ '' if loop.first else '</s>' }}{% endfor %}"),
        None,
    )
    rendered = chat.render(
        Row(line=1, messages=[{"role": "user", "content": "a a"}, {"role": "assistant", "content": " a"}])
    )
    assert [tokenizer.id_to_token(token) for token in rendered.token_ids] == ["▁a", "▁a", "▁a", "</s>"]
    assert rendered.weights == [0, 0, 1, 1]


def test_the_template_of_a_folder_is_repaired(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path)
    (model / "chat_template.jinja").write_text(templates.QWEN3)
    assert read_template(model).source == repaired(template(templates.QWEN3)).source
    assert load_chat(model).faults() == []
    (model / "chat_template.jinja").write_text(templates.QWEN2)
    assert read_template(model).source == templates.QWEN2


def test_the_embedded_model_has_no_fault(smollm2: Path) -> None:
    assert load_chat(smollm2).faults() == []
    assert read_template(smollm2).source == (smollm2 / "chat_template.jinja").read_text()
