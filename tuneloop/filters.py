"""The filter expression: text -> tree. One language for the CLI, the API and the URL.

    score.rating = good and not (model ~ mini or latency_ms > 2000) and metadata.team in (support, sales)

    expression := conjunction ("or" conjunction)*
    conjunction := negation ("and" negation)*
    negation := "not" negation | "(" expression ")" | condition
    condition := field operator value | field ["not"] "in" "(" value, ... ")" | field "is" ["not"] "null" | field
    operator := "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" (contains, whatever the case) | "!~"
    value := 'text' | "text" | word | number | true | false | null

A field alone asks whether it has a value (for true/false fields: whether it is true). Every condition is either true or
false: a missing value equals nothing, so `score.rating != bad` also matches what nobody rated. Times are ISO 8601
(UTC unless an offset is given), seconds since 1970, or `now-7d` (s, m, h, d, w).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Literal, NamedTuple

from tuneloop.errors import InvalidInput

Kind = Literal["text", "number", "time", "bool", "any"]
Value = str | float | bool | None

#: name -> kind and meaning; `metadata` and `score` take a key after a dot
FIELDS: dict[str, tuple[Kind, str]] = {
    "id": ("text", "the Log's id"),
    "created_at": ("time", "when the call was made"),
    "source": ("text", "gateway, api, import, trace or shadow (a copy for a model on trial)"),
    "endpoint": ("text", "path of the call, such as /v1/chat/completions"),
    "model": ("text", "the name the caller asked for"),
    "served_by": ("text", "the model that answered"),
    "status": ("number", "HTTP status; 499 when the client hung up"),
    "error": ("text", "what went wrong"),
    "stream": ("bool", "whether the answer was streamed"),
    "latency_ms": ("number", "milliseconds to the last byte"),
    "first_token_ms": ("number", "milliseconds to the first piece of a streamed answer"),
    "prompt_tokens": ("number", "tokens read"),
    "completion_tokens": ("number", "tokens written"),
    "total_tokens": ("number", "tokens read and written"),
    "cost": ("number", "dollars"),
    "finish_reason": ("text", "stop, length, tool_calls, ..."),
    "user": ("text", "the caller's name for its user"),
    "response_id": ("text", "the id inside the answer"),
    "trace_id": ("text", "the trace it belongs to, in hex"),
    "span_id": ("text", "its own place there, in hex"),
    "parent_id": ("text", "the span it was made in, in hex"),
    "span_name": ("text", "a span's name"),
    "span_kind": ("text", "llm, embedding, agent, tool, chain, retriever, ...: what work a span was"),
    "prompt": ("text", "the version of the prompt it was asked with, such as support@2"),
    "input": ("text", "text of the last user message"),
    "output": ("text", "text of the answer"),
    "text": ("text", "input or output"),
    "metadata": ("text", "metadata.KEY: what the caller sent along"),
    "score": ("any", "score.NAME: the latest value under that name"),
    "scored": ("bool", "whether there is any score"),
    "corrected": ("bool", "whether there is a correction"),
}
SYNONYMS = {
    "time": "created_at",
    "latency": "latency_ms",
    "tokens": "total_tokens",
    "scores": "score",
    "feedback": "score",
    "meta": "metadata",
    "trace": "trace_id",
    "parent_span_id": "parent_id",
}
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "~", "!~")
WORDS = ("and", "or", "not", "in", "is", "null", "true", "false", "contains")
_KEYED = ("metadata", "score")


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One comparison. `op` is "=", "<", "<=", ">", ">=", "~", "in" or "exists"; `values` holds one value, or for
    "in" several, or none for "exists". Negations are `Not` around it."""

    field: str
    key: str | None = None
    op: str
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """True where `part` is false."""

    part: Tree


@dataclass(frozen=True, slots=True)
class All:
    """True where every part is; without parts always."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """True where some part is."""

    parts: tuple[Tree, ...]


Tree = Condition | Not | All | Any


def given(tree: Tree) -> Tree:
    """The same of calls whose answers were given to somebody: without the copies for models on trial, unless the
    filter itself speaks of the source."""
    if _speaks_of("source", tree):
        return tree
    return All((tree, Not(Condition(field="source", op="=", values=("shadow",)))))


def _speaks_of(name: str, tree: Tree) -> bool:
    match tree:
        case Condition():
            return tree.field == name
        case Not():
            return _speaks_of(name, tree.part)
        case All() | Any():
            return any(_speaks_of(name, part) for part in tree.parts)


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")
    | (?P<op><=|>=|!=|<>|==|!~|=|<|>|~)
    | (?P<mark>[(),])
    | (?P<word>[^\s'"(),=<>!~]+)
    )""",
    re.VERBOSE,
)


def parse(expression: str) -> Tree:
    """The tree of an expression; an empty one matches everything. Raises InvalidInput that points at the place."""
    expression = re.sub("[\0\ud800-\udfff]", "\ufffd", expression)  # as the store keeps what no database takes
    if not (tokens := list(_tokens(expression))):
        return All(())
    parser = _Parser(expression, tokens)
    tree = parser.alternatives()
    if parser.current is not None:
        raise parser.error("expected 'and', 'or' or the end")
    return tree


def conditions(expression: str) -> list[str]:
    """What must all be true, each as it is written: the whole expression where its outermost word is "or". Raises
    InvalidInput."""
    if not isinstance(parse(expression), All):
        return [expression.strip()]
    parser, found = _Parser(expression, list(_tokens(expression))), []
    while (first := parser.current) is not None:
        parser.negation()
        last = parser.tokens[parser.at - 1]
        found.append(expression[first.at : last.at + len(last.text)])
        parser.take("and")
    return found


def _tokens(expression: str) -> Iterator[_Token]:
    at, end = 0, len(expression.rstrip())
    while at < end:
        match = _TOKEN.match(expression, at)
        if match is None:
            at += len(expression[at:]) - len(expression[at:].lstrip())
            what = "a quote that is not closed" if expression[at] in "'\"" else f"unexpected {expression[at]!r}"
            raise _error(expression, at, what)
        kind = match.lastgroup or ""
        yield _Token(kind, match.group(kind), match.start(kind))
        at = match.end()


def _error(expression: str, at: int, what: str) -> InvalidInput:
    pointer = f"\n  {expression}\n  {' ' * at}^" if "\n" not in expression else f" at character {at + 1}"
    return InvalidInput(f"filter: {what}{pointer}", param="where", code="invalid_filter")


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, expression: str, tokens: list[_Token]) -> None:
        self.expression = expression
        self.tokens = tokens
        self.at = 0

    @property
    def current(self) -> _Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def error(self, what: str, token: _Token | None = None) -> InvalidInput:
        token = token or self.current
        if token is None:
            return _error(self.expression, len(self.expression.rstrip()), f"{what}, but it ends here")
        return _error(self.expression, token.at, f"{what}, not {token.text!r}")

    def take(self, *texts: str) -> bool:
        """Step over the current token if it is one of these words or marks."""
        token = self.current
        found = token is not None and token.kind != "text" and token.text.lower() in texts
        self.at += found
        return found

    def next(self, what: str) -> _Token:
        token = self.current
        if token is None:
            raise self.error(f"expected {what}")
        self.at += 1
        return token

    def alternatives(self) -> Tree:
        parts = [self.conjunction()]
        while self.take("or"):
            parts.append(self.conjunction())
        return parts[0] if len(parts) == 1 else Any(tuple(parts))

    def conjunction(self) -> Tree:
        parts = [self.negation()]
        while self.take("and"):
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def negation(self) -> Tree:
        if self.take("not"):
            return Not(self.negation())
        if self.take("("):
            tree = self.alternatives()
            if not self.take(")"):
                raise self.error("expected ')'")
            return tree
        return self.condition()

    def condition(self) -> Tree:
        field, key = self.field()
        negated = self.take("not")
        if self.take("in"):
            return _maybe_not(negated, Condition(field=field, key=key, op="in", values=self.list(field)))
        if self.take("contains"):
            return _maybe_not(negated, self.compare(field, key, "~"))
        if negated:
            raise self.error("expected 'in' or 'contains' after 'not'")
        if self.take("is"):
            return self.null_test(field, key)
        if self.current is not None and self.current.kind == "op":
            op = {"==": "=", "<>": "!="}.get(text := self.next("an operator").text, text)
            return _maybe_not(op in ("!=", "!~"), self.compare(field, key, {"!=": "=", "!~": "~"}.get(op, op)))
        return Condition(field=field, key=key, op="exists")

    def null_test(self, field: str, key: str | None) -> Tree:
        negated = self.take("not")
        if not self.take("null"):
            raise self.error("expected 'null'")
        # A yes/no field always has a value: "is null" asks whether it is false.
        return _maybe_not(not negated, Condition(field=field, key=key, op="exists"))

    def field(self) -> tuple[str, str | None]:
        token = self.next("a field")
        if token.kind != "word" or token.text.lower() in WORDS:
            raise self.error("expected a field", token)
        name, dot, key = token.text.partition(".")
        name = SYNONYMS.get(name.lower(), name.lower())
        if name not in FIELDS:
            close = get_close_matches(name, [*FIELDS, *SYNONYMS], n=1)
            known = f"a score is score.{name}, metadata is metadata.{name}; fields are {', '.join(FIELDS)}"
            hint = f"did you mean {close[0]!r}?" if close else known
            raise _error(self.expression, token.at, f"no field {token.text!r}; {hint}")
        if name not in _KEYED:
            if dot:
                raise _error(self.expression, token.at, f"{name} takes no key after a dot")
            return name, None
        if dot and not key and self.current is not None and self.current.kind == "text":
            key = _unquote(self.next("a key").text)  # metadata."my key"
        if not key:
            raise _error(self.expression, token.at, f"{name} needs a key, such as {name}.{_sample_key(name)}")
        return name, key

    def list(self, field: str) -> tuple[Value, ...]:
        if not self.take("("):
            raise self.error("expected '(' after 'in'")
        values = [self.value(field)]
        while self.take(","):
            values.append(self.value(field))
        if not self.take(")"):
            raise self.error("expected ',' or ')'")
        return tuple(values)

    def compare(self, field: str, key: str | None, op: str) -> Tree:
        token = self.current
        value = self.value(field, text=op == "~")
        if value is None:
            if op != "=":
                raise self.error("null can only be tested with = or !=", token)
            return Not(Condition(field=field, key=key, op="exists"))
        kind = FIELDS[field][0]
        if op == "~" and kind in ("number", "time", "bool"):
            raise self.error(f"{field} is not text: compare it with = or <", token)
        if op in ("<", "<=", ">", ">=") and (kind == "bool" or isinstance(value, bool)):
            raise self.error("true and false have no order", token)
        return Condition(field=field, key=key, op=op, values=(value,))

    def value(self, field: str, text: bool = False) -> Value:
        token = self.next("a value")
        if token.kind in ("op", "mark"):
            raise self.error("expected a value", token)
        quoted = token.kind == "text"
        raw = _unquote(token.text) if quoted else token.text
        if text:
            return raw
        if not quoted and raw.lower() == "null":
            return None
        try:
            return _CONVERT[FIELDS[field][0]](raw, quoted)
        except ValueError as error:
            raise self.error(f"{field} is {error}", token) from None


def _maybe_not(negated: bool, tree: Tree) -> Tree:
    return Not(tree) if negated else tree


def _sample_key(name: str) -> str:
    return "rating" if name == "score" else "customer"


def _unquote(text: str) -> str:
    quote, body = text[0], text[1:-1]
    return re.sub(r"\\(.)|" + quote * 2, lambda m: m.group(1) or quote, body, flags=re.DOTALL)


def _number(raw: str, quoted: bool) -> float:
    try:
        return float(raw)
    except ValueError:
        raise ValueError("a number") from None


def _bool(raw: str, quoted: bool) -> bool:
    if raw.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return raw.lower() == "true"


def _any(raw: str, quoted: bool) -> Value:
    """A score's value has the type it is written in: good and 'good' are text, 5 a number, true a truth."""
    if quoted:
        return raw
    if raw.lower() in ("true", "false"):
        return raw.lower() == "true"
    try:
        return float(raw)
    except ValueError:
        return raw


_AGO = re.compile(r"now(?:-(\d+(?:\.\d+)?)([smhdw]))?", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def _time(raw: str, quoted: bool) -> float:
    if ago := _AGO.fullmatch(raw):
        amount, unit = ago.groups()
        return time.time() - (float(amount) * _SECONDS[unit.lower()] if amount else 0.0)
    try:
        return float(raw)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        raise ValueError("a time such as 2026-08-31, '2026-08-31T12:00:00Z' or now-7d") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _text(raw: str, quoted: bool) -> str:
    return raw


_CONVERT: dict[Kind, Callable[[str, bool], Value]] = {
    "text": _text,
    "number": _number,
    "bool": _bool,
    "time": _time,
    "any": _any,
}
