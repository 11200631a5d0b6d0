"""How long a run will take and how much memory, told before it begins: from steps of its own data, timed here.

A step's time is taken as a fixed part plus one in proportion to its arithmetic; both follow from the smallest and the
largest step. What the arithmetic is, is counted, so that steps of many shapes cost two measurements.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from tuneloop.training.decoder import Decoder
from tuneloop.training.learner import Learner
from tuneloop.training.machine import peak_memory
from tuneloop.training.tree import Tree, Unit, micro_batches

#: attention's small products and its softmax take longer than the same arithmetic in large products (in a profile)
_ATTENTION = 2.4

#: what later steps take in memory, as a factor: of other sizes, they do not fit into the same places (seen: 1.2 to 1.3)
_GROWTH = 1.2

#: two float32 numbers that the optimiser keeps for each trained one
_PER_WEIGHT = 2 * 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What a run will need."""

    #: from the first step to the last
    seconds: float
    #: most memory at a time
    bytes: int
    #: in the trees of the first epoch
    distinct_tokens: int


def estimate(
    learner: Learner, batches: Sequence[Sequence[Unit]], *, n_epochs: int, seconds_to_evaluate: float
) -> Estimate:
    """Time and memory of `n_epochs` of `batches` (those of the first), each followed by an evaluation.

    Takes five steps' time and changes nothing.
    """
    trees = [[tree for tree, _ in micro_batches(batch, learner.budget)] for batch in batches]
    work = [sum(arithmetic(learner.model, tree) for tree in step) for step in trees]
    smallest, largest = work.index(min(work)), work.index(max(work))
    _time(learner, batches[smallest])  # the first time takes longer
    # The better of two: other work only ever makes a step longer.
    low, high = (min(_time(learner, batches[index]) for _ in range(2)) for index in (smallest, largest))
    if work[largest] > 1.2 * work[smallest]:
        per_unit = max(0.0, (high - low) / (work[largest] - work[smallest]))
        fixed = max(0.0, low - per_unit * work[smallest])
    else:
        per_unit, fixed = (low + high) / (work[smallest] + work[largest]), 0.0
    seconds = n_epochs * (fixed * len(work) + per_unit * sum(work) + seconds_to_evaluate)
    return Estimate(
        seconds=seconds,
        bytes=memory_for(learner),
        distinct_tokens=sum(len(tree.tokens) for step in trees for tree in step),
    )


def memory_for(learner: Learner) -> int:
    """Bytes that steps take, once some like them have been computed."""
    trained = sum(parameter.numel() for parameter in learner.parameters)
    return int(_GROWTH * peak_memory(learner.head.device)) + _PER_WEIGHT * trained


def arithmetic(model: Decoder, tree: Tree) -> float:
    """Multiplications of a step on a tree: products forward and for the gradient, attention, logits."""
    layers = cast(Any, model.layers)
    products: float = 2.0 * len(tree.tokens) * sum(_weights(layer) for layer in layers)
    attention: float = 6.0 * tree.pairs * sum(layer.attention.sizes[0] for layer in layers)
    logits = 2.0 * len(tree.targets) * model.head.numel()
    return products + _ATTENTION * attention + logits


def _weights(layer: Any) -> int:
    """Numbers in the matrices of a layer."""
    width, heads = layer.mlp.output.outputs, layer.attention.sizes
    return int(width * (sum(heads) + heads[0]) + width * layer.mlp.inputs.outputs * 3 / 2)


def _time(learner: Learner, batch: Sequence[Unit]) -> float:
    start = time.perf_counter()
    learner.accumulate(batch)
    learner.gradient.zero_()
    return time.perf_counter() - start
