"""Cross-entropy straight from hidden states, in chunks: logits never exist for more than a few hundred positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor

#: rows of logits at once; with 49,152 words that is 50 MB in float32
_CHUNK = 256


class _LinearCrossEntropy(torch.autograd.Function):
    """Weighted sum of -log softmax(hidden W')[target], the gradients being made on the way forward.

    With s = (softmax - one-hot) * weight they are s W for hidden and s' hidden for W.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor, weights: Tensor, softcap: float | None
    ) -> tuple[Tensor, Tensor]:
        logits_of = _Logits(ctx, hidden, head, softcap)
        loss, correct = hidden.new_zeros((), dtype=torch.float32), hidden.new_zeros((), dtype=torch.float32)
        for rows in _chunks(len(hidden)):
            target, weight = targets[rows, None], weights[rows, None]
            logits = logits_of(rows)
            normalizer = logits.logsumexp(dim=-1, keepdim=True)
            loss += (weight * (normalizer - logits.gather(1, target))).sum()
            correct += (weights[rows] * (logits.argmax(dim=-1) == targets[rows])).sum()
            logits_of.learn(rows, logits, normalizer, target, weight)
        ctx.save_for_backward(logits_of.grad_hidden, logits_of.grad_head)
        ctx.mark_non_differentiable(correct)
        return loss, correct

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        made = [None if grad is None else grad * grads[0].to(grad.dtype) for grad in ctx.saved_tensors]
        return *made, None, None, None


class _TargetLosses(torch.autograd.Function):
    """-log softmax(hidden W')[target] of each target; the way back computes the logits of each chunk again."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor, softcap: float | None) -> Tensor:
        logits_of = _Logits(ctx, hidden, head, softcap)
        normalizers = hidden.new_empty((len(hidden), 1), dtype=torch.float32)
        losses = torch.empty_like(normalizers)
        for rows in _chunks(len(hidden)):
            logits = logits_of(rows)
            normalizers[rows] = logits.logsumexp(dim=-1, keepdim=True)
            losses[rows] = normalizers[rows] - logits.gather(1, targets[rows, None])
        ctx.save_for_backward(hidden, head, targets, normalizers)
        ctx.softcap = softcap
        return losses[:, 0]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        hidden, head, targets, normalizers = ctx.saved_tensors
        logits_of = _Logits(ctx, hidden, head, ctx.softcap)
        for rows in _chunks(len(hidden)):
            logits_of.learn(rows, logits_of(rows), normalizers[rows], targets[rows, None], grads[0][rows, None])
        return logits_of.grad_hidden, logits_of.grad_head, None, None


class _Logits:
    """The logits of some rows of `hidden`, and the gradients of a cross-entropy of them, None for what needs none."""

    def __init__(self, ctx: Any, hidden: Tensor, head: Tensor, softcap: float | None) -> None:
        self.hidden, self.head, self.softcap = hidden, head.to(hidden.dtype), softcap
        self.grad_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        # Chunk after chunk is added to it, which bfloat16 is too coarse for.
        self.grad_head = torch.zeros_like(head, dtype=torch.float32) if ctx.needs_input_grad[1] else None

    def __call__(self, rows: slice) -> Tensor:
        """(c, words) float32."""
        logits = (self.hidden[rows] @ self.head.T).float()
        return logits if self.softcap is None else logits.div_(self.softcap).tanh_().mul_(self.softcap)

    def learn(self, rows: slice, logits: Tensor, normalizer: Tensor, target: Tensor, weight: Tensor) -> None:
        """Gradients of the loss of a chunk; logits (c, words) are overwritten, the others (c, 1)."""
        if self.grad_hidden is None and self.grad_head is None:
            return
        slope = None if self.softcap is None else 1 - (logits / self.softcap).square_()
        share = logits.sub_(normalizer).exp_().mul_(weight).scatter_add_(1, target, -weight)
        share = (share if slope is None else share.mul_(slope)).to(self.head.dtype)
        if self.grad_hidden is not None:
            self.grad_hidden[rows] = share @ self.head
        if self.grad_head is not None:
            self.grad_head += share.T @ self.hidden[rows]


def linear_cross_entropy(
    hidden: Tensor, head: Tensor, targets: Tensor, weights: Tensor, softcap: float | None = None
) -> tuple[Tensor, Tensor]:
    """Weighted sums of loss and of correct predictions (float32 scalars).

    hidden (t, d), head (words, d) in hidden's type or float32, targets (t,), weights (t,) float32. `softcap` bounds
    the logits smoothly, as Gemma 2 does: softcap * tanh(logits / softcap).
    """
    result: tuple[Tensor, Tensor] = cast(Any, _LinearCrossEntropy).apply(hidden, head, targets, weights, softcap)
    return result


def target_losses(hidden: Tensor, head: Tensor, targets: Tensor, softcap: float | None = None) -> Tensor:
    """The loss of each target, (t,) float32, for objectives that are no sum over targets.

    Arguments as above. Costs one product with the head more than linear_cross_entropy, which knows the weight of each
    target beforehand.
    """
    losses: Tensor = cast(Any, _TargetLosses).apply(hidden, head, targets, softcap)
    return losses


def _chunks(length: int) -> Iterator[slice]:
    return (slice(start, start + _CHUNK) for start in range(0, length, _CHUNK))
