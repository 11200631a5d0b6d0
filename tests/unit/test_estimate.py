"""What a run is said to need before it begins."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.unit.tiny_learner import learner, token_row
from tuneloop.training.estimate import arithmetic, estimate
from tuneloop.training.machine import peak_memory
from tuneloop.training.tree import TokenRow, pack


def rows(length: int, count: int = 4) -> list[TokenRow]:
    numbers = np.random.default_rng(length).integers(0, 250, (count, length))
    return [token_row(list(tokens[:-2]), list(tokens[-2:])) for tokens in numbers]


def test_an_estimate_grows_with_the_work_and_changes_nothing() -> None:
    subject = learner()
    held = peak_memory(torch.device("cpu"))
    before = [parameter.clone() for parameter in subject.parameters]
    batches = [rows(20), rows(120), rows(60)]
    once = estimate(subject, batches, n_epochs=1, seconds_to_evaluate=0.0)
    assert once.seconds > 0
    assert once.distinct_tokens == sum(len(pack(batch).tokens) for batch in batches)
    assert held < once.bytes <= 1.2 * peak_memory(torch.device("cpu")) + 8 * sum(one.numel() for one in before)
    assert all(torch.equal(*pair) for pair in zip(before, subject.parameters, strict=True))
    assert not subject.gradient.any()
    often = estimate(subject, batches, n_epochs=3, seconds_to_evaluate=1000.0)
    assert often.seconds > 3000 + once.seconds


def test_the_arithmetic_of_a_step_is_counted() -> None:
    model = learner().model
    # Two layers: matrices of 32 x (32 + 16 + 16) and 32 x 32, of 32 x 64 three times; 258 words; 2 targets.
    tree = pack([token_row([0, 1, 2], [3, 4])])
    matrices = 2 * (32 * 64 + 32 * 32 + 3 * 32 * 64)
    pairs = 1 + 2 + 3 + 4 + 5
    assert arithmetic(model, tree) == pytest.approx(2 * 5 * matrices + 2.4 * 6 * pairs * 2 * 32 + 2 * 2 * 258 * 32)
