"""Cross-entropy straight from hidden states, in chunks: logits never exist for more than a hundred positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor

#: rows of logits at once; with 49,152 words that is 25 MB in float32. glibc would give more than 32 MB back to the
#: kernel after each chunk, and fetching them anew took longer than the arithmetic
_CHUNK = 128


class _Predictions:
    """What is predicted after some positions: logits and probabilities (c, words), float32."""

    def __init__(self, hidden: Tensor, head: Tensor, softcap: float | None) -> None:
        self.softcap = softcap
        logits = (hidden @ head.T).float()
        self.logits = logits if softcap is None else logits.div_(softcap).tanh_().mul_(softcap)
        self.shares = torch.softmax(self.logits, dim=-1)

    def losses(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """-log of the targets' probabilities, and whether no other word is more probable; (c,) each."""
        highest, found = self.logits.amax(dim=-1), self.logits.gather(1, targets[:, None])[:, 0]
        # The highest logit has the probability 1 / (sum of exp(logit - highest)).
        return highest - self.shares.amax(dim=-1).log_() - found, found >= highest

    def gradient(self, targets: Tensor, weights: Tensor) -> Tensor:
        """Of the weighted sum of losses by what is in front of the softcap, in place of the probabilities."""
        weight = weights[:, None]
        share = self.shares.mul_(weight).scatter_add_(1, targets[:, None], -weight)
        return share if self.softcap is None else share.mul_(1 - (self.logits / self.softcap).square_())


class _LinearCrossEntropy(torch.autograd.Function):
    """Weighted sum of -log softmax(hidden W')[target], the gradients being made on the way forward."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor, weights: Tensor, softcap: float | None
    ) -> tuple[Tensor, Tensor]:
        gradients = _Gradients(ctx, hidden, head)
        loss, correct = hidden.new_zeros((), dtype=torch.float32), hidden.new_zeros((), dtype=torch.float32)
        for rows in _chunks(len(hidden)):
            predictions = _Predictions(hidden[rows], gradients.head, softcap)
            losses, right = predictions.losses(targets[rows])
            loss += weights[rows].dot(losses)
            correct += (weights[rows] * right).sum()
            gradients.add(rows, predictions, targets[rows], weights[rows])
        ctx.save_for_backward(gradients.of_hidden, gradients.of_head)
        ctx.mark_non_differentiable(correct)
        return loss, correct

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        of_hidden, of_head = (None if one is None else one * grads[0].to(one.dtype) for one in ctx.saved_tensors)
        return of_hidden, of_head, None, None, None


class _TargetLosses(torch.autograd.Function):
    """-log softmax(hidden W')[target] of each target; the way back computes the logits of each chunk again."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor, softcap: float | None) -> Tensor:
        low_head = head.to(hidden.dtype)
        losses = hidden.new_empty(len(hidden), dtype=torch.float32)
        for rows in _chunks(len(hidden)):
            losses[rows], _ = _Predictions(hidden[rows], low_head, softcap).losses(targets[rows])
        ctx.save_for_backward(hidden, head, targets)
        ctx.softcap = softcap
        return losses

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        hidden, head, targets = ctx.saved_tensors
        gradients = _Gradients(ctx, hidden, head)
        for rows in _chunks(len(hidden)):
            predictions = _Predictions(hidden[rows], gradients.head, ctx.softcap)
            gradients.add(rows, predictions, targets[rows], grads[0][rows])
        return gradients.of_hidden, gradients.of_head, None, None


class _Gradients:
    """Gradients of a linear cross-entropy, chunk by chunk; None for what needs none. That of W is float32."""

    def __init__(self, ctx: Any, hidden: Tensor, head: Tensor) -> None:
        self.hidden, self.head = hidden, head.to(hidden.dtype)
        self.of_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        self.of_head = torch.zeros_like(head, dtype=torch.float32) if ctx.needs_input_grad[1] else None

    def add(self, rows: slice, predictions: _Predictions, targets: Tensor, weights: Tensor) -> None:
        """Take in a chunk, whose predictions are of no use afterwards."""
        if self.of_hidden is None and self.of_head is None:
            return
        share = predictions.gradient(targets, weights).to(self.head.dtype)
        if self.of_hidden is not None:
            self.of_hidden[rows] = share @ self.head
        if self.of_head is not None:
            self.of_head += share.T @ self.hidden[rows]


def linear_cross_entropy(
    hidden: Tensor, head: Tensor, targets: Tensor, weights: Tensor, softcap: float | None = None
) -> tuple[Tensor, Tensor]:
    """Weighted sums of loss and of correct predictions (float32 scalars).

    hidden (t, d), head (words, d) in hidden's type or float32, targets (t,), weights (t,) float32. `softcap` bounds the
    logits smoothly, as Gemma 2 does.
    """
    result: tuple[Tensor, Tensor] = cast(Any, _LinearCrossEntropy).apply(hidden, head, targets, weights, softcap)
    return result


def target_losses(hidden: Tensor, head: Tensor, targets: Tensor, softcap: float | None = None) -> Tensor:
    """The loss of each target, (t,) float32, for objectives that are no sum over targets.

    hidden (t, d), head (words, d) in hidden's type or float32, targets (t,). Costs one product with the head more than
    linear_cross_entropy does.
    """
    losses: Tensor = cast(Any, _TargetLosses).apply(hidden, head, targets, softcap)
    return losses


def _chunks(length: int) -> Iterator[slice]:
    return (slice(start, start + _CHUNK) for start in range(0, length, _CHUNK))
