"""Lines of any file: every one comes once, in UTF-8, with its number, and memory does not grow with the file."""

from __future__ import annotations

import codecs
import gzip
import json
import os
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneloop.errors import InvalidInput
from tuneloop.importers import raw_lines
from tuneloop.importers.raw_lines import FileForm


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a file.jsonl"


def read(path: Path, data: bytes) -> tuple[list[tuple[int, bytes]], FileForm]:
    path.write_bytes(data)
    form = FileForm()
    return [(line.number, line.raw) for line in raw_lines.read(path, form)], form


def test_lines_have_their_numbers_and_blank_ones_are_counted(path: Path) -> None:
    found, form = read(path, b'{"a":1}\n\n \t\r\n{"b":2}\r\n{"c":3}')
    assert found == [(1, b'{"a":1}'), (4, b'{"b":2}'), (5, b'{"c":3}')]
    assert (form.lines, form.blank, form.rows, form.windows_line_ends) == (5, 2, 3, 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_every_encoding_becomes_utf_8(path: Path, encoding: str, marked: bool, packed: bool) -> None:
    text = '{"a":"où 漢字 🙂"}\r\n' * 3
    data = ("\ufeff" * marked + text).encode(encoding)
    found, form = read(path, gzip.compress(data) if packed else data)
    assert [raw.decode() for _, raw in found] == ['{"a":"où 漢字 🙂"}'] * 3
    assert (form.encoding, form.marked, form.compressed) == (encoding, marked, packed)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda data: b'{"a":1}\n' + data))
def test_any_bytes_whatever(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "file"
    form = FileForm()
    path.write_bytes(data)
    for line in raw_lines.read(path, form):
        assert line.raw.strip() and line.length >= len(line.raw)
    assert form.rows <= form.lines or form.spread
    assert form.lines - form.blank == form.rows or form.spread


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\ufeff"), min_size=1), max_size=20))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("any") / "file"
    rows = [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
    for end in ("\n", "\r\n", "\r"):
        path.write_bytes(end.join(rows).encode())
        assert [line.raw.decode() for line in raw_lines.read(path, FileForm())] == rows


def test_a_long_line_is_counted_and_not_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_lines, "LONGEST", 1 << 20)
    path.write_bytes(b"x" * 30_000_000 + b'\n{"a":1}\n' + b"y" * 20_000_000)
    tracemalloc.start()
    lines = [(line.number, line.length) for line in raw_lines.read(path, FileForm())]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert lines == [(1, 30_000_000), (2, 7), (3, 20_000_000)]
    assert most < 10_000_000


@pytest.mark.parametrize("indent", [None, 2])
def test_the_values_of_an_array_are_rows(path: Path, indent: int | None) -> None:
    found, form = read(path, json.dumps([{"a": "]"}, {"a": 2}, 3], indent=indent).encode())
    assert [json.loads(raw) for _, raw in found] == [{"a": "]"}, {"a": 2}, 3]
    assert [number for number, _ in found] == [1, 2, 3]
    assert form.array and form.spread


def test_objects_over_several_lines_are_rows(path: Path) -> None:
    found, form = read(path, b'{\n "a": 1\n}\n{\n "b": {"c": 2}\n}\n')
    assert [json.loads(raw) for _, raw in found] == [{"a": 1}, {"b": {"c": 2}}]
    assert form.spread and not form.array


@pytest.mark.parametrize("data", [b'[{"a":1},\n{"b":2', b'{"a": "cut\n{"b": 2}\n', b"[1]\n[2]\n", b'[{"a":\xe9}]'])
def test_what_is_no_array_stays_lines(path: Path, data: bytes) -> None:
    found, form = read(path, data)
    assert [raw for _, raw in found] == data.strip().split(b"\n")
    assert not form.spread


def test_a_mark_between_two_files(path: Path) -> None:
    path.write_bytes(codecs.BOM_UTF8 + b'{"a":1}\n' + codecs.BOM_UTF8 + b'{"b":2}\n')
    found = list(raw_lines.read(path, form := FileForm()))
    assert [(line.raw, line.marked) for line in found] == [(b'{"a":1}', False), (b'{"b":2}', True)]
    assert form.marked


def test_what_was_read_of_a_broken_archive_is_kept(path: Path) -> None:
    data = gzip.compress(b"".join(b'{"a":%d}\n' % number for number in range(200_000)))
    found, form = read(path, data[:-2000])
    assert form.error and len(found) > 100_000
    assert read(path, data[:1000] + b"\xff" * 50 + data[1050:])[1].error


def test_a_pipe_is_read(path: Path) -> None:
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b'{"a":1}\n{"a":2}\n',))
    writer.start()
    assert len(list(raw_lines.read(path, FileForm()))) == 2
    writer.join()


def test_what_is_no_file_is_said(path: Path) -> None:
    with pytest.raises(InvalidInput, match="there is no file"):
        next(raw_lines.read(path, FileForm()))
    with pytest.raises(InvalidInput, match="is a folder"):
        next(raw_lines.read(path.parent, FileForm()))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read_is_said(path: Path) -> None:
    path.touch(mode=0)
    with pytest.raises(InvalidInput, match="cannot be opened"):
        next(raw_lines.read(path, FileForm()))
