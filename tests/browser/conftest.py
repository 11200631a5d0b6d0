"""One browser and one server for a module."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.acceptance.server import Server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, as the system has it. No longer than for a module: Playwright keeps an event loop running, beside which
    no test that is a coroutine can be."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("there is no Chromium here: apt install chromium")
    with sync_playwright() as playwright:
        # A container's root has no sandbox to be kept in.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        made = playwright.chromium.launch(executable_path=found, args=arguments)
        yield made
        made.close()


@pytest.fixture(scope="module")
def server(test_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server in a home of its own."""
    with Server(tmp_path_factory.mktemp("browser") / "home", test_home / "models") as made:
        yield made
