"""The programs in examples/: unmodified clients against a real server, which print what docs/recipes.md says."""

from __future__ import annotations

import doctest
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.recipes import EXAMPLES, RECIPES, Recipe
from tests.acceptance.server import KEY, Server

ROOT = EXAMPLES.parent
BY_FILE = {recipe.file: recipe for recipe in RECIPES}
#: no client asks anybody but the server
QUIET = {
    "DO_NOT_TRACK": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
    "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "PROMPTFOO_DISABLE_UPDATE": "1",
    "WANDB_API_KEY": "0" * 40,
    "WANDB_BASE_URL": "http://127.0.0.1:9",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_HTTP_TIMEOUT": "1",
}


class Kitchen:
    """Runs recipes against a server, from an empty home folder."""

    def __init__(self, server: Server, home: Path) -> None:
        where = {
            f"{name}_{part}": value
            for name in ("OPENAI", "TUNELOOP")
            for part, value in (("BASE_URL", server.url), ("API_KEY", KEY))
        }
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(home), "NO_COLOR": "1", **QUIET, **where}
        self.home = home
        self.done: set[str] = set()

    def run(self, recipe: Recipe, place: str = "") -> str:
        """What it prints; in another environment than its own when told so. What it needs runs before."""
        if recipe.after and recipe.after not in self.done:
            self.run(BY_FILE[recipe.after])
        run = subprocess.run(
            command(recipe, place or recipe.place),
            env=self.environ,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=240,
            stdin=subprocess.DEVNULL,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        self.done.add(recipe.file)
        return run.stdout


def command(recipe: Recipe, place: str) -> list[str]:
    """How it is started; skips the test where what it needs is not installed."""
    program = str(EXAMPLES / recipe.file)
    if program.endswith(".sh"):
        return [needed(shutil.which("bash"), "bash"), program]
    if program.endswith(".py"):
        return [needed(ROOT / f".venv-{place}" / "bin" / "python", "its clients (`make recipes`)"), program]
    modules = ROOT / place / "node_modules"
    node = needed(shutil.which("node"), "Node.js")
    needed(modules / ".done", "its packages (`make recipes`, for promptfoo `make test-slow`)")
    if program.endswith(".mjs"):
        return [node, program]
    return [str(modules / ".bin" / "promptfoo"), "eval", "--no-cache", "--no-progress-bar", "--config", program]


def needed(path: Path | str | None, what: str) -> str:
    if path is None or not Path(path).exists():
        pytest.skip(f"{what} not installed here")
    return str(path)


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[Kitchen]:
    with Server(tmp_path_factory.mktemp("server"), smollm2.parent, TUNELOOP_SLOTS="4") as server:
        yield Kitchen(server, tmp_path_factory.mktemp("home"))


def check(recipe: Recipe, printed: str) -> None:
    checker, flags = doctest.OutputChecker(), doctest.ELLIPSIS | doctest.REPORT_NDIFF
    example = doctest.Example("", recipe.prints)
    if not checker.check_output(recipe.prints, printed, flags):
        pytest.fail(checker.output_difference(example, printed, flags))


@pytest.mark.parametrize(
    "recipe", [pytest.param(one, id=one.file, marks=pytest.mark.slow if one.slow else ()) for one in RECIPES]
)
def test_recipe(recipe: Recipe, kitchen: Kitchen) -> None:
    check(recipe, kitchen.run(recipe))


def test_openai_2(kitchen: Kitchen) -> None:
    recipe = BY_FILE["with_openai.py"]
    check(recipe, kitchen.run(recipe, "recipes-openai2"))


def test_every_program_is_a_recipe() -> None:
    others = {"node_modules", "use_cases"}
    programs = {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*") if not others & set(path.parts)}
    assert {name for name in programs if name.endswith((".py", ".sh", ".mjs", ".yaml"))} == set(BY_FILE)


@pytest.mark.parametrize("folder", ["examples", "examples/promptfoo"])
def test_the_locks_name_no_registry(folder: str) -> None:
    packages = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
    assert all("integrity" in package for name, package in packages.items() if name)
    assert not [name for name, package in packages.items() if "resolved" in package]
