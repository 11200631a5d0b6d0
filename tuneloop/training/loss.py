"""Cross-entropy straight from hidden states, in chunks: logits never exist for more than a few hundred positions."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

#: rows of logits at once; with 49,152 words that is 50 MB in float32
_CHUNK = 256


class _LinearCrossEntropy(torch.autograd.Function):
    """Weighted sum of -log softmax(hidden W')[target], the gradient of `hidden` being made on the way forward.

    W (words, d) is frozen. Gradients: (softmax - one-hot) * weight, times W.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        grad = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        loss, correct = hidden.new_zeros((), dtype=torch.float32), hidden.new_zeros((), dtype=torch.float32)
        for start in range(0, len(hidden), _CHUNK):
            rows = slice(start, start + _CHUNK)
            target, weight = targets[rows, None], weights[rows]
            logits = (hidden[rows] @ head.T).float()
            normalizer = logits.logsumexp(dim=-1, keepdim=True)
            loss += (weight * (normalizer - logits.gather(1, target))[:, 0]).sum()
            correct += (weight * (logits.argmax(dim=-1) == targets[rows])).sum()
            if grad is not None:
                share = logits.sub_(normalizer).exp_().mul_(weight[:, None])
                share.scatter_add_(1, target, -weight[:, None])
                grad[rows] = share.to(head.dtype) @ head
        ctx.save_for_backward(grad)
        ctx.mark_non_differentiable(correct)
        return loss, correct

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = ctx.saved_tensors
        return grad * grads[0].to(grad.dtype), None, None, None


def linear_cross_entropy(hidden: Tensor, head: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted sums of loss and of correct predictions (float32 scalars).

    hidden (t, d), head (words, d) frozen, targets (t,), weights (t,) float32.
    """
    result: tuple[Tensor, Tensor] = cast(Any, _LinearCrossEntropy).apply(hidden, head, targets, weights)
    return result
