"""Where a tree's queries are cut into blocks, and that it makes no difference to what they see."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.training import attention
from tuneloop.training.attention import best_edges, tree_attention, tree_blocks
from tuneloop.training.tree import TokenRow, Tree, pack

CPU = torch.device("cpu")
#: lengths of the parts of rows: what row i shares with the one before it, and what it has of its own
LENGTHS = st.lists(st.tuples(st.integers(0, 120), st.integers(1, 150)), min_size=1, max_size=6)


def tree_of(lengths: list[tuple[int, int]]) -> Tree:
    rows = [np.arange(lengths[0][1])]
    for number, (shared, own) in enumerate(lengths[1:], start=1):
        rows.append(np.concatenate([rows[-1][:shared], 1000 * number + np.arange(own)]))
    return pack([TokenRow(row, np.ones(len(row), dtype=np.float32)) for row in rows])


def pairs(tree: Tree, edges: list[int]) -> int:
    """Pairs that the blocks between these edges compute, counted by looking."""
    found = 0
    for start, end in pairwise(edges):
        keys = {k for q in range(start, end) for k in range(q + 1) if q < tree.ends[k]}
        found += (end - start) * len(keys)
    return found


@given(LENGTHS)
def test_blocks_see_what_a_mask_over_all_pairs_lets_them_see(lengths: list[tuple[int, int]]) -> None:
    tree = tree_of(lengths)
    length = len(tree.ends)
    torch.manual_seed(0)
    q, k, v = torch.randn(4, length, 8), torch.randn(2, length, 8), torch.randn(2, length, 8)
    found = tree_attention(q, k, v, tree_blocks(tree, CPU, torch.float32))
    place = np.arange(length)
    seen = torch.from_numpy((place[None] <= place[:, None]) & (place[:, None] < tree.ends[None]))
    scores = (q @ k.repeat_interleave(2, 0).transpose(1, 2)).masked_fill(~seen, float("-inf"))
    expected = scores.softmax(-1) @ v.repeat_interleave(2, 0)
    torch.testing.assert_close(found, expected.transpose(0, 1).flatten(1))


@pytest.mark.parametrize(
    "lengths", [[(0, 90)], [(0, 40), (20, 40), (0, 60)], [(0, 70), (64, 9), (64, 9), (64, 9), (32, 40)]]
)
def test_the_edges_are_those_of_least_work(lengths: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_PAIRS_PER_BLOCK", 700)
    tree = tree_of(lengths)
    length = len(tree.ends)
    branches = [place for place in range(1, length) if tree.ends[place - 1] <= place]
    inner = sorted({*branches, *range(32, length, 32)})
    ways = [[0, *some, length] for count in range(len(inner) + 1) for some in combinations(inner, count)]
    least = min(pairs(tree, way) + 700 * (len(way) - 1) for way in ways)
    edges = best_edges(tree)
    assert pairs(tree, edges) + 700 * (len(edges) - 1) == least
    assert len(edges) > 2


def test_separate_rows_are_separate_blocks_and_short_branches_are_one() -> None:
    rows = [TokenRow(np.arange(150) + 1000 * n, np.ones(150, dtype=np.float32)) for n in range(4)]
    assert best_edges(pack(rows)) == [0, 150, 300, 450, 600]
    prefix = np.arange(600)
    short = [TokenRow(np.append(prefix, [1000 + n] * 5), np.ones(605, dtype=np.float32)) for n in range(20)]
    edges = best_edges(pack(short))
    assert edges[-1] == 700 and edges[-2] <= 600
