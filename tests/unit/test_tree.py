"""Packing rows into a prefix tree."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.training.tree import TokenRow, Tree, epoch_batches, micro_batches, pack, sort_rows

# Few different tokens, so that prefixes are shared at every depth and rows repeat.
ROWS = st.lists(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=9),
    min_size=1,
    max_size=12,
)


def token_rows(rows: list[list[tuple[int, float]]]) -> list[TokenRow]:
    return [
        TokenRow(np.array([token for token, _ in row]), np.array([weight for _, weight in row], dtype=np.float32))
        for row in rows
    ]


def path(tree: Tree, node: int) -> list[int]:
    """Tokens that a node may attend to: its ancestors and itself."""
    return [int(tree.tokens[k]) for k in range(node + 1) if node < tree.ends[k]]


@given(ROWS)
def test_each_distinct_prefix_is_there_once_with_its_ancestors(rows: list[list[tuple[int, float]]]) -> None:
    tree = pack(sort_rows(token_rows(rows)))
    paths = [tuple(path(tree, node)) for node in range(len(tree.tokens))]
    prefixes = {tuple(token for token, _ in row[:length]) for row in rows for length in range(1, len(row) + 1)}
    assert sorted(paths) == sorted(prefixes)
    assert [len(tokens) - 1 for tokens in paths] == tree.positions.tolist()


@given(ROWS)
def test_targets_add_up_to_those_of_the_rows(rows: list[list[tuple[int, float]]]) -> None:
    tree = pack(sort_rows(token_rows(rows)))
    expected: dict[tuple[int, ...], float] = {}
    for row in rows:
        for index in range(1, len(row)):
            if row[index][1]:
                prefix = tuple(token for token, _ in row[: index + 1])
                expected[prefix] = expected.get(prefix, 0.0) + row[index][1]
    found = {
        (*path(tree, source), int(target)): float(weight)
        for source, target, weight in zip(tree.sources, tree.targets, tree.weights, strict=True)
    }
    assert found == expected


@given(ROWS, st.integers(1, 20))
def test_micro_batches_hold_all_rows_within_the_budget(rows: list[list[tuple[int, float]]], budget: int) -> None:
    trees = list(micro_batches(token_rows(rows), budget))
    longest = max(len(row) for row in rows)
    assert all(len(tree.tokens) <= max(budget, longest) for tree in trees)
    total = sum(float(tree.weights.sum()) for tree in trees)
    assert total == sum(weight for row in rows for _, weight in row[1:])


def test_an_epoch_has_each_row_once_in_an_order_of_its_own() -> None:
    rows = token_rows([[(0, 1.0), (index % 5, 1.0), (index, 1.0)] for index in range(37)])
    first, again, other = (epoch_batches(rows, 8, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert [len(batch) for batch in first] == [8, 8, 8, 8, 5]
    assert sorted(np.concatenate(first)) == list(range(37))
    assert np.array_equal(np.concatenate(first), np.concatenate(again))
    assert not np.array_equal(np.concatenate(first), np.concatenate(other))


def test_calls_of_one_conversation_meet_in_a_batch() -> None:
    talk = [(index, 1.0) for index in range(100, 130)]
    others = [[(0, 1.0), (index, 1.0), (index, 1.0)] for index in range(1, 60)]
    rows = token_rows([*others, [(0, 1.0), *talk], [(0, 1.0), *talk, (7, 1.0)]])
    for seed in range(5):
        batches = epoch_batches(rows, 8, np.random.default_rng(seed))
        assert any({59, 60} <= set(batch.tolist()) for batch in batches)
