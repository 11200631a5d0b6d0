"""The examination of a data set: every check over every row, in one pass over the rows and one over what was kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tuneloop.checks import (
    answers,
    balance,
    doubts,
    duplicates,
    injection,
    labels,
    language,
    obeying,
    privacy,
    ratings,
    sizes,
    structure,
    suitability,
    turns,
)
from tuneloop.checks.findings import Finding
from tuneloop.checks.kinds import KINDS
from tuneloop.checks.rows import Row
from tuneloop.checks.survey import Facts, Survey

#: tokens of a whole row, and of what is learnt of it
Tokens = tuple[int, int]
#: counts the tokens of many rows at once; None for a row that the model's template refuses
Count = Callable[[Sequence[Row]], Sequence[Tokens | None]]
Progress = Callable[[str, int], None]

_BATCH = 256
#: evidence that a fix is made of
_MENDING = frozenset({"repaired"})
#: what says of an answer more exactly what is wrong with it than a thumb, a correction or a look at its form
_SAID_BETTER = frozenset(
    {"wrong_label", "unknown_label", "format_violation", "truncated", "empty", "failed_call", "broken_json"}
    | {"schema_violation", "misrated_bad"}
)


@dataclass(kw_only=True, slots=True)
class Examination:
    """What was found in each row, and in all together."""

    #: number and id of every row, in order
    rows: list[tuple[int, str]] = field(default_factory=list)
    of_row: dict[int, list[Finding]] = field(default_factory=lambda: defaultdict(list))
    overall: list[Finding] = field(default_factory=list)
    #: numbers of the rows to which somebody gave another answer
    corrected: set[int] = field(default_factory=set)
    #: rows that could be counted, their tokens, and those of them that are learnt
    counted: int = 0
    tokens: int = 0
    learnt: int = 0

    def findings(self) -> Iterator[Finding]:
        """All of them: those of all rows together first, then row by row."""
        yield from self.overall
        for number, _ in self.rows:
            yield from self.of_row.get(number, ())

    def ranked(self) -> list[Ranked]:
        """The kinds of finding that there are, the most harmful first."""
        found: dict[str, list[Finding]] = defaultdict(list)
        for one in self.findings():
            found[one.code].append(one)
        ranked = [_ranked(code, members, len(self.rows)) for code, members in found.items()]
        return sorted(ranked, key=lambda kind: (-kind.harm, _GRAVE.index(kind.severity), kind.code))


_GRAVE = ("error", "warning", "advice")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """A kind of finding, how much of the data it concerns, and what it costs to leave it."""

    code: str
    severity: str
    title: str
    why: str
    #: rows it was found in; 0 for what concerns all together
    rows: int
    #: rows times how harmful each is: how many good rows' worth of teaching is lost
    harm: float
    fixes: Sequence[str]
    #: what was said of the first few
    messages: Sequence[str]


def examine(
    rows: Iterable[Row], *, count: Count | None = None, context: int | None = None, progress: Progress | None = None
) -> Examination:
    """Examine rows, in one pass over them. `count` and `context` are of the model that would be tuned; `progress`
    hears what is being done and how many rows of it."""
    made, survey = Examination(), Survey()
    heard = progress or (lambda what, done: None)
    batch: list[tuple[Row, Facts]] = []
    for row in rows:
        made.rows.append((row.number, row.id))
        found = list(row.faults)
        if row.messages or row.answer is not None:
            found += _alone(row)
            if row.corrected:
                made.corrected.add(row.number)
            batch.append((row, survey.add(row, (one.code for one in found))))
        if found:
            made.of_row[row.number] += found
        if len(batch) == _BATCH:
            _count(made, batch, count)
            batch = []
        if len(made.rows) % 1000 == 0:
            heard("reading rows", len(made.rows))
    _count(made, batch, count)
    heard("comparing rows", len(made.rows))
    facts_of = {facts.number: facts for facts in survey.rows}
    for family in _together(survey, context):
        _keep(made, facts_of, family)
    _leave_one(made)
    return made


def _alone(row: Row) -> Iterator[Finding]:
    """What is found in a row by itself."""
    if row.answer is not None:
        yield from answers.check(row)
    yield from turns.check(row)
    yield from ratings.check(row)
    yield from privacy.check(row)
    yield from injection.check(row)


def _together(survey: Survey, context: int | None) -> Iterator[Sequence[Finding]]:
    """What is found in all rows together, family by family: later ones see the codes of earlier ones."""
    yield list(sizes.check(survey, context))
    yield list(turns.check_all(survey))
    yield list(answers.check_all(survey))
    labelled = labels.tasks(survey)
    yield list(language.check(survey, labelled))
    yield list(obeying.check(labelled))
    yield list(labels.check(survey, labelled))
    structured = structure.tasks(survey)
    yield list(structure.check(structured))
    yield list(doubts.check(labelled))
    yield list(duplicates.check(survey, labelled))
    yield list(balance.check(survey, labelled))
    yield list(suitability.check(survey, labelled, structured))


def _keep(made: Examination, facts_of: Mapping[int, Facts], found: Sequence[Finding]) -> None:
    for one in found:
        if not one.rows:
            made.overall.append(one)
        for number in one.rows:
            made.of_row[number].append(one)
            facts_of[number].codes.add(one.code)


def _leave_one(made: Examination) -> None:
    """Leave out what another finding of the row says better."""
    for number, found in made.of_row.items():
        codes = {one.code for one in found}
        said = set()
        if codes & _SAID_BETTER:
            said |= {"wrong_answer", "rated_bad"}
        if "format_violation" in codes:
            said.add("empty_talk")
        seen: dict[str, Finding] = {}
        for one in found:
            if one.code not in said:
                seen.setdefault(one.code, one)
        made.of_row[number] = [_discreet(one) for one in seen.values()]
    made.overall = [_discreet(one) for one in made.overall]


def _discreet(one: Finding) -> Finding:
    """A finding as a report may show it: personal data in what it quotes is hidden."""
    evidence = {key: value if key in _MENDING else privacy.discreet(value) for key, value in one.evidence.items()}
    return replace(one, message=privacy.discreet(one.message), evidence=evidence)


def _count(made: Examination, batch: Sequence[tuple[Row, Facts]], count: Count | None) -> None:
    if count is None or not batch:
        return
    for (_, facts), tokens in zip(batch, count([row for row, _ in batch]), strict=True):
        if tokens is not None:
            facts.tokens, facts.learnt = tokens
            made.counted += 1
            made.tokens += tokens[0]
            made.learnt += tokens[1]


def _ranked(code: str, found: Sequence[Finding], total: int) -> Ranked:
    kind = KINDS[code]
    rows = sum(len(one.rows) for one in found)
    return Ranked(
        code=code,
        severity=kind.severity,
        title=kind.title,
        why=kind.why,
        rows=rows,
        harm=round(kind.harm * (rows or 0.2 * total), 1),
        fixes=kind.fixes,
        messages=[one.message for one in found[:3]],
    )
