"""Rows to examine, from a file, from Logs or from a Dataset; what cannot be read is a row too, with what is wrong."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tuneloop import calls
from tuneloop.checks.findings import Finding
from tuneloop.checks.kinds import finding
from tuneloop.checks.rows import Row
from tuneloop.datasets import thumb
from tuneloop.errors import TuneloopError
from tuneloop.examples.messages import checked, checked_message, tools_of
from tuneloop.importers import checked_rows, formats, raw_lines
from tuneloop.importers.checked_rows import Line
from tuneloop.importers.parsed_lines import parse
from tuneloop.importers.raw_lines import FileForm
from tuneloop.store import Store
from tuneloop.store.batches import batches
from tuneloop.types import Example, Json, Log, Message, Score

#: rows that tell what method a file is for, or as many as have so many bytes
_TELLING, _TELLING_BYTES = 100, 8 << 20
#: lines without a row among them, if there are no more rows before, after which rubbish is all that comes; and rows of
#: a file that are examined: five kilobytes of memory each
_FRUITLESS, MOST = 1000, 1_000_000
_LOGGED = ("completion", "request", "feedback", "scores")


def of_file(path: Path, form: FileForm) -> Iterator[Row]:
    """The rows of a file of calls or of training rows, numbered by line; `form` is filled meanwhile."""
    lines = _lines(path, form)
    first, size = [], 0
    for line in itertools.islice(lines, _TELLING):
        first.append(line)
        size += line.length
        if size > _TELLING_BYTES:
            break
    method = checked_rows.method_of([line.value for line in first if line.value and not _is_logged(line.value)])
    for line in itertools.chain(first, lines):
        if line.value is None:
            yield Row(number=line.number, id=line.where, faults=line.faults)
        elif _is_logged(line.value):
            yield _logged(line, line.value)
        else:
            yield checked_rows.row(line, line.value, method)


def _is_logged(value: Mapping[str, Json]) -> bool:
    """Whether a row is a call; a row to learn from may have "choices" too, of a question."""
    choices = value.get("choices")
    answered = isinstance(choices, list) and any(isinstance(choice, dict) and "message" in choice for choice in choices)
    return answered or (any(key in value for key in _LOGGED) and "prompt" not in value)


def _lines(path: Path, form: FileForm) -> Iterator[Line]:
    """The lines of a file, parsed; none further where rubbish begins, or behind as many as anybody examines."""
    found = barren = 0
    for raw in raw_lines.read(path, form):
        where = f"row {raw.number}" if form.spread else f"line {raw.number}"
        value, faults = parse(raw, where)
        yield Line(number=raw.number, where=where, length=raw.length, value=value, faults=faults)
        found, barren = (found, barren + 1) if value is None else (found + 1, 0)
        if barren >= max(_FRUITLESS, found) or form.rows == MOST:
            why = f"no JSON object in {barren:,} lines" if barren else f"{MOST:,} rows are examined at most"
            form.error = f"{where} is the last that was read: {why}"
            return


def about_file(form: FileForm) -> Iterator[Finding]:
    """What is odd about a file as a whole, once it is read."""
    yield from _unread(form)
    yield from _unusual(form)


def _unread(form: FileForm) -> Iterator[Finding]:
    """Why a file, or a part of it, has no rows."""
    if form.kind:
        message = f"the file is {form.kind}, not text; unpack it, or export it with one JSON object on each line"
        yield finding("unreadable_file", (), message, kind=form.kind)
    elif form.error:
        yield finding("unreadable_file", (), f"the file was not read to its end; {form.error}", error=form.error)
    elif not form.rows:
        what = "has blank lines only" if form.blank else "holds an empty list" if form.lines else "is empty"
        yield finding("empty_file", (), f"the file {what}")


def _unusual(form: FileForm) -> Iterator[Finding]:
    """What is odd about how a file is written, though it could be read."""
    if form.encoding != "utf-8":
        message = f"the file is in {form.encoding.upper()}; save it as UTF-8"
        yield finding("encoding", (), message, encoding=form.encoding)
    elif form.marked:
        yield finding("byte_order_mark", (), "the file begins with the three bytes EF BB BF")
    if form.spread:
        what, query = (
            ("the file is one JSON array", "'.[]'") if form.array else ("rows are spread over several lines", ".")
        )
        yield finding("not_json_lines", (), f"{what}; jq -c {query} FILE writes one row a line")
    if form.mac_line_ends:
        yield finding("line_ends", (), "the lines end with a carriage return alone, as on old Macs", lines=form.lines)
    if count := form.windows_line_ends:
        yield finding("line_ends", (), f"{count:,} lines end with a carriage return", lines=count)


def of_logs(store: Store, logs: Iterable[Log]) -> Iterator[Row]:
    """The rows that Logs are, in their order."""
    number = 0
    for batch in batches(logs):
        scores = store.scores.of([log.id for log in batch])
        for log in batch:
            number += 1
            yield of_log(number, log, scores[log.id])


def of_dataset(rows: Iterable[Example]) -> Iterator[Row]:
    """The rows of a Dataset in their order."""
    return (of_example(number, example) for number, example in enumerate(rows, start=1))


def of_example(number: int, example: Example) -> Row:
    """The row that one Example is."""
    *messages, answer = example.messages
    return Row(
        number=number,
        id=example.id,
        messages=messages,
        answer=answer,
        tools=example.tools,
        split=example.split,
        ratings=() if example.label is None else (example.label,),
        extra=example.extra,
        weight=example.weight,
        rejected=example.rejected,
        log_id=example.log_id,
    )


def of_log(number: int, log: Log, scores: Sequence[Score], where: str = "") -> Row:
    """The row that one Log is; `where` it stands begins complaints, without it the Log's id."""
    where = where or f"Log {log.id}"
    request = calls.parse(log.request)
    request = request if isinstance(request, dict) else {}
    row = Row(number=number, id=log.id, log_id=log.id, created_at=log.created_at, user=log.user, status=log.status)
    try:
        messages, tools = calls.conversation(request) if log.endpoint != "/v1/embeddings" else ([], [])
        if not messages:
            return replace(row, faults=(finding("invalid_format", number, f"{where}: not a chat call"),))
        return replace(
            row,
            messages=checked(messages, where),
            answer=_answer(log, f"{where}, answer"),
            tools=tools_of({"tools": tools}, where),
            response_format=_response_format(request.get("response_format")),
            finish_reason=log.finish_reason,
            ratings=tuple(rating for score in scores if (rating := thumb(score)) is not None),
            corrections=[checked_message(s.correction, f"{where}, correction") for s in scores if s.correction],
            extra={"parallel_tool_calls": v} if (v := request.get("parallel_tool_calls")) is not None else {},
        )
    except TuneloopError as error:
        return replace(row, faults=checked_rows.refused(number, [error]))


def _answer(log: Log, where: str) -> Message:
    """The answer of a call; none is an empty one. Raises InvalidData."""
    answer = calls.answer_of(log.response) or {"content": log.output_text}
    given = (answer.get(key) for key in ("content", "refusal", "tool_calls", "function_call"))
    nothing = {} if any(value is not None for value in given) else {"content": ""}
    return checked_message({**answer, **nothing, "role": "assistant"}, where)


def _response_format(given: Json) -> Mapping[str, Json] | None:
    """The `response_format` of a request, where it is one."""
    return given if isinstance(given, dict) and isinstance(given.get("json_schema"), dict | None) else None


def _logged(line: Line, value: dict[str, Json]) -> Row:
    """A row of a log file; it is never stored, so it costs nothing and has no id but its own."""
    row_id = value["id"] if isinstance(value.get("id"), str) else line.where
    try:
        imported = formats.to_log(value, source="import", cost=_free, log_id=row_id)
    except TuneloopError as error:
        error.message = f"{line.where}: {error.message}"
        return Row(number=line.number, id=row_id, faults=(*line.faults, *checked_rows.refused(line.number, [error])))
    row = of_log(line.number, imported.log, imported.scores, line.where)
    return replace(row, log_id=None, faults=(*line.faults, *row.faults))


def _free(provider: str | None, model: str, prompt: int, completion: int) -> None:
    return None
