"""GGUF and safetensors hold the same model: llama.cpp is asked, and transformers."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, normalizers
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests import llama_cpp as llama
from tests.llama_cpp import LlamaCpp
from tests.unit.tiny_models import FAMILIES, next_token, tiny_model
from tuneloop.errors import InvalidInput
from tuneloop.model_store import KNOWN_MODELS
from tuneloop.training import convert
from tuneloop.training.gguf_write import llama3_rope_factors, write_gguf


def no_progress(what: str, done: int, total: int) -> None:
    """Tells nobody."""


def awkward_texts() -> list[str]:
    """Texts on which tokenizers differ when they differ: digits, spaces, line breaks, contractions, scripts."""
    pieces = [
        *"ab cdE 1239.,'\"!?\n\t\r-_/<>{}[]éüß日本語😀½²٣\u00a0\u3000",
        " the",
        " 2024",
        "\n\n",
        "  ",
        "don't",
        "I'LL",
    ]
    pieces += [" the", " 2024", "\n\n", "  ", "don't", "I'LL", "<|im_start|>", "<|im_end|>", "user\n", "e\u0301"]
    rng = random.Random(0)
    return ["".join(rng.choices(pieces, k=rng.randint(1, 40))) for _ in range(100)]


def test_the_embedded_model_tokenises_as_llama_cpp_does(smollm2: Path, llama_cpp: LlamaCpp) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(smollm2)
    post = llama_cpp(smollm2 / "model.gguf")
    for text in awkward_texts():
        ids = post("/tokenize", {"content": text, "add_special": True, "parse_special": True})["tokens"]
        assert tokenizer(text).input_ids == ids, repr(text)


def test_the_embedded_model_is_dequantised_without_loss(smollm2: Path, llama_cpp: LlamaCpp, tmp_path: Path) -> None:
    # The GGUF made back from the safetensors must answer as the safetensors do; the served one (4 bits, and 8 for
    # the activations) nearly so.
    write_gguf(smollm2, tmp_path / "half.gguf", no_progress)
    model: Any = AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32)
    ids = AutoTokenizer.from_pretrained(smollm2)("The capital of France is").input_ids
    expected = next_token(model, ids)
    for gguf, tolerance in ((tmp_path / "half.gguf", 0.02), (smollm2 / "model.gguf", 0.5)):
        for token, logprob in llama.next_token(llama_cpp(gguf), ids).items():
            assert logprob == pytest.approx(expected[token].item(), abs=tolerance)


def test_the_embedded_model_keeps_template_and_special_tokens(smollm2: Path) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(smollm2)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
    )
    assert prompt.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<|im_start|>", "<|im_end|>")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_answers_the_same_in_llama_cpp(family: str, llama_cpp: LlamaCpp, tmp_path: Path) -> None:
    model, tokenizer = tiny_model(family, tmp_path)
    assert convert.main([str(tmp_path)]) == 0
    post = llama_cpp(tmp_path / "model.gguf")
    for text in awkward_texts():
        ids = post("/tokenize", {"content": text, "add_special": True, "parse_special": True})["tokens"]
        assert tokenizer(text).input_ids == ids, repr(text)
    ids = tokenizer("the cat sat on the mat and the dog ran 12 times around").input_ids
    expected = next_token(model, ids)
    for token, logprob in llama.next_token(post, ids).items():
        assert logprob == pytest.approx(expected[token].item(), abs=0.02)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_comes_back_from_gguf(family: str, tmp_path: Path) -> None:
    model, tokenizer = tiny_model(family, tmp_path / "there")
    write_gguf(tmp_path / "there", tmp_path / "there" / "model.gguf", no_progress)
    (tmp_path / "back").mkdir()
    shutil.copy(tmp_path / "there" / "model.gguf", tmp_path / "back")
    assert convert.main([str(tmp_path / "back")]) == 0
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "back", dtype=torch.float32)
    for name, values in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], values, rtol=0.01, atol=0.005)
    tokenizer_again = Tokenizer.from_file(str(tmp_path / "back" / "tokenizer.json"))
    for text in awkward_texts():
        assert tokenizer_again.encode(text).ids == tokenizer(text).input_ids, repr(text)


def test_a_template_is_added_where_there_is_none(llama_cpp: LlamaCpp, tmp_path: Path) -> None:
    tiny_model("gemma3_text", tmp_path / "there")
    write_gguf(tmp_path / "there", tmp_path / "model.gguf", no_progress)
    template = KNOWN_MODELS["gemma-3-270m"].chat_template
    assert template
    (tmp_path / "chat_template.jinja").write_text(template)
    assert convert.main([str(tmp_path)]) == 0
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    messages += [{"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Bye"}]
    prompt = llama_cpp(tmp_path / "model.gguf")("/apply-template", {"messages": messages})["prompt"]
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path)
    expected = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert prompt.removeprefix("<bos>") == expected.removeprefix("<bos>")
    assert expected == (
        "<bos><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\nHello<end_of_turn>\n"
        "<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n"
    )


def test_other_families_are_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    assert convert.main([str(tmp_path)]) == 1
    assert "'gpt2'" in (said := capsys.readouterr().out) and "llama" in said


def test_unicode_is_not_normalised_because_llama_cpp_does_not(llama_cpp: LlamaCpp, tmp_path: Path) -> None:
    _, tokenizer = tiny_model("qwen2", tmp_path)
    tokenizer.backend_tokenizer.normalizer = normalizers.NFC()
    tokenizer.save_pretrained(tmp_path)
    assert convert.main([str(tmp_path)]) == 0
    ids = llama_cpp(tmp_path / "model.gguf")("/tokenize", {"content": "e\u0301"})["tokens"]
    assert Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode("e\u0301").ids == ids


def test_rope_factors_are_those_of_transformers(tmp_path: Path) -> None:
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    rope: dict[str, Any] = {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    config = LlamaConfig(hidden_size=512, num_attention_heads=4, max_position_embeddings=131072, rope_parameters=rope)
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    plain = 1.0 / rope["rope_theta"] ** (torch.arange(0, 128, 2) / 128)
    torch.testing.assert_close(torch.from_numpy(llama3_rope_factors(rope, 128)), plain / scaled, rtol=1e-4, atol=1e-4)


def test_rope_of_unknown_kind_is_refused(tmp_path: Path) -> None:
    tiny_model("qwen3", tmp_path, rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0})
    with pytest.raises(InvalidInput, match="'dynamic'"):
        write_gguf(tmp_path, tmp_path / "model.gguf", no_progress)
