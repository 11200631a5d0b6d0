"""Findings: what a check says of a row, of several, or of all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from tuneloop.types import Json

#: how grave a finding is: it derails the model or the file is refused; it does harm; it is worth knowing
Severity = Literal["error", "warning", "advice"]
#: what can be done about it
FixName = Literal["drop", "keep_one", "keep_majority", "take_correction", "repair", "mask", "move", "cut"]
#: what becomes of an examined row
Outcome = Literal["kept", "fixed", "dropped"]
FIXES: tuple[FixName, ...] = get_args(FixName)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What a check says of a row, of several, or of all together; tuneloop.checks.kinds has the codes."""

    code: str
    severity: Severity
    #: numbers of the rows, counted from 1; none when it is about all together
    rows: Sequence[int]
    message: str
    #: what it was seen by
    evidence: Mapping[str, Json] = field(default_factory=dict)
    #: what is suggested; None where nothing is to be done, or only the owner can
    fix: FixName | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of finding."""

    code: str
    title: str
    severity: Severity = "error"
    #: what becomes of a model that is tuned on such rows
    why: str = ""
    #: what can be done, the suggested first; nothing where rows are as they should be, or only their owner can help
    fixes: tuple[FixName, ...] = ()
    #: how much of what such a row teaches is harm, 0 (nothing) to 1 (all of it and more than its own)
    harm: float = 0.0
