"""Rows of tokens as a prefix tree: each distinct prefix once, in depth-first order.

Rows that are sorted stand in depth-first order already, so the tree needs no pointers: a row adds the tokens after
the prefix it shares with the row before it. A token attends to its ancestors and itself, that is to token k from
token q exactly when `k <= q < end[k]`, where `end[k]` is where the subtree of k ends. Position ids are depths, so loss
and gradient are those of the separate rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


class Unit(Protocol):
    """What is learnt from at once: one row, or several that stay in one tree, since they begin with the same prompt."""

    @property
    def rows(self) -> Sequence[TokenRow]:
        """The rows; the first decides which other units this one meets."""
        ...


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A row to train on: token ids and the loss weight of each, both of shape (tokens,)."""

    tokens: Ints
    weights: Floats

    @property
    def rows(self) -> Sequence[TokenRow]:
        """A row by itself is a unit of one."""
        return (self,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """A packed batch of r rows: n distinct tokens, t targets."""

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
    #: (r,) number of targets of each row, in the order in which the rows were given
    counts: Ints
    #: (sum of counts,) the targets of one row after the other, as indices into `targets`
    row_targets: Ints
    #: (sum of counts,) loss weight that the row gives the target
    row_weights: Floats

    @property
    def pairs(self) -> int:
        """How many pairs there are of a token and one that it sees: itself and its ancestors."""
        return int(self.positions.sum()) + len(self.positions)


def pack(rows: Sequence[TokenRow]) -> Tree:
    """The tree of `rows`, of which there is at least one."""
    order = order_of(rows)
    shared = shared_prefixes([rows[number] for number in order])
    node_of_depth = np.zeros(max(len(row.tokens) for row in rows), dtype=np.int64)
    size = sum(len(row.tokens) for row in rows) - int(shared.sum())
    tokens, positions, parents = (np.empty(size, dtype=np.int64) for _ in range(3))
    ends = np.full(size, size, dtype=np.int64)
    learnt: dict[int, Ints] = {}
    used, open_depth = 0, 0
    for number, prefix in zip(order, shared, strict=True):
        row, length = rows[number], len(rows[number].tokens)
        # Tokens of the row before that are not shared have seen their last descendant.
        ends[node_of_depth[prefix:open_depth]] = used
        new = np.arange(used, used + length - prefix)
        node_of_depth[prefix:length] = new
        tokens[new], positions[new] = row.tokens[prefix:], np.arange(prefix, length)
        parents[new] = np.concatenate(([node_of_depth[prefix - 1] if prefix else 0], new[:-1]))[: len(new)]
        # The first token of a row is predicted by nothing.
        learnt[number] = node_of_depth[1:length][row.weights[1:] != 0]
        used, open_depth = used + len(new), length
    row_nodes = [learnt[number] for number in range(len(rows))]
    nodes, row_targets = np.unique(np.concatenate(row_nodes), return_inverse=True)
    row_weights = np.concatenate([row.weights[1:][row.weights[1:] != 0] for row in rows])
    return Tree(
        tokens=tokens,
        positions=positions,
        ends=ends,
        sources=parents[nodes],
        targets=tokens[nodes],
        weights=np.bincount(row_targets, row_weights, minlength=len(nodes)).astype(np.float32),
        counts=np.array([len(one) for one in row_nodes]),
        row_targets=row_targets,
        row_weights=row_weights,
    )


def order_of(rows: Sequence[TokenRow]) -> list[int]:
    """Indices of the rows in the order of their tokens, which puts those with long common prefixes side by side."""
    # Big-endian bytes compare as the numbers do, and much faster than tuples.
    return sorted(range(len(rows)), key=lambda number: rows[number].tokens.astype(">u4").tobytes())


def shared_prefixes(rows: Sequence[TokenRow]) -> Ints:
    """How many leading tokens each row shares with the row before it (0 for the first)."""
    shared = np.zeros(len(rows), dtype=np.int64)
    for index in range(1, len(rows)):
        before, row = rows[index - 1].tokens, rows[index].tokens
        length = min(len(before), len(row))
        differs = np.flatnonzero(before[:length] != row[:length])
        shared[index] = differs[0] if len(differs) else length
    return shared


def micro_batches(units: Sequence[Unit], budget: int) -> Iterator[tuple[Tree, Ints]]:
    """Trees of at most `budget` distinct tokens (a larger unit has one to itself) that together hold all units.

    With each tree come the indices of its units; its rows are theirs, one unit after the other.
    """
    order = order_of([unit.rows[0] for unit in units])
    # What a row adds to a tree is counted beside the row before it: all of it for single rows, which are in order, and
    # a little too much for the second row of a pair.
    shared = iter(shared_prefixes([row for index in order for row in units[index].rows]))
    part: list[int] = []
    size = 0
    for index in order:
        rows = units[index].rows
        prefixes = [int(next(shared)) for _ in rows]
        whole = sum(len(row.tokens) for row in rows)
        added = whole - sum(prefixes)
        if part and size + added > budget:
            yield _tree(units, part)
            part, size, added = [], 0, whole - sum(prefixes[1:])
        part.append(index)
        size += added
    if part:
        yield _tree(units, part)


def _tree(units: Sequence[Unit], part: list[int]) -> tuple[Tree, Ints]:
    return pack([row for index in part for row in units[index].rows]), np.array(part)


def epoch_batches(units: Sequence[Unit], batch_size: int, generator: np.random.Generator) -> list[Ints]:
    """Indices of the units of each step of an epoch, in random order.

    Families (units that share most of what sets them apart from all others, as the calls of one conversation do) stay
    together in pieces of at most a quarter of a batch, so that their prefixes meet while each step still sees four
    families or more. What is no family, as single questions below one system prompt, is in random order altogether.

    Counted on made-up conversations of 6 calls (300 tokens of system prompt, 100 a turn) in batches of 16: a row has
    647 tokens, of which 345 are computed in random order, 199 in these batches, 129 in pieces of half a batch. But
    half a batch from one conversation is a poor sample of all; a larger batch has larger pieces too.
    """
    pieces = _families([unit.rows[0] for unit in units], max(1, batch_size // 4))
    generator.shuffle(pieces)
    order = np.fromiter(_filling(pieces, batch_size), dtype=np.int64, count=len(units))
    return [order[start : start + batch_size] for start in range(0, len(units), batch_size)]


def _filling(pieces: Sequence[list[int]], batch_size: int) -> Iterator[int]:
    """The indices in `pieces`, piece by piece; one that the end of a batch would cut waits while a smaller one fits."""
    waiting: dict[int, deque[tuple[int, list[int]]]] = {}
    for place, piece in enumerate(pieces):
        waiting.setdefault(len(piece), deque()).append((place, piece))
    room = batch_size
    while waiting:
        size = min((size for size in waiting if size <= room), key=lambda size: waiting[size][0], default=min(waiting))
        _, piece = waiting[size].popleft()
        yield from piece
        room = (room - size - 1) % batch_size + 1
        if not waiting[size]:
            del waiting[size]


def _families(rows: Sequence[TokenRow], largest: int) -> list[list[int]]:
    """Indices of rows, each with its kin: at most `largest` that follow each other in the order of their tokens."""
    order = order_of(rows)
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
