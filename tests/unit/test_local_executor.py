"""The training process of this machine: it gives way to what answers calls."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from tuneloop.executors.local import LocalExecutor
from tuneloop.protocols import Asked


def test_a_training_process_gives_way_as_a_session_of_its_own(tmp_path: Path) -> None:
    found: list[tuple[int, int, str]] = []

    def asked() -> Asked | None:
        [child] = [one for one in psutil.Process().children() if "tuneloop.training" in one.cmdline()]
        group = Path(f"/proc/{child.pid}/autogroup")
        niceness = group.read_text().split()[-1] if group.exists() else "not here"
        found.append((os.getsid(child.pid) - child.pid, int(child.nice() or 0), niceness))
        return "cancel"

    LocalExecutor().run(tmp_path, asked=asked, on_line=lambda number, line: None)
    assert found[0][:2] == (0, 19)
    if found[0][2] == "not here":
        pytest.skip("this kernel does not share the processor by sessions (CONFIG_SCHED_AUTOGROUP)")
    assert found[0][2] == "19"
