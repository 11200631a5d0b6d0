"""Writes the pages that are made from the code: `python -m docs.generate`; --check only compares.

docs/cli.md from the commands, docs/settings.md from the table of settings, docs/filters.md's list of fields,
docs/openai_compatibility.md from the contract, docs/recipes.md from the programs in examples/.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from docs import compatibility, recipes
from tuneloop.cli.commands import app
from tuneloop.filters import FIELDS, OPERATORS, SYNONYMS
from tuneloop.settings import SETTINGS

HERE = Path(__file__).parent
NOTE = "<!-- Made by `make docs`; do not edit. -->\n"


def main() -> int:
    """Write the pages, or say which are out of date."""
    pages = {"cli.md": cli(), "settings.md": settings(), "filters.md": filters()}
    pages["openai_compatibility.md"] = NOTE + compatibility.page()
    pages["recipes.md"] = NOTE + recipes.page()
    stale = [name for name, text in pages.items() if not (HERE / name).exists() or (HERE / name).read_text() != text]
    if "--check" in sys.argv:
        if stale:
            print(f"out of date: {', '.join(stale)}; run `make docs`", file=sys.stderr)
        return bool(stale)
    for name in stale:
        (HERE / name).write_text(pages[name])
    return 0


def cli() -> str:
    """Every command with its help."""
    parts = [NOTE, "# The command line\n"]
    for path, command in _commands(typer.main.get_command(app), ("tuneloop",)):
        parts.append(f"## `{' '.join(path)}`\n\n{_prose(command.help or '')}\n")
        if hasattr(command, "commands"):
            continue
        rows = [_parameter(parameter) for parameter in command.params if parameter.name != "help"]
        if rows:
            parts.append("| parameter | meaning | default |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    # Typer brings its own copy of click, so a group is told by what it has.
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, (*path, name))


def _prose(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    return "\n".join(
        f"    {line.removeprefix('Example: ')}" if line.startswith("Example: ") else line for line in lines
    )


def _parameter(parameter: Any) -> str:
    option = parameter.param_type_name == "option"
    name = ", ".join(parameter.opts) if option else (parameter.name or "").upper()
    meaning = getattr(parameter, "help", None) or ""
    default = parameter.default if option and parameter.default not in (None, False, "") else ""
    return f"| `{name}` | {meaning.replace('|', chr(92) + '|')} | {default} |"


def settings() -> str:
    """The table of settings, and what the settings file may hold."""
    rows = "\n".join(f"| `TUNELOOP_{s.name.upper()}` | {s.help} | {s.default and f'`{s.default}`'} |" for s in SETTINGS)
    return f"""{NOTE}
# Settings

Environment variables, read once at the start:

| variable | meaning | default |
|---|---|---|
{rows}

## settings.toml

In the home folder: upstreams that calls are passed on to, prices, what the machine costs, and
[webhooks](webhooks.md). Without upstreams in it, `OPENAI_API_KEY` (and `OPENAI_BASE_URL`) in the environment make one
called `openai`.

```toml
[[upstreams]]
name = "openai"
base_url = "https://api.openai.com/v1"   # any server that speaks OpenAI's format
api_key_env = "OPENAI_API_KEY"           # the variable that holds the key
models = ["gpt-4o", "gpt-4o-mini*"]      # names it answers; * and ? are wild cards

[upstreams.prices."gpt-4o"]              # optional; else the public price list
input = 2.50                             # dollars per million tokens
output = 10.00

[prices."my-model"]                      # or per thousand
input_per_1k = 0.012
output_per_1k = 0.016

[machine]
dollars_per_hour = 0.05                  # prices what local models answer by their time

[[webhooks]]
url = "https://app.example/hook"         # told when a job, a batch or an eval run has ended
secret_env = "TUNELOOP_WEBHOOK_SECRET"   # the variable that holds the secret
events = ["fine_tuning.job.*"]           # all without it
```

`tuneloop upstreams test` and `tuneloop webhooks test` say whether they answer.

## Old calls

Logs are kept for ever. `TUNELOOP_RETENTION_DAYS=90` has the server delete older ones, a few at a time, once an hour.
These stay: logs with a score, those that are in a data set, those that a person is asked about. Stored completions and
responses go with their logs. By hand, also those that would stay (`--all`; rows of data sets stay in any case):

```sh
tuneloop logs prune --before 90d --where "model ~ embedding" --dry-run
```

SQLite's file does not shrink: what is free in it is used for new calls. Who may come in: [people and keys](people.md).
"""


def filters() -> str:
    """The filter language with its fields."""
    import tuneloop.filters

    rows = "\n".join(f"| `{name}` | {kind} | {meaning} |" for name, (kind, meaning) in FIELDS.items())
    synonyms = ", ".join(f"`{short}` is `{name}`" for short, name in SYNONYMS.items())
    operators = ", ".join(f"`{operator}`" for operator in OPERATORS)
    return f"""{NOTE}
# Filters

```
{(tuneloop.filters.__doc__ or "").strip()}
```

| field | kind | meaning |
|---|---|---|
{rows}

{synonyms}. Operators: {operators}, `in (...)`, `not in (...)`, `contains`, `is null`, `is not null`.

In a URL: `GET /v1/logs?where=score.rating%20%3D%20good`. In a shell: `--where "score.rating = good"`.

## On the Logs page

A search for a text is `text ~ ...`; each condition that must be true is a chip; a click on a bar of the histogram adds
`created_at >= ... and created_at < ...`. The page's URL holds the filter, the order and the place: shared or reloaded,
it shows the same. `tuneloop logs count --where "..."` and `tuneloop feedback --where "..." good` take the same filters.

## Among a million calls

These lead to few calls at once, alone or joined by `and`: `=`, `in` and comparisons of `model`, `metadata.KEY`,
`score.NAME`, `created_at`, `latency_ms`, `cost`, `id`, `response_id`, `trace_id`, `span_id`, `parent_id`, `prompt`, of
`status` from 400 on; `scored`, `corrected`; and `~` of `text`, `input` and `output` from three letters on. What is true
of many is found by going through the calls in their order. Only where every condition is true of many and all of them
hardly ever together may a page say that it has not looked through all yet, and a count be "more than" so many; the
histogram of a filter that is true of many is estimated from the newest calls of each stretch, and says so.

New calls are put into the index of words while the server runs, a few at a time; until then they are looked through.
PostgreSQL needs the extension `pg_trgm` for that index: whoever owns the database may make it, and Tuneloop does when
it makes its tables. Without it, and in an SQLite without FTS5, texts are searched one by one.
"""


if __name__ == "__main__":
    sys.exit(main())
