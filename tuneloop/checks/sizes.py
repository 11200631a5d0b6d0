"""How many rows there are, and how long they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from tuneloop.checks.findings import Finding
from tuneloop.checks.kinds import finding
from tuneloop.checks.survey import Facts, Survey
from tuneloop.examples import FEW_EXAMPLES, MIN_EXAMPLES
from tuneloop.types import SPLITS

#: characters from which on a row can be a giant, and how many times the usual length makes it one
_LONG, _TIMES, _TIMES_MOST = 1500, 10, 3


def check(survey: Survey, context: int | None = None) -> Iterator[Finding]:
    """Too few rows, no rows held out, rows beyond a model's context (tokens), giants."""
    rows = survey.rows
    learnable = [facts for facts in rows if "no_answer" not in facts.codes]
    splits = Counter(facts.split for facts in learnable)
    train = splits["train"] + splits[None]
    if train < FEW_EXAMPLES:
        least = (
            f"at least {MIN_EXAMPLES} are needed"
            if train < MIN_EXAMPLES
            else "50 to 100 good ones is where results are good"
        )
        yield finding("few_rows", (), f"{train} rows to learn from are few: {least}", train=train)
    if None not in splits and learnable:
        if missing := [split for split in SPLITS[1:] if not splits[split]]:
            yield finding(
                "no_split", (), f"no {' and no '.join(missing)} rows", counts={str(s): splits[s] for s in SPLITS}
            )
    if context is not None:
        for facts in rows:
            if facts.tokens is not None and facts.tokens > context:
                message = f"{facts.tokens:,} tokens, but the model reads {context:,}"
                yield finding("over_context", facts.number, message, tokens=facts.tokens, context=context)
    yield from _giants(rows)


def _giants(rows: Sequence[Facts]) -> Iterator[Finding]:
    if len(rows) < MIN_EXAMPLES:
        return
    for what, lengths in (
        ("question", np.array([facts.question_length for facts in rows])),
        ("answer", np.array([facts.answer_length for facts in rows])),
    ):
        usual, most = float(np.median(lengths)), float(np.quantile(lengths, 0.95))
        limit = max(_LONG, _TIMES * usual, _TIMES_MOST * most)
        for index in np.flatnonzero(lengths > limit).tolist():
            message = f"the {what} has {lengths[index]:,} characters; the usual one has {usual:,.0f}"
            yield finding("overlong", rows[index].number, message, characters=int(lengths[index]), usual=int(usual))
