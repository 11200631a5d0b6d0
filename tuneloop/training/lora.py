"""LoRA (Hu et al. 2021): a frozen matrix W plus a trained product of two thin ones, W + (alpha / rank) B A.

Kept in peft's file format, but not trained through peft's layers: here the products run in the type of the frozen
weights (bfloat16) from a float32 master copy, and are added in place.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

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
        out: Tensor = cast(Any, _LoraProduct).apply(flat, self.linear.weight, self.a, self.b, self.scale)
        if self.linear.bias is not None:
            out = out + self.linear.bias
        return out.view(*x.shape[:-1], -1)


def add_lora(model: nn.Module, seed: int, rank: int = RANK, alpha: float = ALPHA) -> None:
    """Freeze `model` and give each linear layer, except the output embedding, a LoRA that changes nothing yet."""
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    head = cast(Any, model).get_output_embeddings()
    linears = [
        (name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.Linear) and layer is not head
    ]
    for name, linear in linears:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, LoraLinear(linear, rank, alpha, generator))


def lora_layers(model: nn.Module) -> Iterator[tuple[str, LoraLinear]]:
    """The layers with a LoRA, by name."""
    return ((name, layer) for name, layer in model.named_modules() if isinstance(layer, LoraLinear))


def save_adapter(model: nn.Module, folder: Path, base: str) -> None:
    """Write adapter_config.json and adapter_model.safetensors (float32) as peft has them, into an existing folder."""
    layers = dict(lora_layers(model))
    tensors = {}
    for name, layer in layers.items():
        tensors[f"{_PREFIX}{name}.lora_A.weight"] = layer.a.detach().cpu().contiguous()
        tensors[f"{_PREFIX}{name}.lora_B.weight"] = layer.b.detach().cpu().contiguous()
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    first = next(iter(layers.values()))
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": first.a.shape[0],
        "lora_alpha": first.scale * first.a.shape[0],
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted({name.rpartition(".")[2] for name in layers}),
        "inference_mode": True,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def adapter_config(folder: Path) -> dict[str, Json]:
    """The adapter_config.json of a peft folder. Raises InvalidInput when it is no LoRA that can be trained on."""
    config: dict[str, Json] = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    if config.get("peft_type") != "LORA" or config.get("use_dora") or config.get("use_rslora"):
        raise InvalidInput(f"the adapter in {folder} is not a plain LoRA", param="model")
    return config


def load_adapter(model: nn.Module, folder: Path) -> None:
    """Set the LoRA of `model` to what save_adapter wrote. Raises InvalidInput when it does not fit."""
    tensors = load_file(folder / "adapter_model.safetensors")
    try:
        with torch.no_grad():
            for name, layer in lora_layers(model):
                layer.a.copy_(tensors[f"{_PREFIX}{name}.lora_A.weight"])
                layer.b.copy_(tensors[f"{_PREFIX}{name}.lora_B.weight"])
    except (KeyError, RuntimeError) as error:
        raise InvalidInput(f"the adapter in {folder} does not fit the base model: {error}", param="model") from None
