"""A tiny model that learns, and the same model as transformers has it: the judge of losses and gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.func import functional_call

from tests.tiny import tiny_llama
from tuneloop.training.decoder import Decoder
from tuneloop.training.learner import Learner
from tuneloop.training.lora import lora_parameters
from tuneloop.training.objectives import Objective
from tuneloop.training.tree import TokenRow
from tuneloop.training.weights import Adapter

# More threads would only wait for each other over models this small.
torch.set_num_threads(1)

#: alpha / rank of a LoRA where nothing else is said
_SCALE = 2.0

#: few different tokens, so that rows share beginnings of all lengths
TOKENS = st.lists(st.integers(0, 3), min_size=1, max_size=8)


def learner(budget: int = 4096, objective: Objective | None = None) -> Learner:
    """A tiny model in float32 whose LoRA already changes something."""
    made = Learner(Decoder(tiny_llama()), Adapter(base=Path(), seed=1), budget=budget, objective=objective)
    shift(made, seed=2)
    return made


def shift(learner: Learner, seed: int) -> None:
    """Give what is trained other values."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in learner.parameters:
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))


def token_row(prompt: list[int], answer: list[int], weight: float = 1.0) -> TokenRow:
    """A row in which the answer is learnt."""
    weights = np.zeros(len(prompt) + len(answer), dtype=np.float32)
    weights[len(prompt) :] = weight
    return TokenRow(np.array([*prompt, *answer]), weights)


def separate_losses(learner: Learner, row: TokenRow, temperature: float = 1.0) -> Tensor:
    """Of each token of a row but the first (tokens - 1,): from transformers' model, the row alone, full logits."""
    model: Any = tiny_llama()
    weights = dict(model.named_parameters())
    adapted = {
        f"{name}.weight": weights[f"{name}.weight"].detach() + _SCALE * b @ a
        for name, a, b in lora_parameters(learner.model)
    }
    inputs = {"input_ids": torch.from_numpy(row.tokens)[None], "use_cache": False}
    logits = functional_call(model, adapted, kwargs=inputs).logits[0, :-1]
    return torch.nn.functional.cross_entropy(logits / temperature, torch.from_numpy(row.tokens[1:]), reduction="none")


def assert_same_gradients(learner: Learner, loss: Tensor, terms: Tensor | None = None) -> None:
    """What the learner has accumulated is the gradient of `loss`, to 1e-4 of its size in each parameter.

    `terms` (n,) are what the loss is made of where their gradients may cancel out: what is left is their rounding.
    """
    gradients = torch.autograd.grad(loss, learner.parameters, retain_graph=True)
    parts = loss[None] if terms is None else terms
    rounding = 5e-6 * sum(float(_flat_gradient(learner, part).norm()) for part in parts)
    for parameter, expected in zip(learner.parameters, gradients, strict=True):
        assert parameter.grad is not None
        assert (parameter.grad - expected).norm() <= 1e-4 * expected.norm() + rounding


def _flat_gradient(learner: Learner, loss: Tensor) -> Tensor:
    gradients = torch.autograd.grad(loss, learner.parameters, retain_graph=True)
    return torch.cat([gradient.flatten() for gradient in gradients])
