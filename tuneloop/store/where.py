"""A filter's tree -> SQL over the logs table. Every condition comes out true or false, never null."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any as AnyType

from sqlalchemy import ColumnElement, Select, and_, exists, false, func, not_, or_, select, true

from tuneloop import filters
from tuneloop.filters import Condition, Tree, Value
from tuneloop.store.schema import log_metadata, logs, scores

Clause = ColumnElement[bool]

_COLUMNS: dict[str, ColumnElement[AnyType]] = {
    "input": logs.c.input_text,
    "output": logs.c.output_text,
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
    return or_(_compare(condition, logs.c.input_text), _compare(condition, logs.c.output_text))


def _metadata(condition: Condition) -> Clause:
    lookup = select(log_metadata.c.log_id).where(log_metadata.c.key == condition.key)
    return logs.c.id.in_(lookup.where(_compare(condition, log_metadata.c.value)))


def _truth(condition: Condition, clause: Clause) -> Clause:
    """A yes/no field: alone it asks for yes; compared, for any of the values."""
    if condition.op == "exists":
        return clause
    wanted = set(condition.values)
    return or_(false(), *([clause] if True in wanted else []), *([not_(clause)] if False in wanted else []))


def _has_score(*conditions: Clause) -> Clause:
    return exists().where(scores.c.log_id == logs.c.id, *conditions)


def _score(condition: Condition) -> Clause:
    """The latest value under the name decides; a later score replaces an earlier one."""
    newer = scores.alias("newer")
    later = exists().where(
        newer.c.log_id == scores.c.log_id,
        newer.c.name == scores.c.name,
        newer.c.kind.is_not(None),
        or_(
            newer.c.created_at > scores.c.created_at,
            and_(newer.c.created_at == scores.c.created_at, newer.c.id > scores.c.id),
        ),
    )
    named = (scores.c.name == condition.key, scores.c.kind.is_not(None), not_(later))
    if condition.op == "exists":
        return _has_score(*named)
    return or_(false(), *(_has_score(*named, _score_value(condition.op, value)) for value in condition.values))


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
        created_at, log_id = after
        query = query.where(
            or_(
                logs.c.created_at < created_at,
                and_(logs.c.created_at == created_at, logs.c.id < log_id),
            )
        )
    return query.order_by(logs.c.created_at.desc(), logs.c.id.desc())
