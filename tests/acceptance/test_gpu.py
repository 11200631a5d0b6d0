"""On a GPU: the same losses and gradients as on a CPU, and how much faster. Run with `make test-gpu`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tests.unit.test_decoder import WORDS, adapted, separate_rows, tiny
from tuneloop.training.decoder import Decoder
from tuneloop.training.flex import Kernel, find_kernel
from tuneloop.training.learner import Learner
from tuneloop.training.lora import AdaptedLinear, lora_parameters
from tuneloop.training.loss import linear_cross_entropy
from tuneloop.training.tree import TokenRow, Tree, pack
from tuneloop.training.weights import Adapter

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]

GPU = torch.device("cuda")


def kernel_for(decoder: Decoder) -> Kernel:
    attention: Any = decoder.layers[0].attention
    heads, kv_heads, _ = (size // attention.width for size in attention.sizes)
    kernel = find_kernel(
        GPU, decoder.dtype, heads=heads, kv_heads=kv_heads, width=attention.width, softcap=attention.softcap
    )
    assert kernel is not None, "FlexAttention does not work here: see the log"
    return kernel


def conversation_rows() -> list[TokenRow]:
    """Rows of several blocks that share beginnings, with several supervised turns."""
    talk = np.random.default_rng(0).integers(0, WORDS, 900)
    weights = (np.arange(900) // 50 % 2).astype(np.float32)
    rows = [TokenRow(talk[:length], weights[:length]) for length in (300, 600, 900)]
    return [*rows, TokenRow(talk[::-1].copy(), weights)]


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text"])
def test_loss_and_gradients_are_those_of_the_separate_rows(family: str, dtype: torch.dtype, again: bool) -> None:
    """In float32; in bfloat16 they are no further from them than those of products over blocks."""
    decoder, peft = adapted(tiny(family, head_dim=16))
    rows = conversation_rows()
    loss, gradients = separate_rows(peft, rows)
    names = [
        f"base_model.model.{name}.lora_{part}.default.weight" for name, *_ in lora_parameters(decoder) for part in "AB"
    ]
    expected = torch.cat([gradients[name].flatten() for name in names])
    on_gpu(decoder, dtype)
    decoder.limit = 0 if again else float("inf")

    def errors(kernel: Kernel | None) -> tuple[float, float]:
        decoder.flex = kernel
        found_loss, found = loss_and_gradients(decoder, pack(rows))
        return abs(found_loss / loss.item() - 1), float((found - expected).norm() / expected.norm())

    most = (2e-4, 1e-3) if dtype == torch.float32 else tuple(1.5 * error + 0.01 for error in errors(None))
    found = errors(kernel_for(decoder))
    assert found[0] < most[0]
    assert found[1] < most[1]


def on_gpu(decoder: Decoder, dtype: torch.dtype) -> None:
    """With its frozen matrices in a type."""
    for part in decoder.modules():
        if isinstance(part, AdaptedLinear):
            part.weight.data = part.weight.data.to(dtype)
    decoder.embedding.to(dtype)
    decoder.output.to(dtype)
    decoder.dtype = dtype
    decoder.to(GPU)


def loss_and_gradients(model: Decoder, tree: Tree) -> tuple[float, torch.Tensor]:
    """The gradients of all LoRA factors in a row."""
    model.zero_grad(set_to_none=True)
    targets, weights = torch.from_numpy(tree.targets).to(GPU), torch.from_numpy(tree.weights).to(GPU)
    loss, _ = linear_cross_entropy(model(tree), model.head, targets, weights, model.softcap)
    loss.backward()  # type: ignore[no-untyped-call]
    found = [parameter.grad for _, a, b in lora_parameters(model) for parameter in (a, b)]
    return loss.item(), torch.cat([gradient.cpu().flatten() for gradient in found if gradient is not None])


def test_weights_in_4_bits_train_as_the_weights_they_stand_for() -> None:
    pytest.importorskip("bitsandbytes")
    from tests.unit.test_quantized import decoder

    tree = pack(conversation_rows())
    losses = []
    for quantized in (True, False):
        model = decoder(quantized=False).to(GPU)
        for part in model.modules():
            if isinstance(part, AdaptedLinear):
                part.quantize(GPU)
                if not quantized:
                    part.weight, part.four_bit = torch.nn.Parameter(part.dense, requires_grad=False), None
        losses.append(loss_and_gradients(model, tree)[0])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is but one GPU")
def test_a_team_computes_what_one_process_does() -> None:
    command = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "tests.acceptance.team_member",
    ]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_tokens_per_second(capsys: pytest.CaptureFixture[str]) -> None:
    """A model of the size of SmolLM2-135M, 16 rows of 400 tokens of which 300 are shared."""
    tokens = np.random.default_rng(0).integers(0, 49152, (16, 400))
    tokens[:, :300] = tokens[0, :300]
    rows = [TokenRow(one, (np.arange(400) >= 300).astype(np.float32)) for one in tokens]
    speeds = {device: tokens_per_second(torch.device(device), rows) for device in ("cpu", "cuda")}
    with capsys.disabled():
        print(f"\n{torch.cuda.get_device_name()}: {speeds['cuda']:,.0f} tokens/s; the CPU: {speeds['cpu']:,.0f}")
    assert speeds["cuda"] > 3 * speeds["cpu"]


def tokens_per_second(device: torch.device, rows: list[TokenRow]) -> float:
    """Of training, tokens that are shared counted each time."""
    config = AutoConfig.for_model(
        "llama",
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        tie_word_embeddings=True,
    )
    auto: Any = AutoModelForCausalLM
    decoder = Decoder(auto.from_config(config, attn_implementation="eager").to(torch.bfloat16)).to(device)
    if device.type == "cuda":
        decoder.flex = kernel_for(decoder)
    learner = Learner(decoder, Adapter(base=Path(), seed=0), budget=4096)
    learner.step(rows, 1e-4)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        learner.step(rows, 1e-4)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return sum(len(row.tokens) for row in rows) / min(seconds)
