"""The turns of a conversation: who says something, whether anything of it is learnt, and answers that go in circles."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from tuneloop.checks.findings import Finding
from tuneloop.checks.kinds import finding
from tuneloop.checks.rows import Row
from tuneloop.checks.survey import Survey
from tuneloop.checks.texts import clip

#: characters at the end of an answer that are looked at for circles, and the fewest there must be
_END, _LONG = 1000, 300
#: a text that goes in circles is compressed to so many bytes, and this share of it; prose to 0.4 or more of it
_BYTES, _SHARE = 20, 0.04
#: the share of rows with a system message from which on the others lack it
_MOST = 0.5


def check(row: Row) -> Iterator[Finding]:
    """What is odd about the turns of a row by itself."""
    if not any(message["role"] in ("user", "tool", "function") for message in row.messages):
        yield finding("no_question", row.number, "no message of the user's before the answer")
    answers = [message for message in (*row.messages, row.answer) if message and message["role"] == "assistant"]
    if answers and (row.weight == 0 or all(message.get("weight") == 0 for message in answers)):
        what = "the row has" if row.weight == 0 else "each of the assistant's messages has"
        yield finding("nothing_learnt", row.number, f"{what} weight 0, so nothing is learnt")
    end = row.answer_text[-_END:]
    if len(end) >= _LONG and len(zlib.compress(end.encode("utf-8", "replace"), 1)) < _BYTES + _SHARE * len(end):
        message = f"the answer says the same again and again: {clip(end[-60:])!r}"
        yield finding("repetitive", row.number, message, characters=len(row.answer_text), end=clip(end[-60:]))


def check_all(survey: Survey) -> Iterator[Finding]:
    """Rows without a system message where most have one."""
    bare = [facts for facts in survey.rows if not survey.instructions[facts.instructions].strip()]
    if len(bare) < (1 - _MOST) * len(survey.rows):
        for facts in bare:
            yield finding("no_instructions", facts.number, "no system message, though most rows have one")
