"""Units are dealt out to processes: each once, and none much more than another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tiny_learner import TOKENS, token_row
from tuneloop.training.distributed import ALONE, shares
from tuneloop.training.objectives import Pair
from tuneloop.training.tree import TokenRow, Unit, pack

UNITS = st.lists(
    st.builds(
        lambda prefix, one, other, paired: (
            Pair(rows=(token_row([*range(prefix), *one], other), token_row([*range(prefix), *one], [9])))
            if paired
            else token_row([*range(prefix), *one], other)
        ),
        st.sampled_from([0, 5, 40]),
        TOKENS,
        TOKENS,
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


def tokens(units: list[Unit]) -> int:
    return len(pack([row for unit in units for row in unit.rows]).tokens) if units else 0


@given(UNITS, st.integers(1, 5))
def test_each_unit_is_in_one_share(units: list[Unit], count: int) -> None:
    dealt = shares(units, count)
    assert len(dealt) == count
    assert sorted(np.concatenate(dealt).tolist()) == list(range(len(units)))


@given(UNITS, st.integers(1, 5))
def test_no_share_is_much_larger_than_it_has_to_be(units: list[Unit], count: int) -> None:
    sizes = [tokens([units[index] for index in share]) for share in shares(units, count)]
    largest_unit = max(tokens([unit]) for unit in units)
    longest_row = max(len(row.tokens) for unit in units for row in unit.rows)
    # Each share begins with a row in full, and a unit cannot be divided.
    assert max(sizes) <= tokens(units) / count + largest_unit + longest_row


def test_shares_of_like_rows_are_of_like_size() -> None:
    rows: list[Unit] = [token_row([*range(100), index, *range(20)], [1, 2]) for index in range(32)]
    sizes = [tokens([rows[index] for index in share]) for share in shares(rows, 4)]
    assert max(sizes) - min(sizes) <= 23


def test_neighbours_stay_together() -> None:
    families = [
        [TokenRow(np.array([first] * 50 + [last]), np.ones(51, dtype=np.float32)) for last in range(4)]
        for first in range(2)
    ]
    rows: list[Unit] = [row for pair in zip(*families, strict=True) for row in pair]
    assert [sorted(share.tolist()) for share in shares(rows, 2)] == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_a_process_by_itself_has_all() -> None:
    assert ALONE.share([token_row([2], [1]), token_row([1], [1])]).tolist() == [0, 1]


@pytest.mark.parametrize("number", [-3, 0, 5])
def test_a_team_of_one_agrees_with_itself(number: int) -> None:
    assert ALONE.least(number) == ALONE.most(number) == ALONE.led(number) == number
    assert [ALONE.any(True), ALONE.any(False)] == [True, False]
