"""What a model is trained to make small: the loss on answers, or one that compares it with the model it was before.

The preference losses take log-probabilities of whole answers, summed over their tokens, and compare them with those
of the reference, which is the model as the run found it. That of reinforcement takes those of each token of answers
that the model itself has written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from tuneloop.protocols import TrainingSpec
from tuneloop.training.tree import Floats, Ints, TokenRow, Tree, Unit

#: how strongly DPO and KTO hold the model near the reference, in both papers and in TRL
BETA = 0.1
#: how strongly GRPO does, in its paper (section 4.2)
GRPO_BETA = 0.04


@dataclass(frozen=True, slots=True)
class Metrics:
    """Means over some units: of the loss, and of what else the objective tells."""

    #: nan where it was not measured
    loss: float
    others: Mapping[str, float]
    #: in all rows together, where they are not the units that were given
    tokens: int = 0

    @property
    def score(self) -> float:
        """The higher, the better: the mean reward, if there is one, else minus the loss."""
        return self.others.get("mean_reward", -self.loss)

    def named(self, prefix: str) -> dict[str, float]:
        """All of them as fields of an event: "train" makes train_loss and so on."""
        loss = {} if math.isnan(self.loss) else {"loss": self.loss}
        return {f"{prefix}_{name}": value for name, value in {**loss, **self.others}.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two answers to one prompt. Tokens have weight 1 in an answer and 0 before it.

    DPO: the preferred one and the other one. KTO: the labelled one, and one to another prompt that shows how far the
    model has moved in general.
    """

    rows: tuple[TokenRow, TokenRow]
    #: KTO: the label
    good: bool = True
    #: log-probabilities of both answers in the reference
    reference: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """An answer that the model has written, and how much better it is than the others to the same prompt.

    Its n tokens have weight 1, the one that ends it included, and the prompt's 0.
    """

    row: TokenRow
    advantage: float
    #: (n,) log-probabilities of the answer's tokens when it was drawn, and in the reference
    drawn: Floats
    reference: Floats

    @property
    def rows(self) -> Sequence[TokenRow]:
        """The one row. Those of a group need not be in one tree: their advantages are known."""
        return (self.row,)


class Scorer(Protocol):
    """What an objective asks of a model."""

    @property
    def shares(self) -> bool:
        """Whether others compute some of the units."""
        ...

    def trees(self, units: Sequence[Unit]) -> Iterator[tuple[Tree, Ints]]:
        """Trees with targets that hold what this one computes of `units`, and which units those are."""
        ...

    def total(self, numbers: Tensor) -> Tensor:
        """What all have found, added up, on the CPU."""
        ...

    def loss(self, tree: Tree) -> tuple[Tensor, Tensor]:
        """Weighted sums over the targets of a tree: of the loss, and of correct predictions."""
        ...

    def log_probabilities(self, tree: Tree) -> Tensor:
        """Of each row: the weighted sum over its targets, (rows,) float32 on the CPU."""
        ...

    def target_log_probabilities(self, tree: Tree, temperature: float = 1.0) -> Tensor:
        """Of each target of one row after the other, (sum of the rows' counts,) float32 on the CPU."""
        ...


class Objective(Protocol):
    """A loss: of single rows (supervised), of pairs (DPO and KTO), or of samples (GRPO)."""

    def measure(self, model: Scorer, units: Sequence[Any], learn: bool) -> Metrics:
        """Means over `units`; with `learn` the gradient of the loss is added to that of the parameters."""
        ...


class Supervised:
    """Cross-entropy: the weighted mean over all target tokens."""

    def measure(self, model: Scorer, units: Sequence[Unit], learn: bool) -> Metrics:
        """Loss and mean_token_accuracy of rows."""
        # The first token of a row is predicted by nothing.
        total = sum(float(row.weights[1:].sum()) for unit in units for row in unit.rows)
        # Looked at when all is done: a GPU need not wait for it.
        found = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
        for tree, _ in model.trees(units):
            loss, correct = model.loss(tree)
            if learn:
                _backward(loss / total)
            found = found[0] + loss.detach(), found[1] + correct
        loss_sum, correct_sum = model.total(torch.stack(found)).tolist()
        total = total or 1.0
        return Metrics(loss_sum / total, {"mean_token_accuracy": correct_sum / total})


@dataclass(frozen=True, kw_only=True, slots=True)
class Dpo:
    """Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290, equation 7).

    -log sigmoid(beta * (g1 - g2)), where g is how much more log-probability an answer has than in the reference.
    """

    beta: float = BETA

    def measure(self, model: Scorer, units: Sequence[Pair], learn: bool) -> Metrics:
        """Loss, reward_accuracy (how often the preferred answer has gained more) and reward_margin of pairs."""
        reference = torch.tensor([pair.reference for pair in units])
        margin = torch.zeros(len(units))
        for tree, members in model.trees(units):
            gains = model.log_probabilities(tree).view(-1, 2) - reference[members]
            margins = self.beta * (gains[:, 0] - gains[:, 1])
            if learn:
                _backward(-logsigmoid(margins).sum() / len(units))
            margin[members] = margins.detach()
        margin = model.total(margin)
        return Metrics(-logsigmoid(margin).mean().item(), _rewards(margin))


@dataclass(frozen=True, kw_only=True, slots=True)
class Kto:
    """Kahneman-Tversky optimisation (Ethayarajh et al. 2024, arXiv:2402.01306, equation 8), estimated as TRL does.

    weight * (1 - sigmoid(+-beta * (g - drift))), minus for bad answers, where g is how much more log-probability an
    answer has than in the reference, and drift the mean of that over answers to other prompts, never below zero.
    """

    beta: float = BETA
    #: weights of good and of bad answers
    desirable: float = 1.0
    undesirable: float = 1.0

    def measure(self, model: Scorer, units: Sequence[Pair], learn: bool) -> Metrics:
        """Loss, kl (the drift) and of which side of it rewards are: reward_accuracy and reward_margin."""
        reference = torch.tensor([pair.reference for pair in units])
        sign = torch.tensor([1.0 if pair.good else -1.0 for pair in units])
        weight = torch.where(sign > 0, self.desirable, self.undesirable)
        parts, drift = [] if model.shares else list(model.trees(units)), None
        if len(parts) != 1:
            # The gradient of the first tree needs the drift in all of them.
            drift = _drift(model, units, reference)
            parts = list(model.trees([pair.rows[0] for pair in units]))
        margin = torch.zeros(len(units))
        for tree, members in parts:
            scores = model.log_probabilities(tree).view(len(members), -1)
            gains = scores - reference[members, : scores.shape[1]]
            if drift is None:
                drift = gains[:, 1].detach().mean().clamp(min=0)
            margins = self.beta * sign[members] * (gains[:, 0] - drift)
            if learn:
                _backward((weight[members] * (1 - margins.sigmoid())).sum() / len(units))
            margin[members] = margins.detach()
        margin = model.total(margin)
        loss = (weight * (1 - margin.sigmoid())).mean().item()
        return Metrics(loss, {**_rewards(margin), "kl": drift.item() if drift is not None else 0.0})


@dataclass(frozen=True, kw_only=True, slots=True)
class Grpo:
    """Group relative policy optimisation (Shao et al. 2024, arXiv:2402.03300, equation 3, with the KL of equation 4).

    For each token: beta * kl - min(ratio * advantage, clipped ratio * advantage), where ratio is how much likelier it
    has become since it was drawn. Every token counts alike, whatever the length of its answer: a mean within each
    answer, as in the paper, would make long wrong answers cheap (Liu et al. 2025, arXiv:2503.20783). A token may become
    likelier by more than it may become less likely, so that rare ones have a chance (Yu et al. 2025, arXiv:2503.14476,
    which has both).
    """

    beta: float = GRPO_BETA
    #: the answers were drawn from probabilities at this temperature, and are made likelier in these
    temperature: float = 1.0
    #: how far a ratio may fall below 1 and rise above it before the gradient ends
    lowest: float = 0.2
    highest: float = 0.28

    def measure(self, model: Scorer, units: Sequence[Sample], learn: bool) -> Metrics:
        """Loss, kl (how far the model is from the reference, for each token) and clipped (the share of tokens that have
        no gradient any more) of samples."""
        total = sum(len(sample.drawn) for sample in units) or 1
        found = torch.zeros(3, dtype=torch.float64)
        for tree, members in model.trees(units):
            samples = [units[index] for index in members]
            advantage = torch.tensor([sample.advantage for sample in samples]).repeat_interleave(
                torch.from_numpy(tree.counts)
            )
            now = model.target_log_probabilities(tree, self.temperature)
            ratio = torch.exp(now - _together(sample.drawn for sample in samples))
            clipped = ratio.clamp(1 - self.lowest, 1 + self.highest)
            gain = torch.minimum(ratio * advantage, clipped * advantage)
            # Schulman's estimate of the KL from one draw: never below zero, and right in the mean.
            behind = _together(sample.reference for sample in samples) - now
            kl = torch.exp(behind) - behind - 1
            loss = (self.beta * kl - gain).sum() / total
            if learn:
                _backward(loss)
            is_clipped = (ratio * advantage > clipped * advantage).sum()
            found += torch.stack([loss.detach(), kl.detach().sum() / total, is_clipped / total])
        loss_, kl_, clipped_ = model.total(found).tolist()
        return Metrics(loss_, {"kl": kl_, "clipped": clipped_})


def choose_objective(spec: TrainingSpec, units: Sequence[Unit]) -> Objective:
    """The objective of a run on `units`, with numbers in place of "auto"."""
    beta = BETA if spec.beta == "auto" else spec.beta
    if spec.method == "dpo":
        return Dpo(beta=beta)
    if spec.method == "reinforcement":
        beta = GRPO_BETA if spec.beta == "auto" else spec.beta
        return Grpo(beta=beta, temperature=spec.temperature)
    if spec.method == "kto":
        desirable, undesirable = balance([unit.good for unit in units if isinstance(unit, Pair)])
        return Kto(beta=beta, desirable=desirable, undesirable=undesirable)
    return Supervised()


def balance(labels: Sequence[bool]) -> tuple[float, float]:
    """Weights of good and of bad answers, of which there is at least one each.

    As little as puts (weight * number) of the good over that of the bad between 1 and 4/3, as the paper recommends
    (section 4.3): the weight of the kind that is too rare is raised.
    """
    good, bad = sum(labels), len(labels) - sum(labels)
    return max(1.0, bad / good), max(1.0, 3 / 4 * good / bad)


@torch.no_grad()
def _drift(model: Scorer, pairs: Sequence[Pair], reference: Tensor) -> Tensor:
    gains = torch.zeros(len(pairs))
    for tree, members in model.trees([pair.rows[1] for pair in pairs]):
        gains[members] = model.log_probabilities(tree) - reference[members, 1]
    return model.total(gains).mean().clamp(min=0)


def _rewards(margin: Tensor) -> dict[str, float]:
    return {"reward_accuracy": (margin > 0).float().mean().item(), "reward_margin": margin.mean().item()}


def _together(parts: Iterable[Floats]) -> Tensor:
    return torch.from_numpy(np.concatenate(list(parts)))


def _backward(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]
