"""Logs, graded: the Scores that a grader gives, under its name, so that filters can say `score.helpful >= 0.8`."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, NamedTuple

import orjson

from tuneloop import calls
from tuneloop.errors import InvalidInput
from tuneloop.filters import All, Any, Condition, Not, Tree
from tuneloop.graders import Graded, Grader, sample_of_text, sample_to_compare
from tuneloop.graders.human import PENDING
from tuneloop.graders.needs import asks_model, asks_people, compares
from tuneloop.store import Store
from tuneloop.store.batches import batches
from tuneloop.store.ids import content_id
from tuneloop.types import Json, Log, Score

#: the `user` of calls that graders make: calls of ours, which nobody wants graded
ASKERS = ("graders", "monitors")
_PASSING_ASIDE = ("name", "version", "pass_threshold")
_ANSWERED = Condition(field="status", op="=", values=(200.0,))
_OURS = Any(
    (
        Condition(field="user", op="in", values=ASKERS),
        Condition(field="user", op="~", values=("evalrun_",)),
    )
)


@dataclass(slots=True)
class Tally:
    """What became of logs."""

    graded: int = 0
    #: has this grader's score already
    known: int = 0
    failed: int = 0
    #: waits for a person
    pending: int = 0
    #: no answer that could be graded
    unusable: int = 0
    #: sum of the rewards
    total: float = 0.0
    #: of one that failed
    failure: str | None = None

    @property
    def mean(self) -> float | None:
        """Mean reward of what was graded."""
        return self.total / self.graded if self.graded else None

    def add(self, graded: Graded | None) -> None:
        """Count one; None is unusable."""
        if graded is None:
            self.unusable += 1
        elif not graded.failed:
            self.graded += 1
            self.total += graded.reward
        elif is_pending(graded):
            self.pending += 1
        else:
            self.failed += 1
            self.failure = _why(graded)


class _Done(NamedTuple):
    log: Log
    graded: Graded | None


def answered(tree: Tree) -> Tree:
    """The calls that match, have an answer, and are not the graders' own."""
    return All((tree, _ANSWERED, Not(_OURS)))


def chosen(log_id: str, share: float) -> bool:
    """Whether a Log is in a share of all, by the hash of its id: the same ones each time, more of them for more."""
    place = int.from_bytes(hashlib.sha256(log_id.encode("utf-8", "replace")).digest()[:8], "big") / 2**64
    return place < share


def run(
    store: Store,
    grader: Grader,
    tree: Tree,
    *,
    share: float = 1.0,
    limit: int | None = None,
    concurrency: int = 4,
    on_progress: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Grade the logs that match a filter, newest first, and keep the Scores; those that have this grader's score
    already are left alone. A failure is kept as a comment without a value. Raises InvalidInput for a grader that a log
    is not enough for."""
    check(grader.definition)
    tally = Tally()
    logs = (log for log in store.logs.each(answered(tree)) if chosen(log.id, share))
    fresh = _unknown(store, grader, logs, tally)
    for group in batches(_first(fresh, limit), 4 * concurrency):
        for done in _graded(store, grader, group, concurrency):
            tally.add(done.graded)
        on_progress(tally)
    return tally


def check(definition: Json) -> None:
    """Raises InvalidInput for a grader that a log is not enough for."""
    if compares(definition):
        raise InvalidInput(
            "a pairwise grader compares two answers to the same question, and a log has one: it is for evaluations "
            "(--grader)",
            param="grader",
        )


def grade(store: Store, grader: Grader, logs: Sequence[Log]) -> list[Graded | None]:
    """Grade these logs one after the other and keep the Scores; None for one that has no answer."""
    return [done.graded for done in _graded(store, grader, logs, 1)]


def is_known(grader: Grader, log_id: str, scores: Iterable[Score]) -> bool:
    """Whether a Log has this grader's score among its scores."""
    if grader.type == "human":
        return any(score.name == grader.name and score.source == "annotator" for score in scores)
    wanted = score_id(grader, log_id)
    return any(score.id == wanted for score in scores)


def was_tried(grader: Grader, log_id: str, scores: Iterable[Score]) -> bool:
    """Whether it has this grader's score, or the word that it failed."""
    failed = score_id(grader, log_id, failed=True)
    return is_known(grader, log_id, scores) or any(score.id == failed for score in scores)


def is_pending(graded: Graded) -> bool:
    """Whether nothing is wrong but that a person has not spoken yet."""
    return all(failure.details.startswith(PENDING) for failure in graded.failures)


def score_id(grader: Grader, log_id: str, *, failed: bool = False) -> str:
    """The id of the Score that a grader gives a Log: another definition gives another score."""
    definition = {name: value for name, value in grader.definition.items() if name not in _PASSING_ASIDE}
    content = [log_id, grader.name, definition]
    return content_id("score_", [*content, "failed"] if failed else content)


def item_of(log: Log, scores: Sequence[Score]) -> dict[str, Json]:
    """A Log as the templates of graders see it; `reference` is the newest correction, where there is one."""
    request = calls.parse(log.request)
    try:
        messages, tools = calls.conversation(request) if isinstance(request, dict) else ([], [])
    except InvalidInput:
        messages, tools = [], []  # what it goes on from is elsewhere
    item: dict[str, Json] = {
        "id": log.id,
        "messages": messages,
        "input": log.input_text,
        "tools": tools,
        "metadata": dict(log.metadata),
        "model": log.model,
    }
    corrections = [score.correction for score in scores if score.correction]
    if corrections:
        item["reference"] = calls.text_of(corrections[-1])
        reference = calls.parse(item["reference"].encode("utf-8", "replace"))
        item |= {} if reference is None else {"reference_json": reference}
    return item


def sample_of_log(log: Log) -> dict[str, Json] | None:
    """What a Log answered, as graders see it; None where it answered nothing."""
    message = calls.answer_of(log.response)
    if message is not None:
        return sample_to_compare(message, log.finish_reason)
    return sample_of_text(log.output_text) if log.output_text else None


def _unknown(store: Store, grader: Grader, logs: Iterable[Log], tally: Tally) -> Iterator[Log]:
    for group in batches(logs):
        scores = store.scores.of([log.id for log in group])
        for log in group:
            if is_known(grader, log.id, scores[log.id]):
                tally.known += 1
            else:
                yield log


def _first(logs: Iterator[Log], limit: int | None) -> Iterator[Log]:
    for number, log in enumerate(logs):
        if number == limit:
            return
        yield log


def _graded(store: Store, grader: Grader, logs: Sequence[Log], concurrency: int) -> list[_Done]:
    scores = store.scores.of([log.id for log in logs])

    def one(log: Log) -> _Done:
        sample = sample_of_log(log)
        return _Done(log, None if sample is None else grader.grade(item_of(log, scores[log.id]), sample))

    if concurrency == 1:
        found = [one(log) for log in logs]
    else:
        with ThreadPoolExecutor(concurrency) as pool:
            found = list(pool.map(one, logs))
    kept = [_score(grader, done.log, done.graded) for done in found if done.graded is not None]
    store.scores.add([score for score in kept if score is not None])
    return found


def _score(grader: Grader, log: Log, graded: Graded) -> Score | None:
    if graded.failed and is_pending(graded):
        return None
    source: Literal["model", "annotator", "code"] = "code"
    if asks_model(grader.definition):
        source = "model"
    elif asks_people(grader.definition):
        source = "annotator"
    return Score(
        id=score_id(grader, log.id, failed=graded.failed),
        log_id=log.id,
        created_at=time.time(),
        name=grader.name,
        value=None if graded.failed else graded.reward,
        source=source,
        comment=f"failed: {_why(graded)}"[:2000] if graded.failed else _notes(graded),
    )


def _why(graded: Graded) -> str:
    return "; ".join(failure.details for failure in graded.failures)


def _notes(graded: Graded) -> str | None:
    why = graded.notes.get("why")
    if isinstance(why, str):
        return why[:2000]
    return orjson.dumps(dict(graded.notes), default=str).decode()[:2000] if graded.notes else None
