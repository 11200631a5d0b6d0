"""Rows of tokens as a prefix tree: each distinct prefix once, in depth-first order.

Rows that are sorted stand in depth-first order already, so the tree needs no pointers: a row adds the tokens after
the prefix it shares with the row before it. A token attends to its ancestors and itself, that is to token k from
token q exactly when `k <= q < end[k]`, where `end[k]` is where the subtree of k ends. Position ids are depths, so loss
and gradient are those of the separate rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A row to train on: token ids and the loss weight of each, both of shape (tokens,)."""

    tokens: Ints
    weights: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """A packed batch of n distinct tokens and t targets."""

    #: (n,) token ids in depth-first order
    tokens: Ints
    #: (n,) depth of each token: its position in its rows
    positions: Ints
    #: (n,) one past the last token below each token
    ends: Ints
    #: (t,) index of the token whose next one is predicted
    sources: Ints
    #: (t,) token ids to predict
    targets: Ints
    #: (t,) loss weights, summed over rows that share the target
    weights: Floats


def pack(rows: Sequence[TokenRow]) -> Tree:
    """The tree of `rows`, which must be sorted as `sort_rows` does."""
    shared = shared_prefixes(rows)
    node_of_depth = np.zeros(max(len(row.tokens) for row in rows), dtype=np.int64)
    size = sum(len(row.tokens) for row in rows) - int(shared.sum())
    tokens, positions, parents = (np.empty(size, dtype=np.int64) for _ in range(3))
    ends = np.full(size, size, dtype=np.int64)
    weights = np.zeros(size, dtype=np.float32)
    used, open_depth = 0, 0
    for row, prefix in zip(rows, shared, strict=True):
        length = len(row.tokens)
        # Tokens of the row before that are not shared have seen their last descendant.
        ends[node_of_depth[prefix:open_depth]] = used
        new = np.arange(used, used + length - prefix)
        node_of_depth[prefix:length] = new
        tokens[new], positions[new] = row.tokens[prefix:], np.arange(prefix, length)
        parents[new] = np.concatenate(([node_of_depth[prefix - 1] if prefix else 0], new[:-1]))[: len(new)]
        weights[node_of_depth[:length]] += row.weights
        used, open_depth = used + len(new), length
    learnt = np.flatnonzero(weights * (positions > 0))
    return Tree(
        tokens=tokens,
        positions=positions,
        ends=ends,
        sources=parents[learnt],
        targets=tokens[learnt],
        weights=weights[learnt],
    )


def sort_rows(rows: Sequence[TokenRow]) -> list[TokenRow]:
    """Rows in the order of their tokens, which puts those with long common prefixes side by side."""
    return sorted(rows, key=_sort_key)


def _sort_key(row: TokenRow) -> bytes:
    # Big-endian bytes compare as the numbers do, and much faster than tuples.
    return row.tokens.astype(">u4").tobytes()


def shared_prefixes(rows: Sequence[TokenRow]) -> Ints:
    """How many leading tokens each row shares with the row before it (0 for the first)."""
    shared = np.zeros(len(rows), dtype=np.int64)
    for index in range(1, len(rows)):
        before, row = rows[index - 1].tokens, rows[index].tokens
        length = min(len(before), len(row))
        differs = np.flatnonzero(before[:length] != row[:length])
        shared[index] = differs[0] if len(differs) else length
    return shared


def micro_batches(rows: Sequence[TokenRow], budget: int) -> Iterator[Tree]:
    """Trees of at most `budget` distinct tokens (a longer row has one to itself) that together hold all rows."""
    ordered = sort_rows(rows)
    part: list[TokenRow] = []
    size = 0
    for row, prefix in zip(ordered, shared_prefixes(ordered), strict=True):
        added = len(row.tokens) - int(prefix)
        if part and size + added > budget:
            yield pack(part)
            part, size, added = [], 0, len(row.tokens)
        part.append(row)
        size += added
    if part:
        yield pack(part)


def epoch_batches(rows: Sequence[TokenRow], batch_size: int, generator: np.random.Generator) -> list[Ints]:
    """Indices of the rows of each step of an epoch, in random order.

    Families (rows that share most of what sets them apart from all others, as the calls of one conversation do) stay
    together in pieces of at most a quarter of a batch, so that their prefixes meet while batches stay mixed.
    """
    families = _families(rows, max(1, batch_size // 4))
    generator.shuffle(families)
    order = np.fromiter((index for family in families for index in family), dtype=np.int64, count=len(rows))
    return [order[start : start + batch_size] for start in range(0, len(rows), batch_size)]


def _families(rows: Sequence[TokenRow], largest: int) -> list[list[int]]:
    order = sorted(range(len(rows)), key=lambda index: _sort_key(rows[index]))
    shared = shared_prefixes([rows[index] for index in order])
    trunk = int(shared[1:].min()) if len(rows) > 1 else 0
    families: list[list[int]] = []
    for index, prefix in zip(order, shared, strict=True):
        own = len(rows[index].tokens) - trunk
        if families and len(families[-1]) < largest and 2 * (int(prefix) - trunk) > own:
            families[-1].append(index)
        else:
            families.append([index])
    return families
