"""A row of data, as it is sampled and graded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tuneloop.types import Json


class Row(NamedTuple):
    """One row: the item, and the answer where the data has one."""

    item: Mapping[str, Json]
    sample: Mapping[str, Json] | None = None
