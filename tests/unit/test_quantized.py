"""Weights in 4 bits: as exact as NormalFloat4 is, and trained on as the weights that they stand for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from tests.tiny import tiny_llama, write_tiny_model
from tests.unit.tiny_learner import token_row
from tuneloop.errors import InvalidInput
from tuneloop.training.decoder import Decoder
from tuneloop.training.lora import AdaptedLinear, add_lora, lora_parameters
from tuneloop.training.loss import linear_cross_entropy
from tuneloop.training.quantized import FourBit
from tuneloop.training.records import EventLog, read_metrics
from tuneloop.training.run import train
from tuneloop.training.tree import Tree, pack

pytest.importorskip("bitsandbytes")

CPU = torch.device("cpu")

#: from appendix E of the paper
LEVELS = [
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
]


def weight(*shape: int) -> torch.Tensor:
    return 0.02 * torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_numbers_are_the_nearest_of_16_levels(dtype: torch.dtype) -> None:
    given = weight(96, 128).to(dtype)
    kept = FourBit(given).dense()
    assert (kept.dtype, kept.shape) == (dtype, given.shape)
    blocks = given.float().view(-1, 64)
    largest = blocks.abs().amax(dim=1, keepdim=True)
    levels = torch.tensor(LEVELS)
    nearest = levels[(blocks[..., None] / largest[..., None] - levels).abs().argmin(dim=-1)] * largest
    # Scales in 8 bits are off by 1 %, bfloat16 by 0.4 %.
    assert ((kept.float().view(-1, 64) - nearest).abs() <= 0.015 * largest).all()
    error = (kept.float() - given.float()).norm() / given.float().norm()
    assert error == pytest.approx(float((nearest - blocks).norm() / blocks.norm()), rel=0.02)


def test_a_number_takes_little_more_than_4_bits() -> None:
    assert 4.1 < 8 * FourBit(weight(1024, 1024)).nbytes / 1024**2 < 4.15


def decoder(*, quantized: bool) -> Decoder:
    """In 4 bits, or with the weights that those stand for."""
    made = Decoder(tiny_llama())
    for part in made.modules():
        if isinstance(part, AdaptedLinear) and quantized:
            part.quantize(CPU)
        elif isinstance(part, AdaptedLinear):
            part.weight.copy_(FourBit(part.weight).dense())
    add_lora(made, seed=0, rank=4)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for _, _, b in lora_parameters(made):
            b.copy_(0.1 * torch.randn(b.shape, generator=generator))
    return made


@pytest.mark.parametrize("limit", [float("inf"), 0])
def test_loss_and_gradients_are_those_of_the_weights_it_stands_for(limit: float) -> None:
    tree = pack([token_row([5, 6, 7], [8, 9]), token_row([5, 6, 7], [10])])
    losses, gradients = [], []
    for quantized in (True, False):
        model = decoder(quantized=quantized)
        model.limit = limit
        targets, weights = torch.from_numpy(tree.targets), torch.from_numpy(tree.weights)
        loss, _ = linear_cross_entropy(model(tree), model.head, targets, weights)
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.item())
        gradients.append([part.grad for _, a, b in lora_parameters(model) for part in (a, b)])
    assert losses[0] == losses[1]
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_full_weights_are_let_go() -> None:
    tree = pack([token_row([1, 2, 3], [4])])
    model = decoder(quantized=False)
    shapes = {part.weight.shape for part in model.modules() if isinstance(part, AdaptedLinear)}
    assert shapes <= kept(model, tree)
    assert not shapes & kept(decoder(quantized=True), tree)


def kept(model: Decoder, tree: Tree) -> set[torch.Size]:
    """Shapes of what is there between the way forward and that back."""
    found = {part.shape for part in model.parameters()}

    def look(tensor: torch.Tensor) -> torch.Tensor:
        found.add(tensor.shape)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(look, lambda tensor: tensor):
        model(tree)
    return found


def test_a_run_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        {"messages": [{"role": "user", "content": str(index)}, {"role": "assistant", "content": "odd"}]}
        for index in range(12)
    ]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
    spec = {
        "model": str(write_tiny_model(tmp_path / "model")),
        "training_file": str(tmp_path / "train.jsonl"),
        "n_epochs": 3,
        "threads": 1,
        "quantize": True,
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    events = tmp_path / "events.jsonl"
    with monkeypatch.context() as without, pytest.raises(InvalidInput, match="bitsandbytes"):
        without.setitem(sys.modules, "bitsandbytes.functional", None)
        train(tmp_path, EventLog(events), lambda: False)
    train(tmp_path, EventLog(events), lambda: False)
    losses = [one["train_loss"] for one in read_metrics(events)]
    assert losses[-1] < losses[0]
    # Served as every adapter, on the base model as it is.
    assert {"adapter.gguf", "adapter_model.safetensors"} <= {path.name for path in (tmp_path / "adapter").iterdir()}


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes.functional", None)
    with pytest.raises(InvalidInput, match=r"pip install 'tuneloop\[qlora\]'") as error:
        FourBit(weight(64, 64))
    assert error.value.param == "quantize"
