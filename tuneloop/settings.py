"""Settings: one frozen table, read once from TUNELOOP_* variables, and `settings.toml` for upstreams and prices.

SETTINGS is also what `tuneloop --help`'s epilogue and docs/settings.md are made of.
"""

from __future__ import annotations

import base64
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from platformdirs import user_data_path

from tuneloop.errors import InvalidInput
from tuneloop.types import WEBHOOK_EVENTS, Price


class Setting(NamedTuple):
    """One row of the table: the variable TUNELOOP_<NAME> sets the field <name>."""

    name: str
    default: str
    help: str


SETTINGS = (
    Setting("home", "", "Folder for all data. Default: the platform's user data folder."),
    Setting("database_url", "", "SQLite or PostgreSQL URL. Default: tuneloop.db in the home folder."),
    Setting("host", "127.0.0.1", "Address the server listens on; 0.0.0.0 lets other machines in."),
    Setting("port", "8421", "Port the server listens on."),
    Setting("api_key", "", "Preset API key. Default: one is made and printed at the first start."),
    Setting("base_model", "smollm2-135m-instruct", "Base model where none is named."),
    Setting("organization", "local", "The organisation in the names of tuned models (ft:base:organisation:...)."),
    Setting("engines", "4", "Most local models kept in memory at once; the least used is stopped."),
    Setting("slots", "8", "Calls one local model answers at the same time."),
    Setting("context", "4096", "Most tokens (prompt and answer) of one call to a local model."),
    Setting("threads", "0", "CPU threads for training and serving; 0 takes every core."),
    Setting("rate_limit", "0", "Calls per minute that each API key may make; 0 sets no limit."),
    Setting("origins", "", "Web sites whose pages may call (CORS): https://a.example,https://b.example or *."),
    Setting(
        "retention_days", "", "Days that logs are kept; scored ones and those in data sets stay. Default: for ever."
    ),
    Setting("wheels", "", "Folder in which wheels of models are looked for before the network."),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Upstream:
    """An OpenAI-compatible server that calls are passed on to."""

    name: str
    base_url: str
    #: environment variable that holds the key; None sends none
    api_key_env: str | None = None
    #: names it answers, with * and ? as wild cards
    models: tuple[str, ...] = ()
    prices: Mapping[str, Price] = field(default_factory=dict)

    def serves(self, model: str) -> bool:
        """Whether a call for `model` goes here."""
        return any(fnmatchcase(model, pattern) for pattern in self.models)

    def api_key(self, environ: Mapping[str, str] = os.environ) -> str | None:
        """The key from the environment, or None."""
        return environ.get(self.api_key_env) if self.api_key_env else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """An address that is told when something has ended."""

    url: str
    #: what it wants to hear of, with * and ? as wild cards
    events: tuple[str, ...] = ("*",)
    #: the secret that events are signed with, or the environment variable that holds it
    secret: str | None = field(default=None, repr=False)
    secret_env: str | None = None

    def wants(self, event: str) -> bool:
        """Whether it is told of such an event."""
        return any(fnmatchcase(event, pattern) for pattern in self.events)

    def key(self, environ: Mapping[str, str] = os.environ) -> bytes:
        """What events are signed with: the base64 after "whsec_", or as OpenAI's library has it, the text itself.
        Raises InvalidInput."""
        secret = self.secret or environ.get(self.secret_env or "")
        if not secret:
            raise InvalidInput(
                f"the webhook {self.url} needs its secret in the variable {self.secret_env}, which is not set"
            )
        if not secret.startswith("whsec_"):
            return secret.encode()
        try:
            return base64.b64decode(secret[6:], validate=True)
        except ValueError as error:
            raise InvalidInput(f"the secret of the webhook {self.url} has no valid base64 after 'whsec_'") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything a process needs to know before it starts. Field meanings: SETTINGS."""

    home: Path
    database_url: str
    host: str = "127.0.0.1"
    port: int = 8421
    api_key: str | None = None
    base_model: str = "smollm2-135m-instruct"
    organization: str = "local"
    engines: int = 4
    slots: int = 8
    context: int = 4096
    threads: int = 0
    rate_limit: int = 0
    origins: tuple[str, ...] = ()
    #: days that logs are kept; None is for ever
    retention_days: int | None = None
    wheels: Path | None = None
    upstreams: tuple[Upstream, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    #: the user's own price table, by model name
    prices: Mapping[str, Price] = field(default_factory=dict)
    #: what an hour of this machine costs, in dollars
    dollars_per_hour: float | None = None

    @property
    def settings_file(self) -> Path:
        """Where upstreams and prices are written down."""
        return self.home / "settings.toml"


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the variables and the settings file. Raises InvalidInput naming the variable or the key."""
    text = {s.name: environ.get(f"TUNELOOP_{s.name.upper()}", "").strip() or s.default for s in SETTINGS}
    home = Path(text["home"]).expanduser() if text["home"] else user_data_path("tuneloop", appauthor=False)
    home = home.absolute()
    return Settings(
        home=home,
        database_url=text["database_url"] or f"sqlite:///{home / 'tuneloop.db'}",
        host=text["host"],
        port=_integer(text, "port", 0, 65535),
        api_key=text["api_key"] or None,
        base_model=text["base_model"],
        organization=text["organization"],
        engines=_integer(text, "engines", 1, 1000),
        slots=_integer(text, "slots", 1, 1000),
        context=_integer(text, "context", 128, 10_000_000),
        threads=_integer(text, "threads", 0, 1024),
        rate_limit=_integer(text, "rate_limit", 0, 1_000_000_000),
        origins=tuple(origin.strip() for origin in text["origins"].split(",") if origin.strip()),
        retention_days=_integer(text, "retention_days", 1, 36_500) if text["retention_days"] else None,
        wheels=Path(text["wheels"]).expanduser() if text["wheels"] else None,
        **_read_file(home / "settings.toml", environ),
    )


def _integer(text: Mapping[str, str], name: str, low: int, high: int) -> int:
    value = text[name]
    if not value.isdecimal() or not low <= int(value) <= high:
        raise InvalidInput(f"TUNELOOP_{name.upper()} must be a whole number from {low} to {high}, not {value!r}")
    return int(value)


def _read_file(path: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    if not path.exists():
        return {"upstreams": _default_upstreams(environ)}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: not valid TOML: {error}") from error
    return _guarded(path, lambda: _parse(table, environ))


def _guarded(path: Path, parse: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return parse()
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error.message}", param=error.param) from error


def _parse(table: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    known = {"upstreams", "prices", "machine", "webhooks"}
    for key in table:
        if key not in known:
            raise InvalidInput(f"unknown table {key!r}; known are {', '.join(sorted(known))}", param=key)
    listed = _expect(table.get("upstreams", []), list, "upstreams")
    upstreams = tuple(_upstream(row, f"upstreams[{i}]") for i, row in enumerate(listed))
    machine = _expect(table.get("machine", {}), dict, "machine")
    return {
        "upstreams": upstreams or _default_upstreams(environ),
        "webhooks": _webhooks(_expect(table.get("webhooks", []), list, "webhooks")),
        "prices": _prices(table.get("prices", {}), "prices"),
        "dollars_per_hour": _number(machine.get("dollars_per_hour"), "machine.dollars_per_hour"),
    }


def _default_upstreams(environ: Mapping[str, str]) -> tuple[Upstream, ...]:
    # Whoever has OpenAI's variables set expects its models to answer without writing a file first.
    if not environ.get("OPENAI_API_KEY"):
        return ()
    base_url = environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    models = ("gpt-*", "o1*", "o3*", "o4*", "chatgpt-*")
    return (Upstream(name="openai", base_url=base_url.rstrip("/"), api_key_env="OPENAI_API_KEY", models=models),)


def _upstream(row: Any, where: str) -> Upstream:
    _expect(row, dict, where)
    fields = {"name", "base_url", "api_key_env", "models", "prices"}
    for key in row:
        if key not in fields:
            raise InvalidInput(f"{where}: unknown key {key!r}; known are {', '.join(sorted(fields))}", param=key)
    base_url = _expect(row.get("base_url"), str, f"{where}.base_url")
    if not base_url.startswith(("http://", "https://")):
        raise InvalidInput(f"{where}.base_url must begin with http:// or https://, not {base_url!r}", param="base_url")
    models = tuple(_expect(m, str, f"{where}.models") for m in _expect(row.get("models"), list, f"{where}.models"))
    api_key_env = row.get("api_key_env")
    return Upstream(
        name=_expect(row.get("name"), str, f"{where}.name"),
        base_url=base_url.rstrip("/"),
        api_key_env=None if api_key_env is None else _expect(api_key_env, str, f"{where}.api_key_env"),
        models=models,
        prices=_prices(row.get("prices", {}), f"{where}.prices"),
    )


def _webhooks(rows: list[Any]) -> tuple[Webhook, ...]:
    found = tuple(_webhook(row, f"webhooks[{i}]") for i, row in enumerate(rows))
    for webhook in found:
        if sum(other.url == webhook.url for other in found) > 1:
            raise InvalidInput(f"webhooks names {webhook.url!r} twice; give it all its events once", param="webhooks")
    return found


def _webhook(row: Any, where: str) -> Webhook:
    _expect(row, dict, where)
    fields = {"url", "secret", "secret_env", "events"}
    for key in row:
        if key not in fields:
            raise InvalidInput(f"{where}: unknown key {key!r}; known are {', '.join(sorted(fields))}", param=key)
    url = _expect(row.get("url"), str, f"{where}.url")
    if not url.startswith(("http://", "https://")):
        raise InvalidInput(f"{where}.url must begin with http:// or https://, not {url!r}", param="url")
    secrets = {name: _expect(row[name], str, f"{where}.{name}") for name in ("secret", "secret_env") if name in row}
    if len(secrets) != 1 or not all(secrets.values()):
        raise InvalidInput(
            f"{where} needs either 'secret_env' (a variable that holds its secret) or 'secret'", param="secret"
        )
    events = tuple(
        _expect(e, str, f"{where}.events") for e in _expect(row.get("events", ["*"]), list, f"{where}.events")
    )
    webhook = Webhook(url=url, events=events, **secrets)
    for pattern in events:
        if not any(fnmatchcase(event, pattern) for event in WEBHOOK_EVENTS):
            known = ", ".join(WEBHOOK_EVENTS)
            raise InvalidInput(f"{where}.events: there is no event {pattern!r}; there are {known}", param="events")
    if webhook.secret is not None:
        webhook.key()
    return webhook


def _prices(table: Any, where: str) -> dict[str, Price]:
    _expect(table, dict, where)
    return {model: _price(row, f"{where}.{model!r}") for model, row in table.items()}


def _price(row: Any, where: str) -> Price:
    """`input` and `output` are dollars per million tokens; `input_per_1k` and `output_per_1k` per thousand."""
    _expect(row, dict, where)
    values = {}
    for side in ("input", "output"):
        per_million = _number(row.get(side), f"{where}.{side}")
        per_thousand = _number(row.get(f"{side}_per_1k"), f"{where}.{side}_per_1k")
        if (per_million is None) == (per_thousand is None):
            raise InvalidInput(f"{where} needs either {side!r} (dollars per million tokens) or '{side}_per_1k'")
        values[side] = per_million if per_million is not None else (per_thousand or 0.0) * 1000
    return Price(**values)


def _number(value: Any, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise InvalidInput(f"{where} must be a number of dollars, zero or more, not {value!r}", param=where)
    return float(value)


def _expect(value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind):
        raise InvalidInput(f"{where} must be a {kind.__name__}, not {value!r}", param=where)
    return value
