"""Fixtures that many tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tuneloop.model_store import ModelStore


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
