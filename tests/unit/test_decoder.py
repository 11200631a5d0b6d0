"""Our layers compute the same models as transformers' and peft's, for a tree as for its separate rows."""

from __future__ import annotations

import copy
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from tests.tiny import write_tiny_model
from tuneloop.errors import InvalidInput
from tuneloop.training.decoder import Decoder, load_decoder
from tuneloop.training.lora import AdaptedLinear, add_lora, lora_parameters
from tuneloop.training.loss import linear_cross_entropy
from tuneloop.training.tree import TokenRow, pack

torch.set_num_threads(1)

WORDS = 40
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {"rope_scaling": {"rope_type": "linear", "factor": 2.0}},
    "mistral": {"sliding_window": 5},
    "qwen2": {"tie_word_embeddings": False},
    "qwen3": {},
    "gemma": {},
    "gemma2": {"sliding_window": 5, "query_pre_attn_scalar": 16},
    "gemma3_text": {"sliding_window": 5, "query_pre_attn_scalar": 16},
}

# Conversations that share prefixes, some of them long, some rows alone, some twice, some that begin differently.
TOKENS = st.lists(st.integers(0, 2), min_size=1, max_size=8)
ROWS = st.lists(
    st.tuples(st.sampled_from([0, 5, 30]), TOKENS, TOKENS, st.sampled_from([0.5, 1.0])), min_size=1, max_size=5
)


def row(prefix: int, context: list[int], answer: list[int], weight: float) -> TokenRow:
    tokens = np.array([*range(3, 3 + prefix), *context, *answer])
    weights = np.zeros(len(tokens), dtype=np.float32)
    weights[len(tokens) - len(answer) :] = weight
    return TokenRow(tokens, weights)


def tiny(family: str, **more: Any) -> Any:
    """A random model of four layers in float32, weights large enough that every error shows."""
    config = AutoConfig.for_model(
        family,
        vocab_size=WORDS,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        **({"head_dim": 8, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1} | FAMILIES.get(family, {}) | more),
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        auto: Any = AutoModelForCausalLM
        model = auto.from_config(config, attn_implementation="eager").float().eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn_like(parameter) * 0.2 + (parameter.ndim == 1) * 0.5)
    return model


def adapted(model: Any) -> tuple[Decoder, Any]:
    """Our decoder and peft's model with the same random LoRA on all linear layers."""
    linear = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peft = get_peft_model(copy.deepcopy(model), LoraConfig(r=4, lora_alpha=8, target_modules=linear))
    decoder = Decoder(model)
    add_lora(decoder, seed=0, rank=4, alpha=8)
    modules = dict(peft.named_modules())
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, a, b in lora_parameters(decoder):
            b.copy_(0.2 * torch.randn(b.shape, generator=generator))
            layer = modules[f"base_model.model.{name}"]
            layer.lora_A["default"].weight.copy_(a)
            layer.lora_B["default"].weight.copy_(b)
    return decoder, peft


def separate_rows(peft: Any, rows: list[TokenRow]) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and gradients by peft's name, each row by itself, from full logits."""
    peft.zero_grad(set_to_none=True)
    loss = torch.zeros(())
    for one in rows:
        if len(one.tokens) > 1:
            logits = peft(input_ids=torch.from_numpy(one.tokens)[None], use_cache=False).logits[0, :-1]
            losses = torch.nn.functional.cross_entropy(logits, torch.from_numpy(one.tokens[1:]), reduction="none")
            loss = loss + (losses * torch.from_numpy(one.weights[1:])).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach(), {name: p.grad for name, p in peft.named_parameters() if p.grad is not None}


def tree_loss(decoder: Decoder, rows: list[TokenRow]) -> Tensor:
    tree = pack(rows)
    decoder.zero_grad(set_to_none=True)
    hidden, targets, weights = decoder(tree), torch.from_numpy(tree.targets), torch.from_numpy(tree.weights)
    loss, _ = linear_cross_entropy(hidden, decoder.head, targets, weights, decoder.softcap)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def assert_same(decoder: Decoder, peft: Any, rows: list[TokenRow]) -> None:
    expected, gradients = separate_rows(peft, rows)
    torch.testing.assert_close(tree_loss(decoder, rows), expected, rtol=1e-5, atol=1e-6)
    # A gradient that is zero because its terms cancel out is the rounding of those terms.
    rounding = 5e-6 * torch.cat([gradient.flatten() for gradient in gradients.values()]).norm()
    for name, *pair in lora_parameters(decoder):
        for part, parameter in zip("AB", pair, strict=True):
            gradient = gradients[f"base_model.model.{name}.lora_{part}.default.weight"]
            assert parameter.grad is not None
            assert (parameter.grad - gradient).norm() <= 1e-4 * gradient.norm() + rounding, name


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request: pytest.FixtureRequest) -> tuple[Decoder, Any]:
    return adapted(tiny(request.param))


@settings(max_examples=8, deadline=None)
@given(ROWS)
def test_loss_and_gradients_are_those_of_the_separate_rows(pair: tuple[Decoder, Any], drawn: list[Any]) -> None:
    rows = [row(*one) for one in drawn]
    if any(one.weights[1:].any() for one in rows):
        assert_same(*pair, rows)


def test_nested_conversations_with_several_supervised_turns(pair: tuple[Decoder, Any]) -> None:
    talk = np.random.default_rng(0).integers(0, WORDS, 60)
    weights = (np.arange(60) // 10 % 2).astype(np.float32)
    rows = [TokenRow(talk[:length], weights[:length]) for length in (20, 40, 60)]
    rows.append(TokenRow(talk[::-1].copy(), weights))
    assert_same(*pair, rows)


def test_computing_layers_again_changes_nothing(pair: tuple[Decoder, Any]) -> None:
    decoder, peft = pair
    decoder.limit = 0
    try:
        assert_same(decoder, peft, [row(5, [1, 2], [0, 1], 1.0), row(5, [1], [2], 1.0)])
    finally:
        decoder.limit = math.inf


def test_trees_of_several_blocks_are_exact() -> None:
    decoder, peft = adapted(tiny("llama"))
    numbers = np.random.default_rng(0).integers(0, WORDS, (4, 500))
    numbers[1:, :300] = numbers[0, :300]
    numbers[3, :450] = numbers[2, :450]
    assert_same(decoder, peft, [TokenRow(tokens, np.ones(500, dtype=np.float32)) for tokens in numbers])


def test_all_weights_can_be_trained(pair: tuple[Decoder, Any]) -> None:
    model = tiny(pair[0].config.model_type)
    decoder, rows = Decoder(copy.deepcopy(model)), [row(5, [1, 2], [0, 1], 1.0), row(5, [1], [2], 1.0)]
    parameters = decoder.train_everything()
    loss, gradients = separate_rows(model, rows)
    torch.testing.assert_close(tree_loss(decoder, rows), loss)
    for name, weight in decoder.named_weights():
        torch.testing.assert_close(weight, model.get_parameter(name))
    # Gradients of weights side by side lie side by side.
    for parameter in parameters:
        assert parameter.grad is not None
        parameter.data = parameter.grad
    names = {name for name, _ in decoder.named_weights()}
    assert names == set(dict(model.named_parameters())) == set(gradients)
    for name, gradient in decoder.named_weights():
        assert (gradient - gradients[name]).norm() <= 1e-4 * gradients[name].norm() + 1e-6, name


def test_only_named_layers_are_adapted() -> None:
    decoder = Decoder(tiny("llama"))
    add_lora(decoder, seed=0, targets=["q_proj", "v_proj", "down_proj"])
    assert {name.rpartition(".")[2] for name, *_ in lora_parameters(decoder)} == {"q_proj", "v_proj", "down_proj"}
    tree_loss(decoder, [row(5, [1, 2], [0, 1], 1.0)])
    assert all(b.grad is not None and b.grad.any() for _, _, b in lora_parameters(decoder))
    with pytest.raises(InvalidInput, match="no linear layer 'query'; it has down_proj"):
        add_lora(Decoder(tiny("llama")), seed=0, targets=["query"])


def test_models_that_would_be_trained_wrongly_are_refused(tmp_path: Path) -> None:
    for family, more in (("granite", {"residual_multiplier": 0.5}), ("gpt2", {})):
        tiny(family, **more).save_pretrained(tmp_path / family)
        with pytest.raises(InvalidInput, match=f"models of type '{family}' cannot be tuned"):
            load_decoder(tmp_path / family, torch.device("cpu"), torch.float32)


def test_bfloat16_stays_near_float32(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path)
    rows = [row(5, [1, 2, 3], [4, 5, 6], 1.0), row(5, [1, 2, 3], [7, 8], 1.0)]
    losses = []
    for dtype in (torch.float32, torch.bfloat16):
        decoder = load_decoder(folder, torch.device("cpu"), dtype)
        add_lora(decoder, seed=0)
        losses.append(tree_loss(decoder, rows).item())
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_what_a_lora_adds_is_not_lost_in_rounding() -> None:
    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.Linear(64, 64, bias=False, dtype=torch.bfloat16)
    x = torch.randn(512, 64, generator=generator).to(torch.bfloat16)
    module = AdaptedLinear({"layer": layer})
    before = module(x).float()
    module.adapt(["layer"], 4, 8, generator)
    with torch.no_grad():
        # A hundredth of the last digit of a result.
        module.b[0].copy_(1e-5 * torch.randn(64, 4, generator=generator))
        added = 2.0 * x.float() @ module.a[0].T @ module.b[0].T
        found = module(x).float() - before
    assert ((found * added).sum() / added.square().sum()).item() == pytest.approx(1.0, abs=0.3)
