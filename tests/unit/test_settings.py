"""Settings come from the environment and settings.toml; what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuneloop import settings
from tuneloop.errors import InvalidInput
from tuneloop.types import Price


def test_defaults(tmp_path: Path) -> None:
    loaded = settings.load({"TUNELOOP_HOME": str(tmp_path)})
    assert (loaded.host, loaded.port, loaded.upstreams) == ("127.0.0.1", 8421, ())
    assert loaded.database_url == f"sqlite:///{tmp_path}/tuneloop.db"
    assert settings.load({}).home.name == "tuneloop"


def test_openai_variables_make_an_upstream(tmp_path: Path) -> None:
    environ = {"TUNELOOP_HOME": str(tmp_path), "OPENAI_API_KEY": "sk-1"}
    (upstream,) = settings.load(environ).upstreams
    assert upstream.serves("gpt-4o-mini") and not upstream.serves("claude-x")
    assert upstream.api_key(environ) == "sk-1"


def test_the_file(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(
        """
        [[upstreams]]
        name = "big"
        base_url = "http://localhost:9/v1/"
        models = ["big-*"]
        prices."big-1" = { input = 2.5, output = 10 }
        [prices.mine]
        input_per_1k = 0.012
        output_per_1k = 0.016
        [machine]
        dollars_per_hour = 0.05
        """
    )
    loaded = settings.load({"TUNELOOP_HOME": str(tmp_path)})
    (upstream,) = loaded.upstreams
    assert (upstream.base_url, upstream.api_key({})) == ("http://localhost:9/v1", None)
    assert upstream.prices == {"big-1": Price(input=2.5, output=10.0)}
    assert loaded.prices == {"mine": Price(input=12.0, output=16.0)}
    assert loaded.dollars_per_hour == 0.05


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = ", "not valid TOML"),
        ("upstream = []", "unknown table 'upstream'"),
        ("upstreams = 3", "upstreams must be a list"),
        ("[[upstreams]]\nname = 'a'\nmodels = []", r"upstreams\[0\].base_url must be a str"),
        ("[[upstreams]]\nname = 'a'\nbase_url = 'x'\nmodels = []", "must begin with http"),
        ("[[upstreams]]\nurl = 'x'", "unknown key 'url'"),
        ("prices.a = {input = 1}", "needs either 'output'"),
        ("prices.a = {input = -1, output = 1}", "zero or more"),
        ("machine.dollars_per_hour = 'x'", "must be a number"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(InvalidInput, match=message) as caught:
        settings.load({"TUNELOOP_HOME": str(tmp_path)})
    assert "settings.toml" in caught.value.message


@pytest.mark.parametrize("value", ["x", "-1", "99999", "1.5"])
def test_a_wrong_variable_is_named(value: str) -> None:
    with pytest.raises(InvalidInput, match="TUNELOOP_PORT must be a whole number"):
        settings.load({"TUNELOOP_PORT": value})
