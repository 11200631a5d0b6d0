"""Files as they come from people's disks, and what the data set doctor has to say about each."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Value = dict[str, Any]
Data = bytes | str


class Nasty(NamedTuple):
    """The bytes of a file, the codes that must be among its findings, and how many rows there are to account for (-1:
    whatever can be saved)."""

    data: bytes
    codes: frozenset[str]
    rows: int
    #: what stands in one of the messages
    says: str = ""


def chat(question: str = "Where is my parcel?", answer: str = "On its way.", **more: Any) -> Value:
    """A row of a training file."""
    said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": said, **more}


def lines(*rows: Any, end: str = "\n") -> str:
    """JSON Lines."""
    return "".join((row if isinstance(row, str) else json.dumps(row)) + end for row in rows)


ROWS = [chat(f"Where is parcel {word}?", f"Parcel {word} is on its way.") for word in ("one", "two", "three")]
TEXT = lines(*ROWS)


def deep(levels: int) -> str:
    """A row with an object so many levels deep in it."""
    return json.dumps(chat())[:-1] + ', "metadata": ' + '{"a": ' * levels + "1" + "}" * levels + "}"


def long(megabytes: int, *, good: bool = True) -> str:
    """A row of so many megabytes."""
    text = json.dumps(chat("The parcel did not come. " * (megabytes * 40_000), "It is on its way."))
    return text if good else text[:-2]


def _zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("xl/workbook.xml", TEXT)
    return buffer.getvalue()


def _doubled(where: str) -> str:
    """A row with a key that stands twice."""
    text = json.dumps(chat(tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]))
    return {
        "row": text[:-1] + ', "tools": []}',
        "message": text.replace('"role": "assistant",', '"role": "assistant", "role": "assistant",'),
        "tool": text.replace('"name": "f"', '"name": "g", "name": "f"'),
        "spaced": text[:-1] + r', "n" : 1, "n" : "\u0022\\"}',
    }[where]


def _make() -> Mapping[str, Callable[[], Nasty]]:
    def nasty(data: Data | Callable[[], Data], *codes: str, rows: int, says: str = "") -> Callable[[], Nasty]:
        def make() -> Nasty:
            made = data() if callable(data) else data
            return Nasty(made if isinstance(made, bytes) else made.encode(), frozenset(codes), rows, says)

        return make

    rubbish = random.Random(1).randbytes(20_000)
    odd = json.dumps(chat("How much?", "NaN is not a number, Infinity: -Infinity"))
    packed = gzip.compress((TEXT * 200).encode())
    return {
        # nothing in it
        "empty": nasty("", "empty_file", rows=0),
        "blank": nasty("\n \n\t\r\n\n", "empty_file", rows=0),
        "mark_only": nasty(codecs.BOM_UTF8, "empty_file", rows=0),
        "empty_list": nasty("[]\n", "empty_file", rows=0),
        # no text
        "png": nasty(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + rubbish, "unreadable_file", rows=0, says="PNG"),
        "xlsx": nasty(_zipped(), "unreadable_file", rows=0, says="spreadsheet"),
        "parquet": nasty(b"PAR1\x15\x04\x15" + rubbish + b"PAR1", "unreadable_file", rows=0, says="Parquet"),
        "bzip2": nasty(bz2.compress(TEXT.encode()), "unreadable_file", rows=0, says="bzip2"),
        "rubbish": nasty(rubbish, "unreadable_file", rows=0, says="binary"),
        "rubbish_after_rows": nasty(TEXT.encode() * 20 + rubbish[:300].replace(b"\n", b""), "unreadable", rows=61),
        "rubbish_from_line_2_on": nasty(
            lines(ROWS[0])[:-1].encode() + b"\n\x00\x01" * 2000, "unreadable_file", rows=1001
        ),
        "zeros": nasty(b"\x00" * 5000, "unreadable_file", rows=0, says="binary"),
        "prose": nasty("Dear Sir, I write.\n" * 1500, "unreadable_file", "unreadable", rows=1000, says="plain text"),
        # compressed
        "gzip": nasty(gzip.compress(TEXT.encode()), "few_rows", rows=3),
        "gzip_cut": nasty(packed[:-40], "unreadable_file", rows=-1, says="end"),
        "gzip_broken": nasty(packed[:100] + b"xxxxxxxx" + packed[108:], "unreadable_file", rows=-1),
        "gzip_of_rubbish": nasty(gzip.compress(rubbish), "unreadable_file", rows=0),
        "gzip_in_name_only": nasty(b"\x1f\x8b" + rubbish, "unreadable_file", rows=0),
        "gzip_twice": nasty(gzip.compress(packed), "unreadable_file", rows=0, says="twice"),
        # encodings
        "utf16_le_marked": nasty(codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "encoding", rows=3, says="UTF-16"),
        "utf16_be_marked": nasty(codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "encoding", rows=3, says="UTF-16"),
        "utf16_le": nasty(TEXT.encode("utf-16-le"), "encoding", rows=3, says="UTF-16-LE"),
        "utf16_be": nasty(TEXT.encode("utf-16-be"), "encoding", rows=3, says="UTF-16-BE"),
        "utf32_marked": nasty(codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"), "encoding", rows=3, says="UTF-32"),
        "utf32": nasty(TEXT.encode("utf-32-be"), "encoding", rows=3, says="UTF-32"),
        "latin1": nasty(
            TEXT.encode() + json.dumps(chat("Où est-il?", "Là."), ensure_ascii=False).encode("latin-1"),
            "unreadable",
            rows=4,
            says="not UTF-8: byte",
        ),
        "mark": nasty(codecs.BOM_UTF8 + TEXT.encode(), "byte_order_mark", rows=3),
        "mark_inside": nasty(TEXT.encode() + codecs.BOM_UTF8 + TEXT.encode(), "byte_order_mark", rows=6, says="line 4"),
        "windows": nasty(lines(*ROWS, end="\r\n"), "line_ends", rows=3),
        "mac": nasty(lines(*ROWS, end="\r"), "line_ends", rows=3, says="old Macs"),
        # long and deep
        "long": nasty(lambda: TEXT + long(10), "overlong", rows=4, says="line 4: 10 MB"),
        "long_bad": nasty(lambda: TEXT + long(10, good=False), "unreadable", rows=4, says="line 4"),
        "longest": nasty(lambda: TEXT + long(100), "unreadable", rows=4, says="line 4: 100 MB"),
        "deep_50": nasty(lines(deep(50), *ROWS), "few_rows", rows=4),
        "deep_200": nasty(lines(deep(200), *ROWS), "unreadable", rows=4, says="deep"),
        "deep_5000": nasty(lines(deep(5000), *ROWS), "unreadable", rows=4, says="deep"),
        "deep_100000": nasty(lines("[" * 100_000, *ROWS), "unreadable", rows=4, says="deep"),
        # odd JSON
        **{
            f"twice_{where}": nasty(lines(_doubled(where), *ROWS), "duplicate_key", rows=4, says="twice in an object")
            for where in ("row", "message", "tool", "spaced")
        },
        "nan": nasty(lines({**chat(), "score": float("nan")}, *ROWS), "not_a_number", rows=4, says="line 1: NaN"),
        "infinity": nasty(lines(*ROWS, {**chat(), "x": [float("-inf")]}), "not_a_number", rows=4, says="-Infinity"),
        "huge_number": nasty(lines('{"x": 1e400}', *ROWS), "not_a_number", rows=4, says="too large"),
        "huge_integer": nasty(lines({**chat(), "x": 10**40}, *ROWS), "few_rows", rows=4),
        "nan_in_text": nasty(lines(odd, *ROWS), "few_rows", rows=4),
        "nan_in_broken_text": nasty(lines(odd[:-3], *ROWS), "unreadable", rows=4, says="breaks off"),
        "surrogate": nasty(lines(r'{"messages": "\ud800"}', *ROWS), "unreadable", rows=4, says="half of a character"),
        "null_in_text": nasty(lines(chat("a\x00b"), *ROWS), "few_rows", rows=4),
        "control": nasty(lines('{"messages": "a\tb"}', *ROWS), "unreadable", rows=4, says="control character"),
        "trailing_comma": nasty(lines('{"messages": [],}', *ROWS), "unreadable", rows=4, says="comma"),
        "python": nasty(lines(*(repr(row) for row in ROWS)), "unreadable", rows=3, says="json.dumps"),
        "python_none": nasty(lines('{"messages": None}', *ROWS), "unreadable", rows=4, says="json.dumps"),
        "comment": nasty(lines("// my rows", *ROWS), "unreadable", rows=4, says="comment"),
        "two_on_a_line": nasty(
            lines(json.dumps(ROWS[0]) * 2, *ROWS), "unreadable", rows=4, says="one object on a line"
        ),
        "cut": nasty(TEXT[:-30], "unreadable", rows=3, says="line 3: it breaks off"),
        "texts": nasty(lines('"a"', "5", "null", "[1]", *ROWS), "unreadable", rows=7, says="not a text"),
        # other layouts
        "array": nasty(json.dumps(ROWS), "not_json_lines", rows=3, says="array"),
        "array_pretty": nasty(json.dumps(ROWS, indent=2), "not_json_lines", rows=3, says="array"),
        "pretty": nasty(lines(*(json.dumps(row, indent=2) for row in ROWS)), "not_json_lines", rows=3),
        "array_cut": nasty(json.dumps(ROWS, indent=2)[:-20], "unreadable", rows=-1),
        "lists": nasty(lines(*(row["messages"] for row in ROWS)), "unreadable", rows=3, says='{"messages": [...]}'),
        "csv": nasty("prompt,completion\n" + "Where?,There\n" * 20, "unreadable", rows=21, says="CSV"),
        "tsv": nasty("prompt\tcompletion\n" + "Where?\tThere\n" * 20, "unreadable", rows=21),
        "sharegpt": nasty(lines({"conversations": []}), "invalid_format", rows=1, says="ShareGPT"),
    }


NASTY = _make()
