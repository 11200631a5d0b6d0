"""What the matrix products of a training step take at their best: `python -m bench.peak FOLDER`.

Counted are the products of the frozen weights that no trainer of this model can do without: for n distinct tokens and
t distinct targets in a step, x W' (forward) and g W (the gradient of the input) for each linear layer with n rows, and
for the head with t. A product of shapes (n, i) and (i, o) is 2 n i o operations. Not counted: attention, the adapter,
norms, the optimiser, and the gradient of frozen weights, which nobody needs.

Each shape is timed by itself in bfloat16 with the threads that training takes, its best of several, and multiplied by
the number of layers that have it. `operations / seconds` is the throughput that this machine reaches at the model's own
shapes, and `seconds / (seconds of a training step)` the share of it that the step reaches with these products alone.
A step multiplies more: attention, for each pair of a token and one that it sees, and the thin products of the LoRA;
`other_operations` counts them, for the share of the throughput that is reached with all products.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.benchmark import Timer

from bench.adapter import RANK, head, linear_layers

#: how often each product is tried
_TRIES = 10


def products(model: Path, tokens: int, targets: int) -> Counter[tuple[int, int, int]]:
    """How often a step multiplies (rows, inputs, outputs)."""
    shapes = Counter((tokens, layer.inputs, layer.outputs) for layer in linear_layers(model))
    shapes[targets, head(model).inputs, head(model).outputs] += 1
    return shapes


def operations(shapes: Counter[tuple[int, int, int]]) -> int:
    """Multiplications and additions, forward and for the gradient of the input."""
    return sum(4 * rows * inputs * outputs * count for (rows, inputs, outputs), count in shapes.items())


def other_operations(model: Path, tokens: int, pairs: int) -> int:
    """Of attention (two products forward and four for the gradient, over `pairs`) and of the LoRA (three of each)."""
    layers = linear_layers(model)
    queries = sum(layer.outputs for layer in layers if layer.name.endswith("q_proj"))
    return 12 * pairs * queries + 6 * tokens * RANK * sum(layer.inputs + layer.outputs for layer in layers)


def best_seconds(rows: int, inputs: int, outputs: int, device: str) -> float:
    """The shortest time of the two products of one layer."""
    x, weight, gradient = (
        torch.randn(shape, dtype=torch.bfloat16, device=device)
        for shape in ((rows, inputs), (outputs, inputs), (rows, outputs))
    )
    return _best(x, weight.T) + _best(gradient, weight)


def _best(left: Tensor, right: Tensor) -> float:
    timer = Timer("left @ right", globals={"left": left, "right": right}, num_threads=torch.get_num_threads())
    return float(min(timer.timeit(1).mean for _ in range(_TRIES)))


def main(folder: Path) -> None:
    """Measure the model, tokens and targets that spec.json names, and write result.json."""
    spec = json.loads((folder / "spec.json").read_text())
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shapes = products(Path(spec["model"]), spec["tokens"], spec["targets"])
    seconds = sum(best_seconds(*shape, device) * count for shape, count in shapes.items())
    result = {"operations": operations(shapes), "seconds": seconds, "per_second": operations(shapes) / seconds}
    (folder / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
