"""What learns: a model, its trained weights and their optimiser, and what one step does to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuneloop.training.decoder import Decoder
from tuneloop.training.distributed import ALONE, Team
from tuneloop.training.loss import linear_cross_entropy, target_losses
from tuneloop.training.objectives import Metrics, Objective, Supervised
from tuneloop.training.tree import Ints, TokenRow, Tree, Unit, micro_batches, pack
from tuneloop.training.weights import Weights

_MAX_GRADIENT_NORM = 1.0


class Learner:
    """A model that learns from batches of units; loss and gradient are those of the separate rows."""

    def __init__(
        self,
        model: Decoder,
        weights: Weights,
        *,
        budget: int,
        objective: Objective | None = None,
        weight_decay: float = 0.0,
        team: Team = ALONE,
    ) -> None:
        """Makes `weights` of the model trainable; `budget` is the number of distinct tokens computed at once.

        The learners of a `team` are given the same units, and tell the same.
        """
        self.parameters = weights.prepare(model)
        # Gradients lie side by side, so that they are measured, cut and added up over a team as one.
        self.gradient = torch.zeros(sum(one.numel() for one in self.parameters), device=model.head.device)
        sizes = [one.numel() for one in self.parameters]
        for parameter, part in zip(self.parameters, torch.split(self.gradient, sizes), strict=True):
            parameter.grad = part.view_as(parameter)
        self.model = model
        self.budget = budget
        self.team = team
        self.objective = objective or Supervised()
        self.head = model.head
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=0.0, betas=(0.9, 0.99), weight_decay=weight_decay, fused=True
        )

    def step(self, units: Sequence[Unit], learning_rate: float) -> Metrics:
        """One optimiser step on all `units`, whatever number of trees they take."""
        self.gradient.zero_()
        metrics = self.accumulate(units)
        self.gradient.mul_((_MAX_GRADIENT_NORM / (self.gradient.norm() + 1e-6)).clamp(max=1.0))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        return metrics

    def accumulate(self, units: Sequence[Unit]) -> Metrics:
        """Metrics of `units`, the gradient of their loss added to `gradient`."""
        metrics = self.objective.measure(self, units, learn=True)
        self.team.add(self.gradient)
        return metrics

    @torch.no_grad()
    def evaluate(self, units: Sequence[Unit]) -> Metrics:
        """Metrics of `units`, without a gradient."""
        return self.objective.measure(self, units, learn=False)

    def state(self) -> dict[str, Any]:
        """What a run goes on from: trained weights, optimiser, budget (which rounding depends on)."""
        return {"parameters": self.parameters, "optimizer": self.optimizer.state_dict(), "budget": self.budget}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what state() returned."""
        with torch.no_grad():
            for parameter, saved in zip(self.parameters, state["parameters"], strict=True):
                parameter.copy_(saved)
        self.optimizer.load_state_dict(state["optimizer"])
        self.budget = state["budget"]

    @property
    def shares(self) -> bool:
        """Whether others compute some of the units."""
        return self.team.size > 1

    def trees(self, units: Sequence[Unit]) -> Iterator[tuple[Tree, Ints]]:
        """This learner's share of `units`: trees, without those that have no target, and which units they are of."""
        share = self.team.share(units)
        parts = micro_batches([units[index] for index in share], self.budget)
        if self.model.sharded:
            parts = self._in_step(list(parts))
        for tree, members in parts:
            if len(tree.targets):
                yield tree, share[members]

    def total(self, numbers: Tensor) -> Tensor:
        """What all learners have found, added up, on the CPU."""
        return self.team.total(numbers)

    def _in_step(self, parts: list[tuple[Tree, Ints]]) -> Iterator[tuple[Tree, Ints]]:
        """The trees, and computations that change nothing until all learners have had as many."""
        parts = [part for part in parts if len(part[0].targets)]
        missing = self.team.most(len(parts)) - len(parts)
        yield from parts
        for _ in range(missing):
            hidden = self.model(pack([TokenRow(np.zeros(2, dtype=np.int64), np.ones(2, dtype=np.float32))]))
            if hidden.requires_grad:
                (0 * hidden.sum()).backward()

    def loss(self, tree: Tree) -> tuple[Tensor, Tensor]:
        """Weighted sums over the targets: of the loss, and of correct predictions."""
        targets, weights = self._put(tree.targets), self._put(tree.weights)
        return linear_cross_entropy(self.model(tree), self.head, targets, weights, self.model.softcap)

    def log_probabilities(self, tree: Tree) -> Tensor:
        """Of each row: the weighted sum over its targets, (rows,) float32 on the CPU."""
        terms = self.target_log_probabilities(tree) * torch.from_numpy(tree.row_weights)
        return torch.segment_reduce(terms, "sum", lengths=torch.from_numpy(tree.counts), unsafe=True)

    def target_log_probabilities(self, tree: Tree, temperature: float = 1.0) -> Tensor:
        """Of each target of one row after the other, (sum of the rows' counts,) float32 on the CPU."""
        softcap = None if self.model.softcap is None else self.model.softcap / temperature
        # Hidden states divided by it are logits divided by it, and in front of a softcap that is smaller by as much.
        hidden = self.model(tree) / temperature if temperature != 1.0 else self.model(tree)
        # Few numbers, added up where the order of additions is always the same.
        losses = target_losses(hidden, self.head, self._put(tree.targets), softcap).cpu()
        return -losses[torch.from_numpy(tree.row_targets)]

    def _put(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.head.device, non_blocking=True)
