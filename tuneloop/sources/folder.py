"""A model from a local folder, or from a single GGUF file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tuneloop.errors import InvalidInput
from tuneloop.sources import MODEL_FILES, Progress

_BLOCK = 4 << 20


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder with config.json, safetensors and tokenizer, or with one .gguf file; or that file itself.

    Files are copied, not linked: the owner may write to the originals later.
    """

    path: Path

    def fetch(self, folder: Path, progress: Progress) -> None:
        """Copy the files into `folder`; those already there are left. Raises InvalidInput if some are missing."""
        files = self._files()
        total = sum(source.stat().st_size for source in files)
        done = 0
        for source, name in files.items():
            for size in _copy(source, folder / name):
                done += size
                progress("copying", done, total)

    def _files(self) -> dict[Path, str]:
        """Which files, and what they are called in the store."""
        if not self.path.exists():
            hint = "" if self.path.is_absolute() else f" For the Hugging Face hub write hf:{self.path}."
            raise InvalidInput(f"There is no folder or file {str(self.path)!r}.{hint}", param="model")
        if self.path.is_file():
            return {self._only_gguf([self.path]): "model.gguf"}
        files = [file for file in sorted(self.path.iterdir()) if file.is_file()]
        if any(file.suffix == ".safetensors" for file in files) and (self.path / "config.json").exists():
            return {file: file.name for file in files if any(fnmatchcase(file.name, glob) for glob in MODEL_FILES)}
        return {self._only_gguf(files): "model.gguf"}

    def _only_gguf(self, files: list[Path]) -> Path:
        ggufs = [file for file in files if file.suffix == ".gguf"]
        if len(ggufs) == 1:
            return ggufs[0]
        if (self.path / "adapter_config.json").exists():
            raise InvalidInput(f"{str(self.path)!r} holds an adapter, not a whole model; give its base.", param="model")
        found = f"{len(ggufs)} GGUF files" if ggufs else ", ".join(file.name for file in files[:8]) or "nothing"
        raise InvalidInput(
            f"{str(self.path)!r} is no model: it needs config.json, *.safetensors and tokenizer.json, "
            f"or exactly one .gguf file. Found: {found}.",
            param="model",
        )


def _copy(source: Path, target: Path) -> Iterator[int]:
    """Copy a file, yielding the number of bytes after each block."""
    size = source.stat().st_size
    if target.exists() and target.stat().st_size == size:
        yield size
        return
    partial = target.with_name(f"{target.name}.partial")
    with source.open("rb") as reader, partial.open("wb") as writer:
        while block := reader.read(_BLOCK):
            writer.write(block)
            yield len(block)
    partial.replace(target)
