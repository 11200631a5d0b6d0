"""Regular expressions that cannot hang: the `regex` library's, with a limit of time for each search."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any

from tuneloop.graders.grading import GradingFailed

MODES = ("search", "match", "full")
#: a pattern is a line, not a program: some of that length take minutes to be read
LONGEST = 2000
#: what a search may take
SECONDS = 1.0
#: a counted part is written out in memory, counts within counts multiply: at most so often
MOST_REPEATS = 100_000
_COUNT = re.compile(r"\{(\d+)")


def find(pattern: str, text: str, mode: str) -> bool:
    """Whether the pattern is found in a text ("search"), at its beginning ("match"), or is all of it ("full"). Raises
    GradingFailed for a pattern that is none, or takes too long."""
    try:
        compiled = read(pattern)
    except ValueError as error:
        raise GradingFailed("other_error", f"{pattern[:80]!r} is no pattern: {error}") from None
    look = {"search": compiled.search, "match": compiled.match, "full": compiled.fullmatch}[mode]
    try:
        return look(text, timeout=SECONDS, concurrent=True) is not None
    except TimeoutError:
        raise GradingFailed(
            "other_error", f"timeout: {pattern[:80]!r} took more than {SECONDS:g} s on a text of {len(text)} characters"
        ) from None


@lru_cache(maxsize=256)
def read(pattern: str) -> Any:
    """The compiled pattern. Raises ValueError."""
    import regex

    if len(pattern) > LONGEST:
        raise ValueError(f"it is longer than {LONGEST} characters")
    if math.prod(max(1, int(count[:9])) for count in _COUNT.findall(pattern)) > MOST_REPEATS:
        raise ValueError(f"its counts in braces multiply to more than {MOST_REPEATS}")
    try:
        return regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from None
