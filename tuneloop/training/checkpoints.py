"""Checkpoints of a run: the state it goes on from when killed, and the adapter of each epoch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

#: adapters of so many epochs are kept, beside the best one
KEPT_EPOCHS = 3


class Checkpoints:
    """The folder checkpoints/: one step-N/ (state.pt) and an epoch-N/ (peft adapter) for each kept epoch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)
        for leftover in folder.glob("*.tmp"):
            shutil.rmtree(leftover)

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Keep `state`, of after `step`, in place of the one before."""
        before = self._steps()
        if step not in before:
            write_folder(self._folder / f"step-{step}", lambda folder: torch.save(state, folder / "state.pt"))
        for old in before:
            if old < step:
                shutil.rmtree(self._folder / f"step-{old}")

    def load(self) -> dict[str, Any] | None:
        """The latest state, or None at the beginning of a run."""
        steps = self._steps()
        if not steps:
            return None
        state: dict[str, Any] = torch.load(
            self._folder / f"step-{max(steps)}" / "state.pt", map_location="cpu", weights_only=True
        )
        return state

    def save_epoch(self, epoch: int, best: int, save: Callable[[Path], None]) -> Path:
        """Keep the adapter that `save` writes; forget those that are neither recent nor the best epoch's."""
        path = self.epoch(epoch)
        if not path.exists():
            write_folder(path, save)
        for old in range(1, epoch - KEPT_EPOCHS + 1):
            if old != best:
                shutil.rmtree(self.epoch(old), ignore_errors=True)
        return path

    def epoch(self, epoch: int) -> Path:
        """Where the adapter of an epoch, counted from 1, is kept."""
        return self._folder / f"epoch-{epoch}"

    def epochs(self) -> list[Path]:
        """Where adapters are kept."""
        return [path for path in self._folder.glob("epoch-*") if not path.suffix]

    def _steps(self) -> list[int]:
        return [int(path.name.removeprefix("step-")) for path in self._folder.glob("step-*") if not path.suffix]


def write_folder(path: Path, write: Callable[[Path], object]) -> None:
    """Make a folder that is either complete or not there, in place of what was there."""
    temporary = path.with_name(path.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    write(temporary)
    for file in temporary.iterdir():
        _sync(file)
    shutil.rmtree(path, ignore_errors=True)
    temporary.rename(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
