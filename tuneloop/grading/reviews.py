"""Reviews: what graders ask of people, one question for each content, and what they say."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tuneloop.errors import InvalidInput, NotFound
from tuneloop.grader_types import Review
from tuneloop.graders.human import People, Question
from tuneloop.store import Store
from tuneloop.store import graders as tables
from tuneloop.store.database import clean
from tuneloop.store.ids import content_id
from tuneloop.types import Score

_columns = tables.reviews.c


def people(store: Store) -> People:
    """What people said of a question; one that is asked for the first time is kept for them."""

    def ask(question: Question) -> float | None:
        review = _review(question)
        known = store.reviews.find(review.id)
        if known is None:
            store.reviews.add_new(review)
        return None if known is None else known.reward

    return ask


def sitting(store: Store, grader: str, since: float, *, limit: int) -> list[Review]:
    """The questions of a grader that nobody had answered at a moment, oldest first."""
    open_then = _columns.answered_at.is_(None) | (_columns.answered_at >= since)
    return store.reviews.page(_columns.grader == grader, open_then, limit=limit, ascending=True)[0]


def waiting(store: Store, grader: str, *, limit: int, after: str | None = None) -> tuple[list[Review], bool]:
    """The questions of a grader that nobody has answered, oldest first; and whether there are more."""
    unanswered = (_columns.grader == grader, _columns.answered_at.is_(None))
    return store.reviews.page(*unanswered, limit=limit, after=after, ascending=True)


def answer(store: Store, grader: str, given: Mapping[str, Any]) -> Review:
    """Keep what a person said: `id`, `value` (a label or a number), and perhaps `comment` and `user`. The Log that it
    was asked for is scored. Said again, it takes the place of what was said before. Raises InvalidInput, NotFound."""
    review_id = given.get("id")
    if not isinstance(review_id, str):
        raise InvalidInput("'id' must be the id of a question in the queue", param="id")
    for name in ("comment", "user"):
        if not isinstance(given.get(name), str | None):
            raise InvalidInput(f"'{name}' must be a text", param=name)
    review = store.reviews.get(clean(review_id), param="id")
    if review.grader != grader:
        raise InvalidInput(f"{review.id} is a question of the grader {review.grader!r}", param="id")
    value = given.get("value")
    said = {
        "value": value,
        "reward": _question(review).value(value),
        "user": clean(given.get("user")),
        "comment": clean(given.get("comment")),
        "answered_at": time.time(),
    }
    store.reviews.change(review.id, **said)
    done = store.reviews.get(review.id)
    _score_log(store, done)
    return done


def take_back(store: Store, grader: str, review_id: str) -> Review:
    """Forget what was said of a question, and the Score that came of it: somebody is asked again. Raises NotFound."""
    review = store.reviews.find(clean(review_id))
    if review is None or review.grader != grader:
        raise NotFound(f"no question {review_id!r} of the grader {grader!r}", param="id")
    nothing: dict[str, Any] = dict.fromkeys(("value", "reward", "user", "comment", "answered_at"))
    store.reviews.change(review.id, **nothing)
    store.scores.remove(_score_id(review))
    return store.reviews.get(review.id)


def _score_id(review: Review) -> str:
    return content_id("score_", [review.subject, review.id, review.answered_at])


def _score_log(store: Store, review: Review) -> None:
    log_id = review.subject
    if log_id is None or not store.logs.exists(log_id) or review.reward is None:
        return
    score = Score(
        id=_score_id(review),
        log_id=log_id,
        created_at=review.answered_at or time.time(),
        name=review.grader,
        value=review.reward,
        source="annotator",
        user=review.user,
        comment=review.comment,
    )
    store.scores.add([score])


def _review(question: Question) -> Review:
    texts = [clean(text) for text in question.shown]
    asked: dict[str, Any] = {
        "grader": question.name,
        "question": clean(question.question),
        "shown": texts,
        "labels": list(question.labels),
        "passing": list(question.passing),
        "low": question.low,
        "high": question.high,
    }
    subject = question.subject if question.subject is None else clean(question.subject)
    return Review(id=content_id("review_", asked), created_at=time.time(), subject=subject, **asked)


def _question(review: Review) -> Question:
    return Question(
        name=review.grader,
        question=review.question,
        shown=review.shown,
        labels=review.labels,
        passing=review.passing,
        low=review.low,
        high=review.high,
        subject=review.subject,
    )
