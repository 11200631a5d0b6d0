"""All commands, one file a noun."""

from __future__ import annotations

import typer

from tuneloop.cli import (
    checks,
    costs,
    datasets,
    deployments,
    evaluations,
    graders,
    jobs,
    keys,
    logs,
    models,
    people,
    prompts,
    serving,
    status,
    upstreams,
    verdicts,
    webhooks,
)

app = typer.Typer(
    name="tuneloop",
    help="Turn the log of your LLM application into a smaller, cheaper, faster model that you own.",
    epilog="Settings are TUNELOOP_* environment variables: `tuneloop settings` lists them.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)

serving.add(app)
status.add(app)
logs.add(app)
datasets.add(app)
checks.add(app)
prompts.add(app)
jobs.add(app)
verdicts.add(app)
evaluations.add(app)
graders.add(app)
deployments.add(app)
models.add(app)
costs.add(app)
upstreams.add(app)
webhooks.add(app)
keys.add(app)
people.add(app)
