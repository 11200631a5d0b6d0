"""A filter's tree -> SQL over the logs table. Every condition comes out true or false, never null."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any as AnyType

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    and_,
    column,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    table,
    true,
    tuple_,
)

from tuneloop import filters
from tuneloop.filters import Condition, Tree, Value
from tuneloop.store.schema import log_metadata, logs, scores

Clause = ColumnElement[bool]

#: in SQLite, where logs stand in other orders than time, and which have no place yet
PLACES = table("log_places", column("log_id"), column("latency_ms"), column("cost"))
_WAITING = table("log_places_waiting", column("log_id")).c.log_id

#: as an expression, of which there is no index: PostgreSQL takes that of words for any page, however slow it is
_INPUT, _OUTPUT = logs.c.input_text.concat(""), logs.c.output_text.concat("")

_COLUMNS: dict[str, ColumnElement[AnyType]] = {
    "input": _INPUT,
    "output": _OUTPUT,
    "total_tokens": func.coalesce(logs.c.prompt_tokens, 0) + func.coalesce(logs.c.completion_tokens, 0),
}


def where(tree: Tree) -> Clause:
    """The SQL condition that a row of `logs` fulfils when the tree is true of that Log."""
    match tree:
        case filters.All(parts):
            return and_(true(), *map(where, parts))
        case filters.Any(parts):
            return or_(false(), *map(where, parts))
        case filters.Not(part):
            return not_(where(part))
        case Condition():
            return _CONDITIONS.get(tree.field, _column)(tree)


def _column(condition: Condition) -> Clause:
    return _compare(condition, _COLUMNS[condition.field] if condition.field in _COLUMNS else logs.c[condition.field])


def _text(condition: Condition) -> Clause:
    return or_(_compare(condition, _INPUT), _compare(condition, _OUTPUT))


def with_words(condition: Condition) -> Select[AnyType]:
    """The ids of logs of which a condition on texts is true, by PostgreSQL's index of words."""
    texts = {"input": [logs.c.input_text], "output": [logs.c.output_text]}
    columns = texts.get(condition.field, [logs.c.input_text, logs.c.output_text])
    return select(logs.c.id).where(or_(*(_compare(condition, column) for column in columns)))


def _metadata(condition: Condition) -> Clause:
    same = (log_metadata.c.log_id == logs.c.id, log_metadata.c.key == condition.key)
    return _exists(select(log_metadata.c.log_id).where(*same, _compare(condition, log_metadata.c.value)))


def _truth(condition: Condition, clause: Clause) -> Clause:
    """A yes/no field: alone it asks for yes; compared, for any of the values."""
    if condition.op == "exists":
        return clause
    wanted = set(condition.values)
    return or_(false(), *([clause] if True in wanted else []), *([not_(clause)] if False in wanted else []))


def _has_score(*conditions: Clause) -> Clause:
    return _exists(_scores(scores).where(scores.c.log_id == logs.c.id, *conditions))


def _exists(query: Select[AnyType]) -> Clause:
    # With an offset it is asked for each log, by its index, and not worked out for all logs ahead of the first page.
    return query.offset(0).exists()


def _scores(some: FromClause) -> Select[AnyType]:
    # Without statistics SQLite takes the index of values, and goes through all scores of that value for each log.
    return select(some.c.id).with_hint(some, "INDEXED BY scores_of_log", "sqlite")


def _score(condition: Condition) -> Clause:
    """The latest value under the name decides; a later score replaces an earlier one."""
    newer = scores.alias("newer")
    later = _exists(
        _scores(newer).where(
            newer.c.log_id == scores.c.log_id,
            newer.c.name == scores.c.name,
            newer.c.kind.is_not(None),
            tuple_(newer.c.created_at, newer.c.id) > tuple_(scores.c.created_at, scores.c.id),
        )
    )
    named = (scores.c.name == condition.key, scores.c.kind.is_not(None), not_(later))
    if condition.op == "exists":
        return _has_score(*named)
    return or_(false(), *(_has_score(*named, _score_value(condition.op, value)) for value in condition.values))


def candidates(condition: Condition, dialect: str) -> Select[AnyType] | CompoundSelect[AnyType] | None:
    """The ids of logs among which are all that fulfil a condition, by way of an index (some perhaps twice); None where
    there is no index for it. Texts have an index of their own."""
    if condition.field == "metadata" and condition.op != "~":
        chosen = (log_metadata.c.key == condition.key, _compare(condition, log_metadata.c.value))
        return select(log_metadata.c.log_id).where(*chosen)
    if condition.field == "score" and condition.op != "~":
        return _scored_ids(condition, dialect)
    if condition.field in ("scored", "corrected") and condition.values in ((), (True,)):
        return select(scores.c.log_id).where(*([scores.c.correction.is_not(None)] * (condition.field == "corrected")))
    if condition.field == "status":
        return _failed_ids(condition)
    if condition.field in ("latency_ms", "cost") and dialect == "sqlite" and condition.op != "exists":
        return select(PLACES.c.log_id).where(_compare(condition, PLACES.c[condition.field])).union_all(select(_WAITING))
    if condition.field in _INDEXED and condition.op not in ("~", "exists"):
        return select(logs.c.id).where(_column(condition))
    return None


def _scored_ids(condition: Condition, dialect: str) -> Select[AnyType]:
    query = select(scores.c.log_id).where(scores.c.name == condition.key, scores.c.kind.is_not(None))
    if condition.op == "exists":
        return query
    values = [_score_value(condition.op, value) for value in condition.values]
    if dialect == "postgresql" and condition.op in ("=", "in"):  # its index has the beginnings of texts
        begins = func.left(scores.c.text, literal_column("100"))
        pairs = zip(values, condition.values, strict=True)
        values = [and_(one, begins == value[:100]) if isinstance(value, str) else one for one, value in pairs]
    return query.where(or_(false(), *values))


def _failed_ids(condition: Condition) -> Select[AnyType] | None:
    # Nearly all calls go well, so only the others are in the index.
    low = condition.op in ("=", "in", ">", ">=") and all(isinstance(v, float) and v >= 400 for v in condition.values)
    if not low:
        return None
    return select(logs.c.id).where(_column(condition), logs.c.status >= literal_column("400"))


_INDEXED = {
    *("id", "created_at", "model", "latency_ms", "cost"),
    *("response_id", "trace_id", "span_id", "parent_id", "prompt"),
}


def _score_value(op: str, value: Value) -> Clause:
    if op == "~":
        return _contains(scores.c.text, str(value))
    if isinstance(value, bool):
        return and_(scores.c.kind == "bool", scores.c.number == float(value))
    if isinstance(value, float):
        return and_(scores.c.kind == "number", _ORDER[op](scores.c.number, value))
    return and_(scores.c.kind == "text", _ORDER[op](scores.c.text, value))


_ORDER: dict[str, Callable[[ColumnElement[AnyType], Value], Clause]] = {
    "=": lambda column, value: column == value,
    "in": lambda column, value: column == value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
}


def _compare(condition: Condition, column: ColumnElement[AnyType]) -> Clause:
    if condition.op == "exists":
        return column.is_not(None)
    if condition.op == "in":
        return and_(column.is_not(None), column.in_(condition.values))
    (value,) = condition.values
    if condition.op == "~":
        return and_(column.is_not(None), _contains(column, str(value)))
    return and_(column.is_not(None), _ORDER[condition.op](column, value))


def _contains(column: ColumnElement[AnyType], text: str) -> Clause:
    """Case does not matter. SQLite folds ASCII only, so letters beyond it are matched in either of their own cases."""
    return or_(*(column.icontains(form, autoescape=True) for form in dict.fromkeys((text, text.lower(), text.upper()))))


_CONDITIONS: dict[str, Callable[[Condition], Clause]] = {
    "scored": lambda condition: _truth(condition, _has_score()),
    "corrected": lambda condition: _truth(condition, _has_score(scores.c.correction.is_not(None))),
    "stream": lambda condition: _truth(condition, logs.c.stream.is_(True)),
    "score": _score,
    "metadata": _metadata,
    "text": _text,
}


def newest_first(query: Select[AnyType], after: tuple[float, str] | None) -> Select[AnyType]:
    """Order by time, newest first, beginning behind the given (created_at, id)."""
    if after is not None:
        query = query.where(tuple_(logs.c.created_at, logs.c.id) < tuple_(*after))
    return query.order_by(logs.c.created_at.desc(), logs.c.id.desc())
