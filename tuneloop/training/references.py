"""The reference of DPO and KTO: log-probabilities in the model as the run found it, computed once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import torch

from tuneloop.training.objectives import Pair, Scorer
from tuneloop.training.records import write_atomically


def with_reference(
    path: Path, model: Scorer, pairs: Sequence[Pair], pause: Callable[[], None], *, keep: bool = True
) -> list[Pair]:
    """The pairs with their log-probabilities in `model`, from `path` or else computed and kept there.

    The file is JSON: the digest of the rows it is of, and two numbers a pair. `pause` is called between trees; without
    `keep` the file is left to another process.
    """
    digest = hashlib.sha256(b"".join(row.tokens.tobytes() for pair in pairs for row in pair.rows)).hexdigest()
    kept = orjson.loads(path.read_bytes()) if path.exists() else {}
    if kept.get("rows") != digest:
        kept = {"rows": digest, "log_probabilities": _log_probabilities(model, pairs, pause)}
        if keep:
            write_atomically(path, orjson.dumps(kept))
    references = kept["log_probabilities"]
    return [replace(pair, reference=tuple(two)) for pair, two in zip(pairs, references, strict=True)]


@torch.no_grad()
def _log_probabilities(model: Scorer, pairs: Sequence[Pair], pause: Callable[[], None]) -> list[list[float]]:
    found = torch.zeros(len(pairs), 2)
    for tree, members in model.trees(pairs):
        found[members] = model.log_probabilities(tree).view(-1, 2)
        pause()
    numbers: list[list[float]] = model.total(found).tolist()
    return numbers
