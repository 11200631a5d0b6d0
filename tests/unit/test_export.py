"""An exported adapter does in llama.cpp what it does in transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests import llama_cpp as llama
from tests.llama_cpp import LlamaCpp
from tests.unit.tiny_models import FAMILIES, next_token, tiny_model
from tuneloop.errors import InvalidInput
from tuneloop.training.convert import main as convert
from tuneloop.training.export import export_adapter

# peft asks transformers by an attribute's old name.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")


def adapted(model: Any, folder: Path, **settings: Any) -> Any:
    """The model with a random adapter on all linear layers, saved in `folder`."""
    torch.manual_seed(1)
    peft_model = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", **{"lora_alpha": 8, **settings}))
    for name, parameter in peft_model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    peft_model.save_pretrained(str(folder))
    return peft_model.eval()


RANK_STABILISED = {"use_rslora": True, "alpha_pattern": {"q_proj": 3}, "rank_pattern": {"up_proj": 2}}


@pytest.mark.parametrize("settings", [{}, RANK_STABILISED])
@pytest.mark.parametrize("family", FAMILIES)
def test_an_adapter_answers_the_same_in_llama_cpp(
    family: str, settings: dict[str, Any], llama_cpp: LlamaCpp, tmp_path: Path
) -> None:
    model, tokenizer = tiny_model(family, tmp_path)
    assert convert([str(tmp_path)]) == 0
    model = adapted(model, tmp_path / "adapter", **settings)
    post = llama_cpp(tmp_path / "model.gguf", export_adapter(tmp_path / "adapter", tmp_path))
    ids = tokenizer("the cat sat on the mat and the dog ran 12 times around").input_ids
    expected = next_token(model, ids)
    with model.disable_adapter():
        plain = next_token(model, ids)
    assert (expected - plain).abs().max() > 0.5
    for token, logprob in llama.next_token(post, ids, lora=[{"id": 0, "scale": 1.0}]).items():
        assert logprob == pytest.approx(expected[token].item(), abs=0.03)
    for token, logprob in llama.next_token(post, ids, lora=[{"id": 0, "scale": 0.0}]).items():
        assert logprob == pytest.approx(plain[token].item(), abs=0.03)


def test_an_adapter_of_the_embedded_model_does_too(smollm2: Path, llama_cpp: LlamaCpp, tmp_path: Path) -> None:
    model = adapted(AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32), tmp_path)
    tokenizer: Any = AutoTokenizer.from_pretrained(smollm2)
    ids = tokenizer("Once upon a time, in a small village,").input_ids
    expected = next_token(model, ids)
    with model.disable_adapter():
        assert (expected - next_token(model, ids)).abs().max() > 2
    post = llama_cpp(smollm2 / "model.gguf", export_adapter(tmp_path, smollm2))
    for token, logprob in llama.next_token(post, ids).items():
        # The served model computes with 4 bit weights and 8 bit activations.
        assert logprob == pytest.approx(expected[token].item(), abs=0.6)


@pytest.mark.parametrize("setting", ["use_dora", "bias", "modules_to_save", "peft_type"])
def test_what_llama_cpp_does_not_know_is_refused(setting: str, tmp_path: Path) -> None:
    model, _ = tiny_model("llama", tmp_path)
    adapted(model, tmp_path / "adapter")
    path = tmp_path / "adapter" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {setting: "all"}))
    with pytest.raises(InvalidInput, match=setting):
        export_adapter(tmp_path / "adapter", tmp_path)


@pytest.mark.parametrize("key", ["model.embed_tokens.lora_embedding_A", "lm_head.lora_A.weight"])
def test_a_tensor_with_no_place_is_refused(key: str, tmp_path: Path) -> None:
    model, _ = tiny_model("llama", tmp_path)
    adapted(model, tmp_path / "adapter")
    path = tmp_path / "adapter" / "adapter_model.safetensors"
    name = f"base_model.model.{key}"
    save_file({**load_file(path), name: torch.ones(4, 4), name.replace("_A", "_B"): torch.ones(4, 4)}, path)
    with pytest.raises(InvalidInput, match="linear layers|lm_head"):
        export_adapter(tmp_path / "adapter", tmp_path)
    assert not (tmp_path / "adapter" / "adapter.gguf").exists()


def test_a_folder_without_an_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"adapter_config\.json"):
        export_adapter(tmp_path, tmp_path)
