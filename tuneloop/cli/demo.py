"""`tuneloop demo`: every step through the same doors a user has: the server, its API, the store."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.rule import Rule

from tuneloop import comparing, datasets, evaluations, filters, samples, tuning
from tuneloop.cli.console import console, one_line, say, stderr, warn
from tuneloop.cli.evaluations import run as run_comparison
from tuneloop.cli.evaluations import show
from tuneloop.cli.watching import watch
from tuneloop.client import Client
from tuneloop.errors import InvalidInput, TuneloopError, Unavailable
from tuneloop.loop import Loop
from tuneloop.store.ids import new_id
from tuneloop.tuning import Recipe
from tuneloop.types import Dataset, Evaluation, FineTuningJob

#: what a machine like this costs an hour, where the user has not said
DOLLARS_PER_HOUR = 0.05
#: fewer epochs than "auto" takes: what is missing to its quality is not worth the wait at first sight
HYPERPARAMETERS = {"n_epochs": 4}
#: rows compared at most: enough for an interval, few enough for a coffee
ROWS = 100


def run(loop: Loop, data: Path | None, *, stay: bool) -> None:
    """The loop from log to deployment on the sample or on `data`; serves on afterwards when `stay`."""
    started = time.monotonic()
    if loop.settings.dollars_per_hour is None:
        loop.settings = replace(loop.settings, dollars_per_hour=DOLLARS_PER_HOUR)
    name = "support-demo" if data is None else data.stem.split(".")[0]
    loop.ensure(loop.settings.base_model)
    with _server(loop) as client:
        _heading("1  Log", "every call through the gateway is kept; so are calls made elsewhere")
        _import(loop, data, name)
        dataset = _dataset(loop, name)
        _deploy(loop, client, dataset, loop.settings.base_model)
        job = _tune(loop, dataset)
        evaluation = _evaluate(loop, dataset, job)
        _heading("5  Deploy", "the tuned model answers under the same name; the application changes nothing")
        _deploy(loop, client, dataset, job.fine_tuned_model or "")
        _end(loop, client, dataset, job, evaluation, time.monotonic() - started)
        if stay:
            say("\nServing on. Stop with Ctrl-C.")
            while True:
                time.sleep(3600)


def _heading(step: str, what: str) -> None:
    console.print()
    console.print(Rule(f"[bold]{step}[/]  [dim]{what}[/]", align="left"))


def _import(loop: Loop, data: Path | None, name: str) -> None:
    with stderr.status("importing ..."):
        report = samples.import_log(loop, data, name)
    source = "the sample log of a bicycle shop's support desk" if data is None else str(data)
    say(f"{source}: {report.read:,} calls, {report.added:,} new, {report.scores:,} scores from people")
    for number, why in report.errors:
        warn(f"line {number}: {why}")
    if report.added + report.known == 0:
        raise InvalidInput(f"{data} has no call that could be imported", param="data")


def _dataset(loop: Loop, name: str) -> Dataset:
    _heading("2  Filter", "what people liked or corrected becomes the data set")
    where = f"metadata.import = '{name}' and (score.rating in (good, true, 1) or corrected)"
    if not loop.store.logs.count(filters.parse(where)):
        where = f"metadata.import = '{name}' and status < 400"
        warn("no call was rated good or corrected, so all of them are taken as they are")
    made = datasets.create(loop.store, name, where=where, shares=(0.7, 0.1, 0.2))
    say(f"where {where}")
    say(f"{datasets.describe(made.account)}")
    say(f"{made.name}: " + ", ".join(f"{count:,} {split}" for split, count in made.counts.items()))
    for text in datasets.warnings(made):
        warn(text)
    return made


def _prompt(loop: Loop, dataset: Dataset) -> list[dict[str, object]]:
    """What one held-out caller asked."""
    row = comparing.held_out(loop, dataset, "test", 1)[0]
    return [dict(message) for message in row.messages[:-1]]


def _call(client: Client, model: str, messages: list[dict[str, object]], what: str) -> None:
    body = {
        "model": model,
        "messages": messages,
        "max_tokens": 64,
        "temperature": 0,
        "metadata": {"id": new_id("demo-")},
    }
    started = time.perf_counter()
    answer = client.call("POST", "/chat/completions", body)
    milliseconds = (time.perf_counter() - started) * 1000
    say(f"\n[dim]{what}[/]")
    say(f"  customer  {one_line(str(messages[-1]['content']), 100)}")
    text = one_line(answer["choices"][0]["message"]["content"] or "", 100)
    say(f"  answer    {text}  [dim]({milliseconds:,.0f} ms)[/]")


def _tune(loop: Loop, dataset: Dataset) -> FineTuningJob:
    _heading("3  Tune", f"a small model ({loop.settings.base_model}) learns from it, on this machine")
    job = tuning.create(loop, dataset, Recipe(suffix=dataset.name[:64], seed=7, hyperparameters=HYPERPARAMETERS))
    loop.enqueue("fine-tuning", job.id)
    return watch(loop.store, job.id)


def _evaluate(loop: Loop, dataset: Dataset, job: FineTuningJob) -> Evaluation:
    _heading("4  Compare", "on calls that none of them has seen")
    rows = comparing.held_out(loop, dataset, "test", ROWS)
    sides = comparing.Sides(models=[job.fine_tuned_model or ""], picks=("random",))
    asked = comparing.Comparison(
        dataset=dataset, arms=comparing.arms(loop, dataset, sides), rows=rows, terms=evaluations.Terms()
    )
    evaluation = run_comparison(loop, lambda progress: comparing.compare(loop, asked, progress))
    show(evaluation)
    say(f"[dim]Cost: this machine's time at ${loop.settings.dollars_per_hour:.2f} an hour.[/]")
    return evaluation


def _deploy(loop: Loop, client: Client, dataset: Dataset, model: str) -> None:
    client.call("POST", "/deployments", {"alias": dataset.name, "model": model, "note": "demo"})
    _call(client, dataset.name, _prompt(loop, dataset), f"a call to {dataset.name}, which is {model} now")


def _end(
    loop: Loop, client: Client, dataset: Dataset, job: FineTuningJob, evaluation: Evaluation, seconds: float
) -> None:
    _heading("Done", f"in {seconds / 60:.1f} minutes")
    say(f"[bold]{evaluations.sentence(evaluation.report)}[/]\n")
    say(f"Everything is in  {loop.settings.home}")
    say(f"The gateway is at {client.base_url}   (API key: {client.api_key})")
    say("\nTry next:")
    program = "tuneloop" if shutil.which("tuneloop") else os.path.relpath(sys.argv[0])
    say(f"  {program} logs list --where \"metadata.import = '{dataset.name}' and score.rating = bad\"")
    say(f"  {program} evaluate {dataset.name} {job.fine_tuned_model} --shots 10 --report report.html")
    say(f"  {program} rollback {dataset.name}")


@contextmanager
def _server(loop: Loop) -> Iterator[Client]:
    """A client of the running server, or of one started for the demo and stopped with it."""
    key = loop.settings.api_key or loop.new_key("demo")
    if url := loop.server():
        yield Client(url, key, timeout=600)
        return
    log = loop.settings.home / "logs" / "server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    port = str(loop.settings.port if _free(loop.settings.host, loop.settings.port) else 0)
    with log.open("ab") as output:
        command = [sys.executable, "-m", "tuneloop", "serve", "--port", port]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield Client(_wait(loop, child, log), key, timeout=600)
    finally:
        child.terminate()
        child.wait()


def _free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) != 0


def _wait(loop: Loop, child: subprocess.Popen[bytes], log: Path) -> str:
    """The server's URL, once it answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and child.poll() is None:
        if url := loop.server():
            try:
                Client(url.removesuffix("/v1")).call("GET", "/health")
            except TuneloopError:
                pass
            else:
                return url
        time.sleep(0.1)
    end = log.read_text(errors="replace").strip()[-1000:]
    raise Unavailable(f"the server did not start; the end of {log}:\n{end}")
