"""Cross-entropy in chunks, beside PyTorch's from full logits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tuneloop.training.loss import linear_cross_entropy, target_losses

# Three chunks, the last of them not full.
TARGETS = 600


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Hidden states, head, targets, weights."""
    torch.manual_seed(0)
    hidden, head = torch.randn(TARGETS, 8, requires_grad=True), torch.randn(20, 8, requires_grad=True)
    return hidden, head, torch.randint(20, (TARGETS,)), torch.rand(TARGETS)


def full_logits(hidden: Tensor, head: Tensor, softcap: float | None) -> Tensor:
    logits = hidden @ head.T
    return logits if softcap is None else softcap * torch.tanh(logits / softcap)


@pytest.mark.parametrize("softcap", [None, 2.0])
def test_the_sum_and_its_gradients_are_those_of_cross_entropy(softcap: float | None) -> None:
    hidden, head, targets, weights = inputs()
    loss, correct = linear_cross_entropy(hidden, head, targets, weights, softcap)
    logits = full_logits(hidden, head, softcap)
    expected = (torch.nn.functional.cross_entropy(logits, targets, reduction="none") * weights).sum()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(correct, (weights * (logits.argmax(-1) == targets)).sum())
    torch.testing.assert_close(
        torch.autograd.grad(loss / 7, (hidden, head)), torch.autograd.grad(expected / 7, (hidden, head))
    )


@pytest.mark.parametrize("softcap", [None, 2.0])
def test_the_loss_of_each_target_and_its_gradients_are_those_of_cross_entropy(softcap: float | None) -> None:
    hidden, head, targets, weights = inputs()
    losses = target_losses(hidden, head, targets, softcap)
    expected = torch.nn.functional.cross_entropy(full_logits(hidden, head, softcap), targets, reduction="none")
    torch.testing.assert_close(losses, expected)
    # No sum over targets: what a preference loss does with them.
    found = torch.autograd.grad((losses * weights).sum().sigmoid(), (hidden, head))
    torch.testing.assert_close(found, torch.autograd.grad((expected * weights).sum().sigmoid(), (hidden, head)))


def test_a_frozen_head_gets_no_gradient_and_frozen_hidden_states_none_either() -> None:
    hidden, head, targets, weights = inputs()
    for loss in (
        linear_cross_entropy(hidden, head.detach(), targets, weights)[0],
        target_losses(hidden.detach(), head, targets).sum(),
    ):
        loss.backward()  # type: ignore[no-untyped-call]
    hidden_grad, head_grad = hidden.grad, head.grad
    assert hidden_grad is not None and head_grad is not None
    expected = torch.nn.functional.cross_entropy(hidden @ head.T, targets, reduction="none")
    torch.testing.assert_close(
        hidden_grad, torch.autograd.grad((expected * weights).sum(), hidden, retain_graph=True)[0]
    )
    torch.testing.assert_close(head_grad, torch.autograd.grad(expected.sum(), head)[0])


def test_the_gradient_of_a_float32_head_is_added_up_in_float32() -> None:
    hidden, head, targets, weights = inputs()
    low = hidden.detach().bfloat16().requires_grad_()
    losses = target_losses(low, head, targets)
    (losses * weights).sum().backward()  # type: ignore[no-untyped-call]
    assert low.grad is not None and head.grad is not None
    assert (low.grad.dtype, head.grad.dtype) == (torch.bfloat16, torch.float32)
    expected = torch.nn.functional.cross_entropy(hidden @ head.T, targets, reduction="none")
    (exact,) = torch.autograd.grad((expected * weights).sum(), head)
    assert (head.grad - exact).norm() < 0.01 * exact.norm()
