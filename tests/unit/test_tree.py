"""Packing rows into a prefix tree."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.training.tree import TokenRow, Tree, epoch_batches, micro_batches, pack

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


@dataclass(frozen=True)
class Two:
    """A unit of two rows."""

    rows: tuple[TokenRow, TokenRow]


def path(tree: Tree, node: int) -> list[int]:
    """Tokens that a node may attend to: its ancestors and itself."""
    return [int(tree.tokens[k]) for k in range(node + 1) if node < tree.ends[k]]


@given(ROWS)
def test_each_distinct_prefix_is_there_once_with_its_ancestors(rows: list[list[tuple[int, float]]]) -> None:
    tree = pack(token_rows(rows))
    paths = [tuple(path(tree, node)) for node in range(len(tree.tokens))]
    prefixes = {tuple(token for token, _ in row[:length]) for row in rows for length in range(1, len(row) + 1)}
    assert sorted(paths) == sorted(prefixes)
    assert [len(tokens) - 1 for tokens in paths] == tree.positions.tolist()


@given(ROWS)
def test_targets_add_up_to_those_of_the_rows(rows: list[list[tuple[int, float]]]) -> None:
    tree = pack(token_rows(rows))
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


@given(ROWS)
def test_each_row_finds_its_own_targets(rows: list[list[tuple[int, float]]]) -> None:
    tree = pack(token_rows(rows))
    places = np.split(np.arange(len(tree.row_targets)), np.cumsum(tree.counts)[:-1])
    for row, its in zip(rows, places, strict=True):
        expected = [
            ((*(token for token, _ in row[:depth]), token), weight)
            for depth, (token, weight) in enumerate(row)
            if depth and weight
        ]
        targets = tree.row_targets[its]
        predicted = zip(tree.sources[targets], tree.targets[targets], strict=True)
        found = [(*path(tree, source), token) for source, token in predicted]
        assert list(zip(found, tree.row_weights[its], strict=True)) == expected


@given(ROWS, st.integers(1, 20))
def test_units_of_two_rows_stay_in_one_tree(rows: list[list[tuple[int, float]]], budget: int) -> None:
    both = token_rows([*rows, *reversed(rows)])
    units = [Two((one, other)) for one, other in zip(both[: len(rows)], both[len(rows) :], strict=True)]
    parts = list(micro_batches(units, budget))
    assert sorted(np.concatenate([members for _, members in parts])) == list(range(len(units)))
    for tree, members in parts:
        assert len(tree.tokens) <= budget or len(members) == 1
        expected = [np.count_nonzero(row.weights[1:]) for index in members for row in units[index].rows]
        assert tree.counts.tolist() == expected


@given(ROWS, st.integers(1, 20))
def test_micro_batches_hold_all_rows_within_the_budget(rows: list[list[tuple[int, float]]], budget: int) -> None:
    trees = [tree for tree, _ in micro_batches(token_rows(rows), budget)]
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


def test_no_piece_of_a_conversation_is_cut_by_the_end_of_a_batch() -> None:
    # Families of 2 and of 3 calls and single rows: whatever their order, a batch of 12 has room for whole ones.
    families = [[(0, 1.0), *[(family, 1.0)] * 20] for family in range(1, 25)]
    rows, family_of = [], []
    for number, beginning in enumerate(families):
        for call in range(1 + number % 3):
            rows.append([*beginning, *[(50, 1.0)] * call])
            family_of.append(number)
    for seed in range(5):
        batches = epoch_batches(token_rows(rows), 12, np.random.default_rng(seed))
        assert [len(batch) for batch in batches] == [12, 12, 12, 12]
        members = [{family_of[index] for index in batch} for batch in batches]
        assert sum(len(one) for one in members) == len(families)


def test_a_long_conversation_is_spread_over_several_batches() -> None:
    talk = [(index, 1.0) for index in range(100, 200)]
    rows = token_rows([talk[:length] for length in range(50, 90)])
    for batch in epoch_batches(rows, 8, np.random.default_rng(0)):
        lengths = sorted(len(rows[index].tokens) for index in batch)
        pieces = sum(after - before > 1 for before, after in pairwise(lengths)) + 1
        assert pieces >= 2


def test_single_questions_below_one_prompt_are_in_random_order() -> None:
    rows = token_rows([[*[(0, 1.0)] * 100, (index, 1.0), (index % 7, 1.0)] for index in range(1, 200)])
    order = np.concatenate(epoch_batches(rows, 16, np.random.default_rng(0)))
    neighbours = np.abs(np.diff(order)) == 1
    assert neighbours.mean() < 0.05
