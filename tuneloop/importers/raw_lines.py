"""The lines of any file whatever: of UTF-8, UTF-16 or rubbish, of any length, in constant memory, with what is odd
about the file."""

from __future__ import annotations

import codecs
import gzip
import itertools
import json
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, cast

from tuneloop.importers.lines import opened

#: bytes of a line that is still looked at; a longer one is passed over and told of
LONGEST = 64 << 20
_BLOCK = 1 << 20
_MARK = codecs.BOM_UTF8
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: which of four bytes are zero where an encoding without a mark begins with two letters of English
_ZEROS = {
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}
#: how files begin that are no text
_KINDS = (
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet (.xlsx)"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet or document (.xls, .doc)"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF-", "a PDF document"),
    (b"PAR1", "a Parquet table"),
    (b"ARROW1", "an Arrow table"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"BZh", "compressed by bzip2"),
    (b"\xfd7zXZ\x00", "compressed by xz"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (b"\x1f\x8b", "compressed twice"),
)
_BROKEN = (OSError, EOFError, zlib.error)
_BETWEEN = re.compile(r"[\s,]*")


class RawLine(NamedTuple):
    """A line: its number (from 1), its bytes in UTF-8 without the line end, and how many it had."""

    number: int
    #: the beginning only of a line that is longer than LONGEST
    raw: bytes
    length: int
    #: a byte order mark stood before it
    marked: bool = False


@dataclass(kw_only=True, slots=True)
class FileForm:
    """What was seen of a file while its lines were read."""

    encoding: str = "utf-8"
    #: it begins with a byte order mark
    marked: bool = False
    compressed: bool = False
    #: what it is in place of text
    kind: str | None = None
    #: lines end as on old Macs, with a carriage return alone
    mac_line_ends: bool = False
    windows_line_ends: int = 0
    #: its rows are the values in a JSON array, or each is spread over several lines
    array: bool = False
    spread: bool = False
    lines: int = 0
    blank: int = 0
    #: lines or values that were given
    rows: int = 0
    #: why it was not read to its end
    error: str | None = None


def read(path: Path, form: FileForm) -> Iterator[RawLine]:
    """The lines of a file that are not blank; `form` is filled meanwhile. Where the file is one JSON array, or its
    values are spread over several lines, these are the values, numbered in their order.

    Raises InvalidInput when there is no such file; a file that breaks off (gzip) ends there, and `form` says why."""
    with opened(path) as packed:
        try:
            file = _unpacked(packed, form)
            _look(file, form)
        except _BROKEN as error:
            form.error = str(error)
            return
        if form.kind is None:
            for line in _whole(_lines(_Blocks(file, form), form), form):
                form.rows += 1
                yield line


def _unpacked(file: IO[bytes], form: FileForm) -> IO[bytes]:
    form.compressed = _peek(file)[:2] == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(file, "rb")) if form.compressed else file


def _peek(file: IO[bytes]) -> bytes:
    """The first bytes of a file, which are still to be read; a pipe cannot be read twice."""
    return bytes(file.peek(1024)[:1024])  # type: ignore[attr-defined]


def _look(file: IO[bytes], form: FileForm) -> None:
    """Find out the encoding by the mark at the beginning, or by the zeros of UTF-16 without one; and whether it is
    text at all."""
    begin = _peek(file)
    for mark, encoding in _MARKS:
        if begin.startswith(mark):
            form.encoding, form.marked = encoding, True
            file.read(len(mark))
            return
    form.kind = next((kind for magic, kind in _KINDS if begin.startswith(magic)), None)
    zeros = tuple(byte == 0 for byte in begin[:4])
    if form.kind is None and zeros in _ZEROS:
        form.encoding = _ZEROS[zeros]
    elif form.kind is None and begin.lstrip()[:1] not in (b"{", b"[") and is_binary(begin):
        form.kind = "binary data"


def is_binary(begin: bytes) -> bool:
    """Whether bytes are no text: one in twenty of them is a control character that no text has."""
    return 20 * sum(byte < 9 or 13 < byte < 27 for byte in begin) > len(begin)


def _lines(blocks: _Blocks, form: FileForm) -> Iterator[RawLine]:
    """The lines that are not blank."""
    while (line := blocks.line()) is not None:
        raw, length = line
        form.lines += 1
        if raw.endswith(b"\r"):
            form.windows_line_ends += 1
            raw = raw[:-1]
        if marked := raw.startswith(_MARK):  # files that were put one behind the other
            raw = raw.removeprefix(_MARK)
        if raw.strip():
            yield RawLine(form.lines, raw, length, marked)
        else:
            form.blank += 1


def _whole(lines: Iterator[RawLine], form: FileForm) -> Iterator[RawLine]:
    """The lines; or the values of a file whose first line is not all of one."""
    first = next(lines, None)
    if first is None:
        return
    if not _is_begun(first.raw):
        yield from itertools.chain((first,), lines)
        return
    kept, size = [first], first.length
    while size <= LONGEST and (line := next(lines, None)) is not None:
        kept.append(line)
        size += line.length
    values = _values(kept) if size <= LONGEST else None
    if values is None:
        yield from itertools.chain(kept, lines)
        return
    form.array, form.spread = first.raw.lstrip().startswith(b"["), True
    for number, value in enumerate(values, start=1):
        yield RawLine(number, value, len(value))


def _is_begun(raw: bytes) -> bool:
    """Whether a line is a JSON array, or the beginning of an array or an object."""
    begin = raw.lstrip()[:1]
    return begin == b"[" or (begin == b"{" and not raw.rstrip().endswith(b"}"))


def _values(lines: Iterable[RawLine]) -> list[bytes] | None:
    """The JSON of each value in an array, or of values one behind the other; None where it is neither."""
    try:
        text = b"\n".join(line.raw for line in lines).decode()
    except UnicodeDecodeError:
        return None
    decoder, found = json.JSONDecoder(), []
    array = text.lstrip().startswith("[")
    at = text.index("[") + 1 if array else 0
    end = text.rstrip().removesuffix("]" if array else "")
    while (at := _after_space(end, at)) < len(end):
        try:
            _, after = decoder.raw_decode(end, at)
        except (ValueError, RecursionError):
            return None
        found.append(end[at:after].encode())
        at = after
    return found if not array or len(end) < len(text.rstrip()) else None


def _after_space(text: str, at: int) -> int:
    """The place of the next value, behind spaces, line ends and commas."""
    match = _BETWEEN.match(text, at)
    return match.end() if match else at


class _Blocks:
    """Cuts a file into lines, keeping no more than LONGEST of one."""

    def __init__(self, file: IO[bytes], form: FileForm) -> None:
        self._file = file
        self._form = form
        self._decoder = None
        if form.encoding != "utf-8":
            self._decoder = codecs.getincrementaldecoder(form.encoding)(errors="replace")
        self._end_of_line = b""
        #: lines that are whole, and the beginning of the one behind them with its length
        self._whole: deque[bytes] = deque()
        self._begun: list[bytes] = []
        self._length = 0
        self._ended = False

    def line(self) -> tuple[bytes, int] | None:
        """The next line, its beginning where it is too long, and its length; None at the end."""
        if self._whole:
            line = self._whole.popleft()
            return line, len(line)
        while block := self._block():
            if not self._end_of_line:
                self._form.mac_line_ends = b"\n" not in block and b"\r" in block[:-1]
                self._end_of_line = b"\r" if self._form.mac_line_ends else b"\n"
            if not self._length and block.isspace():
                self._pass_over(block.count(self._end_of_line))
                continue
            first, *others = block.split(self._end_of_line)
            self._go_on(first)
            if others:
                ended = self._end()
                self._whole.extend(others[:-1])
                self._go_on(others[-1])
                return ended
        return self._end() if self._length else None

    def _pass_over(self, blank: int) -> None:
        self._form.lines += blank
        self._form.blank += blank

    def _go_on(self, piece: bytes) -> None:
        if self._length <= LONGEST:
            self._begun.append(piece)
        self._length += len(piece)

    def _end(self) -> tuple[bytes, int]:
        line = b"".join(self._begun), self._length
        self._begun, self._length = [], 0
        return line

    def _block(self) -> bytes:
        """The next block in UTF-8; empty at the end."""
        while not self._ended:
            try:
                block = bytes(self._file.read1(_BLOCK))  # type: ignore[attr-defined]
            except _BROKEN as error:
                self._form.error, block = str(error), b""
            self._ended = not block
            if self._decoder is not None:
                block = self._decoder.decode(block, final=self._ended).encode("utf-8", "replace")
            if block:
                return block
        return b""
