"""The small parts of a transformer layer, each as one function with a gradient of its own.

PyTorch's autograd would keep every intermediate result and pass over the numbers once for each of them; on a CPU those
passes, not the products, are what a layer's time goes into. All take and return the type of their input (bfloat16 or
float32) and compute what is delicate, norms, in float32.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import silu


class _RmsNorm(torch.autograd.Function):
    """x / sqrt(mean(x^2) + eps) * weight."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        squares = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square_()
        scale = squares.div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, scale)
        out: Tensor = (x * scale).mul_(weight).to(x.dtype)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, scale = ctx.saved_tensors
        grad, wide = grads[0], x.float()
        grad_weight = None
        if ctx.needs_input_grad[1]:
            grad_weight = (grad * wide * scale).flatten(0, -2).sum(dim=0)
        grad_x = grad * weight
        along = torch.linalg.vecdot(grad_x, wide).unsqueeze(-1).mul_(scale.pow(3)).div_(-x.shape[-1])
        return grad_x.mul_(scale).addcmul_(wide, along).to(x.dtype), grad_weight, None


class _SwiGlu(torch.autograd.Function):
    """silu(gate) * up, for gate and up side by side: (n, 2 f) -> (n, f)."""

    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:
        gate, up = gate_up.chunk(2, dim=-1)
        active = silu(gate)
        ctx.save_for_backward(gate_up, active)
        return active * up

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        gate_up, active = ctx.saved_tensors
        gate, up = gate_up.chunk(2, dim=-1)
        grad = torch.empty_like(gate_up)
        grad_gate, grad_up = grad.chunk(2, dim=-1)
        torch.mul(grads[0], active, out=grad_up)
        torch.ops.aten.silu_backward.grad_input(grads[0] * up, gate, grad_input=grad_gate)
        return grad


class _Rotate(torch.autograd.Function):
    """Rotary position embedding (Su et al. 2021), heads first: (n, heads, d), (n, d / 2) twice -> (heads, n, d)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _rotated(x, cos[:, None], sin[:, None], x.new_empty(x.shape[1], x.shape[0], x.shape[2]).transpose(0, 1))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        cos, sin = ctx.saved_tensors
        grad = grads[0].transpose(0, 1)
        return (
            _rotated(
                grad, cos[:, None], -sin[:, None], torch.empty_like(grad, memory_format=torch.contiguous_format)
            ).transpose(0, 1),
            None,
            None,
        )


def _rotated(x: Tensor, cos: Tensor, sin: Tensor, out: Tensor) -> Tensor:
    """Fill `out` (n, heads, d) with x turned by the angles; returned heads first."""
    (left, right), (out_left, out_right) = x.chunk(2, dim=-1), out.chunk(2, dim=-1)
    torch.mul(left, cos, out=out_left).addcmul_(right, sin, value=-1)
    torch.mul(right, cos, out=out_right).addcmul_(left, sin)
    return out.transpose(0, 1)


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Root mean square norm (Zhang and Sennrich 2019) over the last dimension; `weight` in float32."""
    return cast(Tensor, cast(Any, _RmsNorm).apply(x, weight, eps))


def swiglu(gate_up: Tensor) -> Tensor:
    """silu(gate) * up (Shazeer 2020); (n, 2 f) -> (n, f)."""
    return cast(Tensor, cast(Any, _SwiGlu).apply(gate_up))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each head by its position's angles; x (n, heads, d), cos and sin (n, d / 2) -> (heads, n, d)."""
    return cast(Tensor, cast(Any, _Rotate).apply(x, cos, sin))
