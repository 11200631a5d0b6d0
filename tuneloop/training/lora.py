"""LoRA (Hu et al. 2021): a frozen matrix W plus a trained product of two thin ones, W + (alpha / rank) B A.

Kept in peft's file format, but not trained through peft's layers: here layers that read the same input are one product,
the thin products of all of them are two, they run in the type of the frozen weights (bfloat16) from a float32 master
copy. What they add is added before anything is rounded: to a sum that is bfloat16 already, everything smaller than half
of its last digit would be lost, and that is all that a LoRA adds in its first steps.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import pad

from tuneloop.errors import InvalidInput
from tuneloop.training.quantized import FourBit
from tuneloop.types import Json

_PREFIX = "base_model.model."


class _Product(torch.autograd.Function):
    """x W' + (x A') B' + base, as one product [x, x A'] [W, B]', rounded once.

    x (n, in), W (out, in), A (r, in), B (out, r), base (n, out), (out,) or None. `wide` is [W, B] without the B yet,
    where the weights are kept so.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | FourBit,
        a: Tensor | None,
        b: Tensor | None,
        base: Tensor | None,
        wide: Tensor | None,
    ) -> Tensor:
        ctx.four_bit = weight if isinstance(weight, FourBit) else None
        ctx.width, ctx.vector_base = x.shape[1], base is not None and base.dim() == 1
        if a is not None and b is not None:
            x = torch.cat([x, x @ a.T], dim=1)
            if wide is None:
                wide = torch.cat([_dense(weight, x.dtype), b], dim=1)
            else:
                wide[:, ctx.width :] = b
        else:
            wide = _dense(weight, x.dtype)
        ctx.save_for_backward(x, weight if ctx.four_bit is None else None, a, b)
        return x @ wide.T if base is None else torch.addmm(base, x, wide.T)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        both, weight, a, b = ctx.saved_tensors
        x, inner = both[:, : ctx.width], both[:, ctx.width :]
        grad = grads[0]
        needs_x, needs_weight, needs_a, _, needs_base, _ = ctx.needs_input_grad
        grad_x = grad @ _dense(ctx.four_bit or weight, x.dtype) if needs_x else None
        grad_a = grad_b = None
        if needs_a:
            grad_inner = grad @ b
            grad_a, grad_b = grad_inner.T @ x, grad.T @ inner
            if grad_x is not None:
                grad_x.addmm_(grad_inner, a)
        grad_weight = grad.T @ x if needs_weight else None
        grad_base = (grad.sum(dim=0) if ctx.vector_base else grad) if needs_base else None
        return grad_x, grad_weight, grad_a, grad_b, grad_base, None


class AdaptedLinear(nn.Module):
    """Linear layers of the same input side by side: one product, and a low-rank addition for each that is adapted."""

    def __init__(self, layers: Mapping[str, nn.Linear]) -> None:
        """`layers` by their names in the model; their weights are copied, not kept."""
        super().__init__()
        self.sizes = {name: layer.out_features for name, layer in layers.items()}
        self.weight = nn.Parameter(torch.cat([layer.weight.detach() for layer in layers.values()]), requires_grad=False)
        biases = [layer.bias for layer in layers.values()]
        self.bias = (
            nn.Parameter(torch.cat([bias.detach() for bias in biases]), requires_grad=False)
            if all(bias is not None for bias in biases)
            else None
        )
        #: the weights, where they are kept in 4 bits; `weight` has no rows then
        self.four_bit: FourBit | None = None
        self.adapted: list[str] = []
        self.scale = 1.0
        #: the weights with room for B beside them, (out, in + r); `weight` is a view of it then
        self.wide: Tensor | None = None
        self.a, self.b = nn.ParameterList(), nn.ParameterList()

    def adapt(self, names: Collection[str], rank: int, alpha: float, generator: torch.Generator) -> None:
        """Give the named layers a LoRA that changes nothing yet."""
        self.adapted, self.scale = list(names), alpha / rank
        width, device = self.weight.shape[1], self.weight.device
        for name in names:
            bound = 1 / math.sqrt(width)
            a = torch.empty(rank, width).uniform_(-bound, bound, generator=generator)
            self.a.append(nn.Parameter(a.to(device)))
            self.b.append(nn.Parameter(torch.zeros(self.sizes[name], rank, device=device)))
        # A weight in 4 bits, or in parts on several processes, is put together for each product.
        if names and self.four_bit is None and type(self.weight) is nn.Parameter:
            self.wide = self.weight.new_zeros(self.outputs, width + rank * len(self.adapted))
            self.wide[:, :width] = self.weight.detach()
            self.weight.data = self.wide[:, :width]

    def quantize(self, device: torch.device) -> None:
        """Keep the weights on `device` in 4 bits from now on."""
        self.four_bit = FourBit(self.weight.detach().to(device))
        self.weight = nn.Parameter(self.weight.detach()[:0].clone(), requires_grad=False)

    @property
    def dense(self) -> Tensor:
        """The weights of all layers, (out, in)."""
        return self.weight if self.four_bit is None else self.four_bit.dense()

    @torch.no_grad()
    def merge(self) -> None:
        """Make the LoRA part of the weights, and end it."""
        if self.adapted:
            a, b = self._factors(torch.float32)
            if a is not None and b is not None:
                self.weight.add_((b @ a).to(self.weight.dtype))
        self.adapted, self.a, self.b, self.wide = [], nn.ParameterList(), nn.ParameterList(), None
        self.weight.data = self.weight.data.contiguous()

    @property
    def outputs(self) -> int:
        """Numbers that come out for each token."""
        return sum(self.sizes.values())

    def named_weights(self) -> Iterator[tuple[str, Tensor]]:
        """Names in transformers' model and values of each layer's weight and bias, without the LoRA."""
        sizes = list(self.sizes.values())
        for name, weight in zip(self.sizes, torch.split(self.weight, sizes), strict=True):
            yield f"{name}.weight", weight
        if self.bias is not None:
            for name, bias in zip(self.sizes, torch.split(self.bias, sizes), strict=True):
                yield f"{name}.bias", bias

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """(n, in) -> (n, out of all layers), plus `residual` (n, out)."""
        a, b = self._factors(x.dtype)
        base = residual if self.bias is None else self.bias.to(x.dtype)
        weight = self.weight.to(x.dtype) if self.four_bit is None else self.four_bit
        out: Tensor = cast(Any, _Product).apply(x, weight, a, b, base, self.wide)
        return out if residual is None or base is residual else out + residual

    def _factors(self, dtype: torch.dtype) -> tuple[Tensor | None, Tensor | None]:
        """The A of all adapted layers (r, in) and their B in blocks on a diagonal (out, r), in the products' type."""
        if not self.adapted:
            return None, None
        rank = self.a[0].shape[0]
        width = rank * len(self.adapted)
        blocks = []
        for name, size in self.sizes.items():
            if name in self.adapted:
                index = self.adapted.index(name)
                blocks.append(pad(self.scale * self.b[index], (rank * index, width - rank * (index + 1))))
            else:
                blocks.append(self.b[0].new_zeros(size, width))
        return torch.cat(list(self.a)).to(dtype), torch.cat(blocks).to(dtype)


def add_lora(model: nn.Module, seed: int, rank: int = 16, alpha: float = 32, targets: Collection[str] = ()) -> None:
    """Give the linear layers of `model` whose last name is in `targets` (all, if that is empty) a LoRA.

    Raises InvalidInput when a target names no layer.
    """
    generator = torch.Generator().manual_seed(seed)
    found: set[str] = set()
    for module in model.modules():
        if isinstance(module, AdaptedLinear):
            names = [name for name in module.sizes if not targets or _last(name) in targets]
            module.adapt(names, rank, alpha, generator)
            found.update(map(_last, module.sizes))
    if unknown := set(targets) - found:
        message = f"the model has no linear layer {sorted(unknown)[0]!r}; it has {', '.join(sorted(found))}"
        raise InvalidInput(message, param="lora_targets")


def lora_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Parameter]]:
    """Name, A (rank, in) and B (out, rank) of each adapted layer."""
    for module in model.modules():
        if isinstance(module, AdaptedLinear):
            yield from zip(module.adapted, module.a, module.b, strict=True)


def save_adapter(model: nn.Module, folder: Path, base: str) -> None:
    """Write adapter_config.json and adapter_model.safetensors (float32) as peft has them, into an existing folder."""
    tensors, names = {}, set()
    for name, a, b in lora_parameters(model):
        names.add(_last(name))
        tensors[f"{_PREFIX}{name}.lora_A.weight"] = a.detach().cpu().contiguous()
        tensors[f"{_PREFIX}{name}.lora_B.weight"] = b.detach().cpu().contiguous()
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    adapted = next(module for module in model.modules() if isinstance(module, AdaptedLinear) and module.adapted)
    rank = adapted.a[0].shape[0]
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": adapted.scale * rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted(names),
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
            for name, a, b in lora_parameters(model):
                a.copy_(tensors[f"{_PREFIX}{name}.lora_A.weight"])
                b.copy_(tensors[f"{_PREFIX}{name}.lora_B.weight"])
    except (KeyError, RuntimeError) as error:
        raise InvalidInput(f"the adapter in {folder} does not fit the base model: {error}", param="model") from None


def _dense(weight: Tensor | FourBit, dtype: torch.dtype) -> Tensor:
    return weight.dense().to(dtype) if isinstance(weight, FourBit) else weight


def _last(name: str) -> str:
    return name.rpartition(".")[2]
