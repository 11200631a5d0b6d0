"""A form with a file in it, whose bytes go to the blob store as they come: memory stays constant, whatever the size.

The format is RFC 7578 as WHATWG's form submission writes it. Parsing, hashing and writing happen in threads, a
mebibyte at a time, so that other requests are answered meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import NamedTuple
from urllib.parse import unquote

import anyio.to_thread
from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from tuneloop.errors import InvalidInput, TooLarge, UnsupportedMedia
from tuneloop.store.blobs import PIECE, Blobs, Staged

#: bytes that all fields of a form may have that are no files
_MOST_FIELD_BYTES = 64 * 1024
#: RFC 5987, which some clients use for names that are not ASCII
_EXTENDED_NAME = re.compile(r"""filename\*\s*=\s*"?([\w-]+)'[^']*'([^;"\s]+)""", re.IGNORECASE)


class Form(NamedTuple):
    """The texts of a form by name, and its file."""

    fields: Mapping[str, str]
    filename: str
    file: Staged


@asynccontextmanager
async def received(request: Request, field: str, blobs: Blobs, most: int) -> AsyncIterator[Form]:
    """The form in a request's body, with one file under the name `field` of at most `most` bytes.

    The file is gone when the block ends, unless it is kept. Raises UnsupportedMedia, InvalidInput and TooLarge.
    """
    boundary = _boundary(request.headers.get("content-type", ""))
    with await anyio.to_thread.run_sync(blobs.stage) as staged:
        reader = _Reader(boundary, field, staged, most)
        try:
            async with aclosing(_pieces(request)) as pieces:
                async for piece in pieces:
                    await anyio.to_thread.run_sync(reader.feed, piece)
        except ClientDisconnect as error:
            raise InvalidInput("The connection broke off before the whole file was here.", param=field) from error
        yield reader.form()


def _boundary(content_type: str) -> bytes:
    media, options = parse_options_header(content_type)
    if media != b"multipart/form-data":
        raise UnsupportedMedia(
            f"Invalid Content-Type header ({content_type or 'none'}), expected multipart/form-data. "
            "(With curl, pass -F file=@NAME, and no Content-Type.)"
        )
    if not options.get(b"boundary"):
        raise InvalidInput("The Content-Type multipart/form-data has no boundary. Let your HTTP library set it.")
    return options[b"boundary"]


async def _pieces(request: Request) -> AsyncGenerator[bytes]:
    """The body, in pieces large enough to be worth a thread."""
    waiting = bytearray()
    async for chunk in request.stream():
        waiting += chunk
        if len(waiting) >= PIECE:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


class _Reader:
    """Takes a body apart as it comes."""

    def __init__(self, boundary: bytes, field: str, staged: Staged, most: int) -> None:
        self._field = field
        self._staged = staged
        self._most = most
        self._fields: dict[str, bytearray] = {}
        self._filename: str | None = None
        self._header, self._value, self._disposition = bytearray(), bytearray(), b""
        self._write: Callable[[bytes], object] = len
        self._field_bytes = 0
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._data,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _broken(str(error)) from error

    def feed(self, piece: bytes) -> None:
        """The next bytes of the body."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise _broken(str(error)) from error

    def form(self) -> Form:
        """What the whole body held."""
        if not self._ended:
            raise _broken("it ends before its last boundary")
        if self._filename is None:
            message = f"Missing required parameter: '{self._field}'. Send the bytes as a file, with a filename."
            raise InvalidInput(message, param=self._field, code="missing_required_parameter")
        fields = {name: value.decode("utf-8", "replace") for name, value in self._fields.items()}
        return Form(fields, self._filename or "file", self._staged)

    def _begin_part(self) -> None:
        self._disposition = b""

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = _decoded(options.get(b"name", b""))
        filename = _filename(self._disposition, options)
        if filename is None:
            self._write = self._limited(self._fields.setdefault(name, bytearray()).extend)
        elif name != self._field:
            self._write = len  # a file that nobody asked for
        elif self._filename is not None:
            raise InvalidInput(f"'{self._field}' was sent more than once: send one file a request.", param=self._field)
        else:
            self._filename, self._write = filename, self._write_file

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._write(data[start:end])

    def _limited(self, write: Callable[[bytes], object]) -> Callable[[bytes], None]:
        def limited(data: bytes) -> None:
            self._field_bytes += len(data)
            if self._field_bytes > _MOST_FIELD_BYTES:
                raise InvalidInput(f"The fields of the form are larger than {_MOST_FIELD_BYTES} bytes.")
            write(data)

        return limited

    def _write_file(self, data: bytes) -> None:
        if self._staged.size + len(data) > self._most:
            raise TooLarge(f"'{self._field}' is larger than {self._most} bytes.", param=self._field)
        self._staged.write(data)

    def _end(self) -> None:
        self._ended = True


def _filename(disposition: bytes, options: Mapping[bytes, bytes]) -> str | None:
    """The name of a file; None when the part is a text."""
    if extended := _EXTENDED_NAME.search(disposition.decode("latin-1")):
        charset, quoted = extended.groups()
        return unquote(quoted, "latin-1" if charset.lower() == "iso-8859-1" else "utf-8")
    return _decoded(options[b"filename"]) if b"filename" in options else None


def _decoded(name: bytes) -> str:
    """A name of a field or a file: browsers escape three characters in it."""
    text = name.decode("utf-8", "replace")
    return text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _broken(why: str) -> InvalidInput:
    return InvalidInput(f"Could not parse the multipart form of your request: {why}.")
