"""A model from the Hugging Face hub."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tuneloop.errors import InvalidInput, Unavailable
from tuneloop.sources import MODEL_FILES, Progress


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository "organisation/name"; HF_TOKEN and HF_ENDPOINT hold as everywhere."""

    repository: str

    def fetch(self, folder: Path, progress: Progress) -> None:
        """Download the files into `folder`; what is there is not fetched again.

        Raises InvalidInput when the hub has no such model or it may not be read, Unavailable when the hub cannot be
        reached.
        """
        # These take half a second to import; commands that pull nothing from the hub should not pay for it.
        from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

        try:
            self._download(folder, progress)
        except GatedRepoError as error:
            raise InvalidInput(
                f"The licence of {self.repository!r} must be accepted on its page at the hub first; then set HF_TOKEN.",
                param="model",
            ) from error
        except (RepositoryNotFoundError, HFValidationError) as error:
            raise InvalidInput(
                f"The hub has no model {self.repository!r} (the form is hf:organisation/name), or it is private: "
                "then set HF_TOKEN.",
                param="model",
            ) from error
        except OSError as error:
            raise Unavailable(
                f"The Hugging Face hub cannot be reached for {self.repository!r}: {error}\n"
                "Without a network: copy the model's folder here and pull that (tuneloop models pull ./folder)."
            ) from error

    def _download(self, folder: Path, progress: Progress) -> None:
        from huggingface_hub import hf_hub_download, snapshot_download

        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        listed = snapshot_download(
            self.repository, local_dir=folder, allow_patterns=[*MODEL_FILES, "*.gguf"], dry_run=True
        )
        sizes = self._wanted({file.filename: file.file_size or 0 for file in listed if not isinstance(file, str)})
        total = sum(sizes.values())
        done = 0
        for name, size in sizes.items():
            progress("downloading", done, total)
            hf_hub_download(self.repository, name, local_dir=folder)
            done += size
        for gguf in folder.glob("*.gguf"):
            gguf.rename(folder / "model.gguf")
        shutil.rmtree(folder / ".cache", ignore_errors=True)
        progress("downloading", total, total)

    def _wanted(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """The files to download: those of a transformers model or, where there are none, the only GGUF file."""
        wanted = {
            name: size
            for name, size in sizes.items()
            if "/" not in name and any(fnmatchcase(name, pattern) for pattern in MODEL_FILES)
        }
        if "config.json" in wanted and any(name.endswith(".safetensors") for name in wanted):
            return wanted
        ggufs = {name: size for name, size in sizes.items() if "/" not in name and name.endswith(".gguf")}
        if len(ggufs) == 1:
            return ggufs
        raise InvalidInput(
            f"{self.repository!r} has no safetensors with a config.json, and {len(ggufs)} GGUF files "
            "where one is needed. Give the repository of the original model, or download one GGUF file and pull that.",
            param="model",
        )
