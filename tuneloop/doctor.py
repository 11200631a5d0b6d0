"""The data set doctor: examines Logs, a Dataset or a file, says what becomes of every row, and makes a Dataset of those
that are kept. Nothing that it looks at is changed."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

import orjson

from tuneloop import datasets, files, filters, tuning
from tuneloop.chat import Chat, load_chat
from tuneloop.checks import examination, page, treatment
from tuneloop.checks.examination import Examination, Tokens
from tuneloop.checks.findings import Finding
from tuneloop.checks.rows import Row
from tuneloop.checks.treatment import Plan, Treated
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.importers import examined
from tuneloop.importers.raw_lines import FileForm
from tuneloop.loop import Loop
from tuneloop.pricing import TRAINING_PRICES
from tuneloop.settings import Settings
from tuneloop.tuning import Needs
from tuneloop.types import Dataset, Json

#: passes over the rows that OpenAI's "auto" usually takes
EPOCHS = 3
#: of a row without an answer (a prompt for reinforcement), whatever else was found
_NOTHING_TO_LEARN = Treated(outcome="dropped", reasons=("no_answer",), fixes=("drop",))
#: what is done, and how many rows of it
Progress = Callable[[str, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """What is examined: its name, and its rows, as often as they are asked for."""

    name: str
    rows: Callable[[], Iterator[Row]]
    #: what is odd about it as a whole, once its rows have been read
    about: Callable[[], Iterator[Finding]] = lambda: iter(())
    #: the rows of these numbers, where they are found faster than by going through all
    pick: Callable[[Collection[int]], Iterator[Row]] | None = None

    def some(self, numbers: Collection[int]) -> Iterator[Row]:
        """The rows of these numbers."""
        if self.pick is not None:
            return self.pick(numbers)
        return (row for row in self.rows() if row.number in numbers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What was found, and what becomes of each row under a plan."""

    patient: Patient
    examination: Examination
    plan: Plan
    #: by the row's number; rows that are not here are kept
    treated: dict[int, Treated]
    #: what tuning on the rows that are kept takes on this machine, where that was measured
    needs: Needs | None = None

    def counts(self) -> dict[str, int]:
        """Rows kept, fixed and dropped: together all there are."""
        found = Counter(treated.outcome for treated in self.treated.values())
        kept = len(self.examination.rows) - found["fixed"] - found["dropped"]
        return {"rows": len(self.examination.rows), "kept": kept, "fixed": found["fixed"], "dropped": found["dropped"]}

    def records(self) -> Iterator[dict[str, Json]]:
        """The account: a record for each row."""
        kept = Treated(outcome="kept")
        for number, row_id in self.examination.rows:
            treated = self.treated.get(number, kept)
            yield {
                "type": "row",
                "number": number,
                "id": row_id,
                "status": treated.outcome,
                "reasons": list(treated.reasons),
                "fixes": list(treated.fixes),
                "findings": [_shown(one) for one in self.examination.of_row.get(number, ())],
            }

    def summary(self) -> dict[str, Json]:
        """All rows together: how many of each, what was found, the most harmful first, and tokens."""
        made = self.examination
        return {
            "type": "summary",
            "source": self.patient.name,
            **self.counts(),
            "findings": [asdict(kind) for kind in made.ranked()],
            "overall": [_shown(one) for one in made.overall],
            "reasons": {
                outcome: dict(
                    Counter(t.reasons[0] for t in self.treated.values() if t.outcome == outcome).most_common()
                )
                for outcome in ("fixed", "dropped")
            },
            "tokens": {"rows": made.counted, "total": made.tokens, "learnt": made.learnt} if made.counted else None,
            "training": None if self.needs is None else self.needs._asdict(),
        }

    def costs(self) -> list[str]:
        """What training on it takes, in words; nothing where nothing was counted or measured."""
        made, said = self.examination, []
        if made.counted:
            said.append(f"{made.tokens:,} tokens, of which {made.learnt:,} are learnt")
            dollars = (f"{model} ${made.tokens * EPOCHS * price / 1e6:,.2f}" for model, price in TRAINING_PRICES)
            said.append(f"{EPOCHS} epochs at a provider's price: {', '.join(dollars)}")
        if self.needs is not None:
            minutes, memory = self.needs.seconds / 60, self.needs.bytes / 2**30
            said.append(f"on this machine, the rows that are kept: {minutes:.1f} min and {memory:.1f} GiB of memory")
        return said

    def account(self) -> Iterator[bytes]:
        """The records and the summary, as JSON Lines."""
        for record in self.records():
            yield orjson.dumps(record, default=str) + b"\n"
        yield orjson.dumps(self.summary(), default=str) + b"\n"


def of_file(path: Path, name: str = "") -> Patient:
    """A file of calls or of training rows. Raises InvalidInput when there is none."""
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no file"
        raise InvalidInput(f"{str(path)!r} is {what}", param="file")
    form = FileForm()

    def rows() -> Iterator[Row]:
        nonlocal form
        form = FileForm()
        yield from examined.of_file(path, form)

    name = name or path.name.encode("utf-8", "replace").decode()  # names on disk may be no text
    return Patient(name=name, rows=rows, about=lambda: examined.about_file(form))


def of_logs(loop: Loop, where: str = "") -> Patient:
    """The Logs that match a filter. Raises InvalidFilter."""
    tree = filters.given(filters.parse(where))
    store = loop.store
    name = f"logs where {where}" if where else "all logs"
    return Patient(name=name, rows=lambda: examined.of_logs(store, store.logs.each(tree)))


def of_dataset(loop: Loop, name: str) -> Patient:
    """A Dataset, by name or id. Raises NotFound."""
    dataset = loop.store.datasets.named(name)
    table = loop.store.datasets

    def pick(numbers: Collection[int]) -> Iterator[Row]:
        return (examined.of_example(number, example) for number, example in table.numbered(dataset.id, numbers))

    named = f"dataset {dataset.name}" if name == dataset.name else f"dataset {dataset.name} ({dataset.id})"
    return Patient(name=named, rows=lambda: examined.of_dataset(table.rows(dataset.id)), pick=pick)


def of_upload(loop: Loop, file_id: str) -> Patient:
    """An uploaded file. Raises NotFound."""
    file = files.get(loop.store, file_id)
    copy = _scratch(loop)
    loop.store.blobs.download(file.sha256, copy)
    return of_file(copy, f"{file.filename} ({file.id})")


def of_stream(loop: Loop, stream: BinaryIO, name: str) -> Patient:
    """What comes through a pipe: copied first, for rows are read twice."""
    copy = _scratch(loop)
    with copy.open("wb") as file:
        shutil.copyfileobj(stream, file)
    return of_file(copy, name)


def _scratch(loop: Loop) -> Path:
    """A place for a file that is gone with the loop."""
    folder = Path(tempfile.mkdtemp(prefix="tuneloop-"))
    weakref.finalize(loop, shutil.rmtree, folder, True)
    return folder / "file.jsonl"


def chat(loop: Loop, model: str | None) -> Chat | None:
    """The chat of the model that tokens are counted for; without a name that of the usual one if it is here, for no
    model is brought for a look at some rows."""
    name = model or loop.settings.base_model
    if model is None and name not in {known.name for known in loop.model_store.list()}:
        return None
    return load_chat(loop.base_folder(name))


def examine(
    patient: Patient, *, plan: Plan | None = None, chat: Chat | None = None, progress: Progress | None = None
) -> Report:
    """Examine all rows and decide what becomes of each. `chat` (tuneloop.chat) counts tokens for the model that would
    be tuned."""
    made = examination.examine(
        patient.rows(),
        count=None if chat is None else _counter(chat),
        context=None if chat is None else chat.context,
        progress=progress,
    )
    made.overall[:0] = patient.about()
    return decide(patient, made, plan or Plan())


def examine_dataset(settings: Settings, dataset_id: str, progress: Progress) -> Examination:
    """What is found in a Dataset, in a process of its own: a Loop cannot be handed to one, its settings can."""
    loop = Loop(settings=settings)
    try:
        return examine(of_dataset(loop, dataset_id), chat=chat(loop, None), progress=progress).examination
    finally:
        loop.store.close()


def decide(patient: Patient, made: Examination, plan: Plan) -> Report:
    """What becomes of each examined row under a plan: another plan needs no other examination."""
    treated = {
        number: judged
        for number, found in made.of_row.items()
        if (judged := treatment.judge(found, plan, corrected=number in made.corrected)).outcome != "kept"
    }
    return Report(patient=patient, examination=made, plan=plan, treated=treated)


def foresee(loop: Loop, report: Report, model: str | None = None) -> Report:
    """The report with what tuning on the rows that are kept takes here. Raises InvalidInput when they are too few."""
    kept = (after for _, after, _ in treated_rows(report) if after is not None)
    examples = (made for row in kept if (made := _candidate(row, Treated(outcome="kept"), (1.0, 0.0, 0.0)).example))
    return replace(report, needs=tuning.foresee(loop, datasets.export(examples), model))


def treated_rows(report: Report) -> Iterator[tuple[Row, Row | None, Treated]]:
    """Every row as it was and as it is kept, None where it is dropped, and what was done with it."""
    return (_treated(report, row) for row in report.patient.rows())


def _treated(report: Report, row: Row) -> tuple[Row, Row | None, Treated]:
    treated = report.treated.get(row.number, Treated(outcome="kept"))
    found = report.examination.of_row.get(row.number, ())
    readable = row.answer is not None
    return row, treatment.treat(row, found, treated, report.plan) if readable else None, treated


class Change(NamedTuple):
    """A row that something was found in, before and after the treatment."""

    row: Row
    #: None where it is dropped
    after: Row | None
    treated: Treated
    found: Sequence[Finding]


def changes(report: Report, code: str, *, limit: int, after: int = 0) -> tuple[list[Change], bool]:
    """The first rows with a finding of that code, numbered above `after`, and what becomes of them; whether there are
    more."""
    of_row = report.examination.of_row
    numbers = sorted(n for n, found in of_row.items() if n > after and any(one.code == code for one in found))
    rows = sorted(report.patient.some(set(numbers[:limit])), key=lambda row: row.number)
    return [Change(*_treated(report, row), of_row[row.number]) for row in rows], len(numbers) > limit


def make_dataset(loop: Loop, report: Report, name: str, *, shares: datasets.Shares = datasets.SHARES) -> Dataset:
    """A Dataset of the rows that are kept, which keeps the whole account. Raises InvalidInput when too few remain."""

    def candidates() -> Iterator[datasets.Candidate]:
        seen: set[str] = set()
        for row, after, treated in treated_rows(report):
            if after is None:
                gone = treated if treated.outcome == "dropped" else _NOTHING_TO_LEARN
                report.treated[row.number] = gone
                yield datasets.Candidate(None, f"dropped: {gone.reasons[0]}")
                continue
            made = _candidate(after, treated, shares)
            if made.example is not None and made.example.id in seen:  # equal now that they are mended
                report.treated[row.number] = Treated(
                    outcome="dropped", reasons=("exact_duplicate",), fixes=("keep_one",)
                )
            elif made.example is not None:
                seen.add(made.example.id)
            yield made

    return datasets.write(loop.store, name, candidates(), origin=report.patient.name, report=report.account())


def previews(report: Report, most: int) -> Iterator[tuple[Row, Sequence[str], str]]:
    """The first rows that are fixed, with the fixes and what they change."""
    changed = (
        (row, treated.fixes, treatment.preview(row, after))
        for row, after, treated in treated_rows(report)
        if after is not None and treated.outcome == "fixed"
    )
    return itertools.islice(changed, most)


def account(loop: Loop, dataset: Dataset) -> Iterator[bytes]:
    """The records and the summary that a Dataset keeps, a line each. Raises NotFound for one that the doctor did not
    make."""
    if dataset.sha256 is None:
        raise NotFound(
            f"dataset {dataset.name!r} was not made by the doctor, so it has no account of every row", param="name"
        )
    file = loop.store.datasets.blobs.open(dataset.sha256)

    def lines() -> Iterator[bytes]:
        with file:
            yield from (line.rstrip(b"\n") for line in file)

    return lines()


def account_page(loop: Loop, dataset: Dataset) -> str:
    """The same as a page for a browser."""
    *records, summary = map(orjson.loads, account(loop, dataset))
    return page.html(summary, records)


def write_report(report: Report, path: Path | None) -> None:
    """Write a page for a browser (.html), or the account as JSON Lines; without a path nothing. Raises InvalidInput
    where that cannot be."""
    if path is None:
        return
    try:
        if path.suffix in (".html", ".htm"):
            path.write_text(page.html(report.summary(), report.records()), encoding="utf-8")
        else:
            with path.open("wb") as file:
                file.writelines(report.account())
    except OSError as error:
        raise InvalidInput(f"{str(path)!r} cannot be written: {error.strerror}", param="report") from error


def _candidate(row: Row, treated: Treated, shares: datasets.Shares) -> datasets.Candidate:
    assert row.answer is not None
    return datasets.candidate(
        {"messages": [*row.messages, row.answer], "tools": row.tools, "weight": row.weight, **row.extra},
        outcome=treated.outcome,
        split=row.split,
        shares=shares,
        log_id=row.log_id,
        label=row.rating,
        rejected=row.rejected,
    )


def _counter(chat: Chat) -> Callable[[Sequence[Row]], list[Tokens | None]]:
    """Counts the tokens of whole rows, and of their answers with the end of the turn."""

    def count(rows: Sequence[Row]) -> list[Tokens | None]:
        whole = chat.count([([*row.messages, *([row.answer] if row.answer else [])], row.tools) for row in rows])
        answers = chat.count_texts([row.answer_text for row in rows])
        return [
            None if tokens is None else (tokens, min(answer + 1, tokens))
            for tokens, answer in zip(whole, answers, strict=True)
        ]

    return count


def _shown(one: Finding) -> dict[str, Json]:
    return {
        "code": one.code,
        "severity": one.severity,
        "message": one.message,
        "evidence": dict(one.evidence),
        "fix": one.fix,
    }
