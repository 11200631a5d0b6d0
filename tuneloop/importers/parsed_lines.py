"""What a line of a file holds: a JSON object, with what is odd about it, or what is wrong with the line."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import orjson

from tuneloop.calls import DEEPEST, is_deep
from tuneloop.checks.findings import Finding
from tuneloop.checks.kinds import finding
from tuneloop.importers.raw_lines import LONGEST, RawLine, is_binary
from tuneloop.types import Json

#: bytes that no model reads at once
_GIANT = 1 << 20
_NOT_A_NUMBER = re.compile(r"-?(?:NaN|Infinity)\b")
#: how a line begins inside of JSON that is spread over several
_INSIDE = '"}],:'
_PYTHON = re.compile(r"[{\[,:]\s*(?:'|None\b|True\b|False\b)")
#: what begins an error of the parser -> what it means for a person
_MEANINGS = (
    ("depth limit", f"nested more than {DEEPEST} levels deep"),
    ("trailing comma", "a comma before a closing bracket, which JSON does not allow"),
    ("unexpected end of data", "it breaks off in the middle; was the file cut, or the row spread over several lines?"),
    ("no low surrogate", r"half of a character (\ud800 to \udfff without its other half)"),
    ("unexpected low surrogate", r"half of a character (\ud800 to \udfff without its other half)"),
    ("unexpected control character", r"a control character in a text; write line ends as \n, tabs as \t"),
    ("unexpected content after document", "something stands behind the object; write one object on a line"),
)


class Parsed(NamedTuple):
    """The object in a line, None where there is none, and what was found."""

    value: dict[str, Json] | None
    findings: tuple[Finding, ...] = ()


def parse(line: RawLine, where: str) -> Parsed:
    """The object in a line; `where` it stands ("line 3") begins each message."""

    def wrong(code: str, message: str, **evidence: Json) -> Parsed:
        return Parsed(None, (finding(code, line.number, f"{where}: {message}", **evidence),))

    if line.length > LONGEST:
        message = f"{_megabytes(line.length)} in one line; at most {_megabytes(LONGEST)} are read"
        return wrong("unreadable", message, bytes=line.length)
    begin = _printable(line.raw[:80])
    try:
        value = orjson.loads(line.raw)
    except orjson.JSONDecodeError as error:
        number = _NOT_A_NUMBER.match(error.doc, max(0, error.pos - 1)) or _NOT_A_NUMBER.match(error.doc, error.pos)
        if number:
            return wrong(
                "not_a_number", f"{number.group()} is no JSON; write null, or leave the field out", begin=begin
            )
        if "infinity" in error.msg:
            return wrong("not_a_number", "a number that is too large for a computer's numbers", begin=begin)
        return wrong("unreadable", _meaning(line.raw, error), begin=begin)
    if not isinstance(value, dict):
        hint = '; messages stand in {"messages": [...]}' if isinstance(value, list) else ""
        return wrong("unreadable", f"a JSON object {{...}} is expected, not {_TYPES[type(value)]}{hint}", begin=begin)
    if is_deep(line.raw, value):
        return wrong("unreadable", f"nested more than {DEEPEST} levels deep", begin=begin)
    return Parsed(value, tuple(_oddities(line, value, where)))


_TYPES = {
    list: "a list",
    str: "a text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def _oddities(line: RawLine, value: dict[str, Json], where: str) -> list[Finding]:
    """What is odd about a line that holds an object."""
    found = []
    if line.marked and line.number > 1:
        message = f"{where}: a byte order mark stands before the row; were files put one behind the other?"
        found.append(finding("byte_order_mark", line.number, message))
    if line.length > _GIANT:
        message = f"{where}: {_megabytes(line.length)} in one row, more than any model reads at once"
        found.append(finding("overlong", line.number, message, bytes=line.length))
    if twice := _twice(line.raw, value):
        message = f"{where}: {', '.join(map(repr, twice[:5]))} stands twice in an object; the last one counts"
        found.append(finding("duplicate_key", line.number, message, keys=twice[:20]))
    return found


def _meaning(raw: bytes, error: orjson.JSONDecodeError) -> str:
    """What is wrong with bytes that are no JSON, and the way out where it is known."""
    if is_binary(raw[:1000]):
        return "binary data, not text; is it a spreadsheet, an archive or a picture? Export it as JSON Lines"
    try:
        text = raw.decode()
    except UnicodeDecodeError as wrong:
        byte = raw[wrong.start : wrong.start + 1]
        meant = byte.decode("cp1252", "replace")
        return (
            f"not UTF-8: byte {wrong.start + 1} is {byte[0]:#04x} ({meant!r} in Windows-1252); save the file as UTF-8"
        )
    for begin, meaning in _MEANINGS:
        if error.msg.startswith(begin):
            return meaning
    text = text.strip()
    if _PYTHON.match(text, max(0, text.find("{"))) or _PYTHON.search(text[max(0, error.pos - 2) : error.pos + 6]):
        return "Python's way of writing, not JSON; write it with json.dumps"
    if text.startswith(("//", "#", "/*")):
        return "a comment; JSON has none"
    if text[:1] not in "{[":
        what = (
            "a part of JSON that is spread over several lines" if text[:1] in _INSIDE else "plain text or a table (CSV)"
        )
        return f"{what}; write each row as one JSON object on a line"
    return f"not valid JSON at character {error.pos + 1}: {error.msg}"


def _printable(begin: bytes) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in begin.decode("utf-8", "replace"))


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"


def _twice(raw: bytes, value: Json) -> list[str]:
    """The keys that stand more than once in an object of valid JSON, which `value` is without them.

    A key that was dropped takes its two quotes with it, so the second and slower reading is for few rows only.
    """
    if _quotes(raw) == _quotes(orjson.dumps(value)):
        return []
    found: list[str] = []

    def look(pairs: list[tuple[str, Json]]) -> None:
        if len(pairs) > 1 and len({key for key, _ in pairs}) < len(pairs):
            keys = [key for key, _ in pairs]
            found.extend(key for key in dict.fromkeys(keys) if keys.count(key) > 1)

    json.loads(raw, object_pairs_hook=look)
    return found


def _quotes(text: bytes) -> int:
    """How many quotes begin or end a text or a key: none of those behind a backslash, as far as one can tell."""
    return text.count(b'"') - text.count(b'\\"')
