"""Fixtures that many tests share."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from tests import postgres
from tests.llama_cpp import LlamaCpp, start
from tuneloop.model_store import ModelStore
from tuneloop.store import Blobs, Database, Store

# How long an example takes says more of the machine than of us.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_finish() -> None:
    """What has been imported stays: the collector need not look at it again after each of thousands of tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not see the developer's own settings."""
    for name in [name for name in os.environ if name.startswith(("TUNELOOP_", "OPENAI_"))]:
        if not name.startswith("TUNELOOP_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL server: TUNELOOP_TEST_POSTGRES_URL, or one started from this machine's binaries."""
    with ExitStack() as stack:
        if url := os.environ.get("TUNELOOP_TEST_POSTGRES_URL"):
            yield url
        elif folder := postgres.binaries():
            yield stack.enter_context(postgres.server(folder))
        else:
            pytest.skip("no PostgreSQL here: install it (apt-get install postgresql) or set TUNELOOP_TEST_POSTGRES_URL")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tuneloop.db'}"
    return postgres.new_database(request.getfixturevalue("postgres_url"))


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Iterator[Store]:
    """An empty store on each kind of database."""
    made = Store(Database(database_url), Blobs(str(tmp_path / "files")))
    yield made
    made.close()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """An empty store on SQLite, for tests of what is the same on both."""
    made = Store(Database(f"sqlite:///{tmp_path / 'tuneloop.db'}"), Blobs(str(tmp_path / "files")))
    yield made
    made.close()


@pytest.fixture(scope="session")
def test_home() -> Path:
    """A folder that outlives the test run, so that models are pulled once."""
    default = Path(__file__).parent.parent / ".cache" / "tests"
    return Path(os.environ.get("TUNELOOP_TEST_HOME") or default)


@pytest.fixture(scope="session")
def smollm2(test_home: Path) -> Path:
    """The folder of the embedded base model: safetensors, tokenizer and model.gguf."""
    store = ModelStore(test_home / "models")
    return store.ensure("smollm2-135m-instruct", lambda what, done, total: None).path


@pytest.fixture
def llama_cpp() -> Iterator[LlamaCpp]:
    """llama.cpp itself, in child processes: the judge of the files that we hand it."""
    with ExitStack() as stack:
        yield lambda gguf, *adapters: stack.enter_context(start(gguf, *adapters))
