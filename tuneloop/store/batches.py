"""A stream in pieces as large as one transaction should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches(items: Iterable[T], size: int = 500) -> Iterator[list[T]]:
    """Lists of `size` items, the last one shorter; none is empty."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
