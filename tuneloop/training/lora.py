"""LoRA (Hu et al. 2021): a frozen matrix W plus a trained product of two thin ones, W + (alpha / rank) B A.

Kept in peft's file format, but not trained through peft's layers: here the products run in the type of the frozen
weights (bfloat16) from a float32 master copy, and are added in place.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tuneloop.errors import InvalidInput
from tuneloop.types import Json

RANK = 16
ALPHA = 32

_PREFIX = "base_model.model."


class _LoraProduct(torch.autograd.Function):
    """x W' + scale (x A') B' for x (n, in), W (out, in), A (rank, in), B (out, rank); W is frozen."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
        low_a, low_b = a.to(x.dtype), b.to(x.dtype)
        inner = x @ low_a.T
        out = (x @ weight.T).addmm_(inner, low_b.T, alpha=scale)
        ctx.save_for_backward(x, weight, low_a, low_b, inner)
        ctx.scale = scale
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, inner = ctx.saved_tensors
        grad = grads[0]
        grad_inner = (grad @ b).mul_(ctx.scale)
        grad_x = (grad @ weight).addmm_(grad_inner, a) if ctx.needs_input_grad[0] else None
        grad_a = (grad_inner.T @ x).float()
        grad_b = (grad.T @ inner).mul_(ctx.scale).float()
        return grad_x, None, grad_a, grad_b, None


class LoraLinear(nn.Module):
    """A frozen linear layer with a trained low-rank addition."""

    def __init__(self, linear: nn.Linear, rank: int, alpha: float, generator: torch.Generator) -> None:
        super().__init__()
        self.linear = linear
        self.scale = alpha / rank
        bound = 1 / math.sqrt(linear.in_features)
        a = torch.empty(rank, linear.in_features).uniform_(-bound, bound, generator=generator)
        self.a = nn.Parameter(a.to(linear.weight.device))
        self.b = nn.Parameter(torch.zeros(linear.out_features, rank, device=linear.weight.device))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        flat = x.reshape(-1, x.shape[-1])
        out: Tensor = _LoraProduct.apply(flat, self.linear.weight, self.a, self.b, self.scale)
        if self.linear.bias is not None:
            out = out + self.linear.bias
        return out.view(*x.shape[:-1], -1)


def add_lora(model: nn.Module, seed: int, rank: int = RANK, alpha: float = ALPHA) -> None:
    """Freeze `model` and give each linear layer, except the output embedding, a LoRA that changes nothing yet."""
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    linears = [
        (name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.Linear) and layer is not head
    ]
    for name, linear in linears:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, LoraLinear(linear, rank, alpha, generator))


def lora_layers(model: nn.Module) -> Iterator[tuple[str, LoraLinear]]:
    """The layers with a LoRA, by name."""
    return ((name, layer) for name, layer in model.named_modules() if isinstance(layer, LoraLinear))
