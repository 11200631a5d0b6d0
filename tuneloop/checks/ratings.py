"""What people said of answers, where it contradicts itself or the answer."""

from __future__ import annotations

from collections.abc import Iterator

from tuneloop.checks.findings import Finding
from tuneloop.checks.kinds import finding
from tuneloop.checks.rows import Row, text_of
from tuneloop.checks.texts import clip


def check(row: Row) -> Iterator[Finding]:
    """Ratings of one row that disagree, and answers that people corrected or rated bad."""
    answer = row.answer_text.strip()
    corrections = [text_of(correction).strip() for correction in row.corrections]
    other = [text for text in corrections if text != answer]
    if True in row.ratings and False in row.ratings:
        thumbs = ["good" if rating else "bad" for rating in row.ratings]
        yield finding("rating_conflict", row.number, f"rated {' and '.join(dict.fromkeys(thumbs))}", ratings=thumbs)
    elif row.rating is True and other:
        message = f"rated good, and corrected to {clip(other[-1])!r}"
        yield finding("rating_conflict", row.number, message, rating="good", correction=clip(other[-1], 160))
    elif row.rating is False and corrections and not other:
        yield finding("rating_conflict", row.number, "rated bad, and 'corrected' to itself", rating="bad")
    elif len(set(corrections)) > 1:
        said = [clip(text) for text in dict.fromkeys(corrections)]
        message = f"corrected to {' and to '.join(map(repr, said[:3]))}"
        yield finding("rating_conflict", row.number, message, corrections=said)
    if other:
        yield finding(
            "wrong_answer", row.number, f"somebody corrected it to {clip(other[-1])!r}", correction=clip(other[-1], 160)
        )
    elif row.rating is False and not corrections:
        yield finding("rated_bad", row.number, "rated bad, and not corrected")
