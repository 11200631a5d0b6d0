"""What a run trains, and the files it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.tiny import write_tiny_model
from tests.unit.tiny_learner import shift, token_row
from tuneloop.protocols import TrainingSpec
from tuneloop.training.decoder import load_decoder
from tuneloop.training.learner import Learner
from tuneloop.training.weights import Adapter, AllWeights, Weights, choose_weights

ROWS = [token_row([1, 2, 3], [4, 5]), token_row([1, 2, 3, 9], [6])]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "base")


def learner(base: Path, weights: Weights, dtype: torch.dtype = torch.float32) -> Learner:
    return Learner(load_decoder(base, torch.device("cpu"), dtype), weights, budget=512)


def saved(subject: Learner, weights: Weights, folder: Path) -> Path:
    folder.mkdir()
    weights.save(subject.model, folder)
    weights.finish(folder)
    return folder


def transformers_loss(folder: Path) -> float:
    auto: Any = AutoModelForCausalLM
    model = auto.from_pretrained(folder, dtype=torch.float32)
    losses = []
    for row in ROWS:
        tokens = torch.from_numpy(row.tokens)
        with torch.no_grad():
            logits = model(input_ids=tokens[None]).logits[0, :-1]
        loss = torch.nn.functional.cross_entropy(logits, tokens[1:], reduction="none")
        losses.append(loss[torch.from_numpy(row.weights[1:]) > 0])
    return float(torch.cat(losses).mean())


def test_every_weight_learns_and_the_whole_model_is_left(base: Path, tmp_path: Path) -> None:
    weights = AllWeights(base=base)
    subject = learner(base, weights)
    before = transformers_loss(base)
    assert subject.evaluate(ROWS).loss == pytest.approx(before, rel=1e-5)
    for _ in range(5):
        subject.step(ROWS, 0.01)
    folder = saved(subject, weights, tmp_path / "whole")
    # Kept in bfloat16.
    assert transformers_loss(folder) == pytest.approx(subject.evaluate(ROWS).loss, rel=0.05)
    assert transformers_loss(folder) < 0.5 * before
    changed = load_file(folder / "model.safetensors")
    original = load_file(base / "model.safetensors")
    assert changed.keys() == original.keys()
    assert all((changed[name].float() - original[name].float()).abs().max() > 0 for name in original)
    assert (folder / "model.gguf").read_bytes()[:4] == b"GGUF"
    auto: Any = AutoTokenizer
    assert auto.from_pretrained(folder).chat_template == auto.from_pretrained(base).chat_template


def test_every_weight_learns_in_bfloat16_from_float32(base: Path) -> None:
    subject = learner(base, AllWeights(base=base), torch.bfloat16)
    assert {parameter.dtype for parameter in subject.parameters} == {torch.float32}
    losses = [subject.step(ROWS, 0.003).loss for _ in range(10)]
    assert losses[-1] < 0.7 * losses[0]


def test_full_tuning_goes_on_from_an_adapter(base: Path, tmp_path: Path) -> None:
    first = Adapter(base=base, seed=0, rank=4, alpha=8, targets=("q_proj", "up_proj"))
    adapted = learner(base, first)
    shift(adapted, seed=1)
    folder = saved(adapted, first, tmp_path / "adapter")
    whole = learner(base, AllWeights(base=base, before=folder))
    assert whole.evaluate(ROWS).loss == pytest.approx(adapted.evaluate(ROWS).loss, rel=1e-5)
    again = learner(base, Adapter(base=base, seed=5, before=folder))
    assert again.evaluate(ROWS) == adapted.evaluate(ROWS)


def test_the_spec_chooses() -> None:
    spec = TrainingSpec(model="base", training_file="t", adapter="before", lora_targets=["q_proj"], seed=3)
    chosen = choose_weights(spec, 8, 4)
    assert chosen == Adapter(base=Path("base"), seed=3, rank=8, alpha=4, targets=("q_proj",), before=Path("before"))
    spec = TrainingSpec(model="base", training_file="t", tuning="full")
    assert choose_weights(spec, 8, 4) == AllWeights(base=Path("base"))
