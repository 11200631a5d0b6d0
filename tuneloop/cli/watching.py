"""Follows a fine-tuning job on the terminal: messages as lines, steps as a bar."""

from __future__ import annotations

import time

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tuneloop import finetuning
from tuneloop.cli.console import console, say
from tuneloop.errors import TuneloopError
from tuneloop.store import Store, schema
from tuneloop.types import FINAL_STATUSES, Event, FineTuningJob


def watch(store: Store, job_id: str) -> FineTuningJob:
    """Show a job's events until it has ended. Raises TuneloopError when it failed, was cancelled or is paused."""
    last: str | None = None
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[loss]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("waiting", total=None, loss="")
        while True:
            job = finetuning.get(store, job_id)
            ended = job.status in FINAL_STATUSES or job.paused_at is not None
            events, _ = store.events.page(schema.events.c.job_id == job_id, limit=10_000, after=last, ascending=True)
            for event in events:
                last = event.id
                if event.type == "metrics" and event.data:
                    reward, loss = event.data.get("train_mean_reward"), f"loss {event.data.get('train_loss', 0):.3f}"
                    loss = loss if reward is None else f"reward {reward:.3f}"
                    step, total = event.data.get("step"), event.data.get("total_steps")
                    progress.update(task, description="training", completed=step, total=total, loss=loss)
                else:
                    progress.console.print(f"  {_message(event)}", soft_wrap=True)
            if ended and not events:
                break
            time.sleep(0.3)
    if job.paused_at:
        raise TuneloopError(f"{job.id} is paused; let it go on: tuneloop jobs resume {job.id}")
    if job.status != "succeeded":
        error = job.error or {}
        raise TuneloopError(f"{job.id} {job.status}" + (f": {error['message']}" if error else ""))
    return job


def _message(event: Event) -> str:
    return f"[red]{event.message}[/]" if event.level == "error" else event.message


def ready(job: FineTuningJob) -> None:
    """What there is now, and what to do with it."""
    say(f"\n[bold green]{job.fine_tuned_model}[/] is ready. Next:")
    say(f"  tuneloop evaluate {job.metadata.get('dataset', 'DATASET')} {job.fine_tuned_model}")
