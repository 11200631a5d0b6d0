"""How long logs are kept: old ones go, a few at a time, so that calls need not wait.

Scored logs, those in data sets and those that somebody is asked about stay unless told otherwise. Stored completions
and responses go with their logs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

from tuneloop.errors import InvalidInput
from tuneloop.filters import All, Condition, Tree
from tuneloop.store import Store
from tuneloop.store.pruning import Pruning

DAY = 86_400.0
#: logs in one transaction, and the seconds between two of them that are left to others
AT_ONCE, PAUSE = 200, 0.02
EVERYTHING = All(())
_AGO = re.compile(r"(\d{1,6})([hdw])")
_SECONDS = {"h": 3600.0, "d": DAY, "w": 7 * DAY}

OnDeleted = Callable[[int], None]


def moment(text: str) -> float:
    """Read "90d" (h, d or w: so long ago) or a day, "2026-08-31" (UTC), as seconds since 1970. Raises InvalidInput."""
    if ago := _AGO.fullmatch(text.strip()):
        return time.time() - int(ago[1]) * _SECONDS[ago[2]]
    try:
        day = datetime.fromisoformat(text.strip())
    except ValueError:
        told = f"expected 90d (h, d, w: so long ago) or a day such as 2026-08-31, not {text!r}"
        raise InvalidInput(told, param="before") from None
    return (day if day.tzinfo else day.replace(tzinfo=UTC)).timestamp()


def count(store: Store, before: float, where: Tree = EVERYTHING, *, spare: bool = True) -> int:
    """How many logs would go."""
    return Pruning(store.database).count(_older(before, where), spare=spare)


def prune(
    store: Store, before: float, where: Tree = EVERYTHING, *, spare: bool = True, tell: OnDeleted | None = None
) -> int:
    """Delete the logs from before a moment that match, also scored ones and those in data sets if not `spare`. `tell`
    hears how many are gone so far. Returns how many went."""
    tree, gone, after = _older(before, where), 0, None
    while places := Pruning(store.database).find(tree, spare=spare, after=after, limit=AT_ONCE):
        gone += Pruning(store.database).delete([log_id for _, log_id in places], spare=spare)
        if tell is not None:
            tell(gone)
        after = places[-1]
        time.sleep(PAUSE)
    return gone


def sweep(store: Store, days: int | None) -> int:
    """Delete what is older than so many days; nothing where that is None. Returns how many logs went."""
    return 0 if days is None else prune(store, time.time() - days * DAY)


def _older(before: float, where: Tree) -> Tree:
    return All((Condition(field="created_at", op="<", values=(before,)), where))
