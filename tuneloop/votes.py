"""Blind votes: which of two answers is better, asked of people who are not told whose they are."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tuneloop import fields, statistics
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.reports.numbers import Json, Report, at, listed, number, percent, plural, table_of, word
from tuneloop.statistics import Interval
from tuneloop.store import Store
from tuneloop.store.ids import content_id
from tuneloop.types import Evaluation
from tuneloop.vote_types import Vote

_LONGEST_NAME = 80


class Pair(NamedTuple):
    """Two arms, by their names."""

    baseline: str
    candidate: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Ballot:
    """A row whose two answers somebody is asked about, and how many of the rows are answered."""

    row_id: str
    question: str
    #: what the data set has as the answer
    reference: str
    #: in the order in which they are shown, which is another for every row and person
    answers: tuple[str, str]
    done: int
    total: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What the votes on two arms say."""

    pair: Pair
    votes: int
    rows: int
    #: votes for the candidate, for the baseline, and for neither
    wins: int
    losses: int
    ties: int
    #: of the rows that the candidate wins, no difference being half a win
    share: Interval
    level: float

    @property
    def sentence(self) -> str:
        """It in words: "Blind, people find tuned better in 12 of 20 votes, ..." """
        said = [f"{self.pair.baseline} in {self.losses:,}"] + ([f"neither in {self.ties:,}"] if self.ties else [])
        ends = f"{percent(self.level)} interval {100 * self.share.low:.0f} to {100 * self.share.high:.0f}"
        sure = "" if self.share.low > 0.5 or self.share.high < 0.5 else ", no difference that these votes can show"
        return (
            f"Blind, people find {self.pair.candidate} better in {self.wins:,} of {plural(self.votes, 'vote')}, "
            f"{' and '.join(said)}: it wins {percent(self.share.mean)} ({ends}){sure}."
        )


def pair(evaluation: Evaluation, baseline: str | None = None, candidate: str | None = None) -> Pair:
    """The arms that are voted on, by default the report's own baseline and candidate. Raises InvalidInput."""
    if evaluation.status != "completed":
        raise InvalidInput(
            f"there is nothing to vote on in {evaluation.id}: it is {evaluation.status}", param="evaluation_id"
        )
    report = evaluation.report
    names = _names(report)
    found = Pair(baseline or word(report.get("baseline")), candidate or word(report.get("candidate")))
    for param, name in found._asdict().items():
        if name not in names:
            raise InvalidInput(f"{param} must be one of the arms {', '.join(names)}, not {name!r}", param=param)
    if found.baseline == found.candidate:
        raise InvalidInput("a vote is on two arms; name another 'candidate'", param="candidate")
    return found


def ballot(
    store: Store, evaluation: Evaluation, asked: Pair, user: str, *, after: str | None = None, row: str | None = None
) -> Ballot | None:
    """The next row that somebody has not voted on, behind the row `after` if there is one, or else the `row` itself;
    None when all are answered. Only rows that both arms have answered, and differently, are asked about. Raises
    NotFound for a `row` that is none of them."""
    rows = {word(one.get("id")): one for one in _different(evaluation.report, asked)}
    done = {
        vote.row_id
        for vote in store.evaluations.votes.of(evaluation.id)
        if vote.user == user and {*asked} == _arms(vote)
    }
    if row is not None:
        if row not in rows:
            raise NotFound(f"{row!r} is no row that the two answered differently", param="row_id")
        chosen = row
    else:
        left = [name for name in rows if name not in done]
        places = {name: place for place, name in enumerate(rows)}
        behind = [name for name in left if places[name] > places.get(after or "", -1)]
        if not left:
            return None
        chosen = (behind or left)[0]
    shown = _order(evaluation.id, chosen, user, asked)
    return Ballot(
        row_id=chosen,
        question=word(rows[chosen].get("input")),
        reference=word(rows[chosen].get("reference")),
        answers=(_text(rows[chosen], shown[0]), _text(rows[chosen], shown[1])),
        done=len(done & rows.keys()),
        total=len(rows),
    )


def cast(store: Store, evaluation: Evaluation, asked: Pair, request: Mapping[str, Json]) -> Vote:
    """Keep what somebody says of a ballot: `row_id`, `choice` (1 or 2, the better answer as they were shown; 0 for no
    difference), `user`. Whoever votes again has said the last one. Raises InvalidInput and NotFound."""
    row, user = fields.text(request, "row_id"), fields.text(request, "user")
    choice = fields.whole(request, "choice", 0, 2)
    if len(user) > _LONGEST_NAME:
        raise InvalidInput(f"'user' is who votes, in at most {_LONGEST_NAME} characters", param="user")
    if row not in {word(one.get("id")) for one in _different(evaluation.report, asked)}:
        raise NotFound(f"{row!r} is no row that the two answered differently", param="row_id")
    shown = _order(evaluation.id, row, user, asked)
    vote = Vote(
        id=content_id("vote_", [evaluation.id, row, user, sorted(asked)]),
        created_at=time.time(),
        evaluation_id=evaluation.id,
        row_id=row,
        user=user,
        first=shown[0],
        second=shown[1],
        choice=choice,
    )
    store.evaluations.votes.cast(vote)
    return vote


def results(store: Store, evaluation: Evaluation) -> list[Result]:
    """What the votes say, of each pair of arms that there are votes on; the report's own pair first."""
    names = _names(evaluation.report)
    own = {word(evaluation.report.get(key)) for key in Pair._fields}
    found: dict[Pair, list[Vote]] = {}
    for vote in store.evaluations.votes.of(evaluation.id):
        arms = sorted(_arms(vote), key=lambda name: names.index(name) if name in names else -1)
        if _arms(vote) == own:
            arms = [word(evaluation.report.get(key)) for key in Pair._fields]
        found.setdefault(Pair(*arms), []).append(vote)
    level = number(evaluation.report.get("level")) or 0.95
    made = [_result(asked, given, level) for asked, given in found.items()]
    return sorted(made, key=lambda one: ({*one.pair} != own, one.pair))


def _result(asked: Pair, given: Sequence[Vote], level: float) -> Result:
    """Rows are what is sampled: several people's votes on one are its mean."""
    wins = sum(vote.better == asked.candidate for vote in given)
    ties = sum(vote.better is None for vote in given)
    rows: dict[str, list[float]] = {}
    for vote in given:
        rows.setdefault(vote.row_id, []).append(0.5 if vote.better is None else float(vote.better == asked.candidate))
    share = statistics.bootstrap_mean([sum(scores) / len(scores) for scores in rows.values()], level=level)
    return Result(
        pair=asked,
        votes=len(given),
        rows=len(rows),
        wins=wins,
        losses=len(given) - wins - ties,
        ties=ties,
        share=share,
        level=level,
    )


def _different(report: Report, asked: Pair) -> Iterator[Mapping[str, Json]]:
    """The rows that both have answered, and not with the same text."""
    for result in listed(report.get("results")):
        answers = [table_of(at(result, "answers", name)) for name in asked]
        if all(answers) and not any(answer.get("error") for answer in answers):
            if _text(result, asked.baseline).strip() != _text(result, asked.candidate).strip():
                yield result


def _order(evaluation_id: str, row: str, user: str, asked: Pair) -> tuple[str, str]:
    """The arms as they are shown: at random, yet the same after a reload."""
    one, other = sorted(asked)
    chance = hashlib.sha256(f"{evaluation_id}\0{row}\0{user}".encode()).digest()[0]
    return (one, other) if chance % 2 else (other, one)


def _text(result: Mapping[str, Json], arm: str) -> str:
    return word(at(result, "answers", arm, "text"))


def _names(report: Report) -> list[str]:
    return [word(arm.get("name")) for arm in listed(report.get("arms"))]


def _arms(vote: Vote) -> set[str]:
    return {vote.first, vote.second}
