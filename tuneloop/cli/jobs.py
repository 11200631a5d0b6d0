"""tuneloop tune and tuneloop jobs."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneloop.cli import training_options as options
from tuneloop.cli.console import moment, say, table, warn
from tuneloop.cli.context import opened
from tuneloop.types import FINAL_STATUSES, FineTuningJob

if TYPE_CHECKING:
    from tuneloop.loop import Loop


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""

    @app.command()
    def tune(
        dataset: Annotated[str, typer.Argument(help="Name or id of the data set.")],
        method: options.Method = "supervised",
        model: Annotated[str | None, typer.Option(help="Model to tune [TUNELOOP_BASE_MODEL].")] = None,
        suffix: options.Suffix = None,
        seed: Annotated[int | None, typer.Option(help="The same seed gives the same model.")] = None,
        prompt: options.Prompt = None,
        detach: Annotated[bool, typer.Option("--detach", help="Leave the job to the running server.")] = False,
        estimate: options.Estimate = False,
        epochs: options.Epochs = "auto",
        batch_size: options.BatchSize = "auto",
        learning_rate_multiplier: options.LearningRateMultiplier = "auto",
        schedule: options.Schedule = None,
        warmup: options.Warmup = None,
        weight_decay: options.WeightDecay = None,
        patience: options.Patience = None,
        grader: options.Grader = None,
        beta: options.Beta = "auto",
        tuning: options.Tuning = None,
        lora_rank: options.LoraRank = "auto",
        lora_alpha: options.LoraAlpha = "auto",
        lora_target: options.LoraTarget = None,
        quantize: options.Quantize = False,
        compute_multiplier: options.ComputeMultiplier = "auto",
        eval_interval: options.EvalInterval = "auto",
        eval_samples: options.EvalSamples = "auto",
        reasoning_effort: options.ReasoningEffort = None,
        max_completion_tokens: options.MaxCompletionTokens = None,
        temperature: options.Temperature = None,
    ) -> None:
        """Fine-tune a small model on a data set, and watch it learn. Ctrl-C leaves the job to go on later.

        Example: tuneloop tune support --suffix support-v1
        """
        hyperparameters = {
            "n_epochs": epochs,
            "batch_size": batch_size,
            "learning_rate_multiplier": learning_rate_multiplier,
            "schedule": schedule,
            "warmup": warmup,
            "weight_decay": weight_decay,
            "patience": patience,
            "grader": options.grader(grader, is_needed=method == "reinforcement"),
            "beta": beta,
            "tuning": tuning,
            "lora_rank": lora_rank,
            "lora_alpha": lora_alpha,
            "lora_targets": lora_target,
            "quantize": quantize,
            "compute_multiplier": compute_multiplier,
            "eval_interval": eval_interval,
            "eval_samples": eval_samples,
            "reasoning_effort": reasoning_effort,
            "max_completion_tokens": max_completion_tokens,
            "temperature": temperature,
        }
        given: dict[str, Any] = {"method": method, "model": model, "suffix": suffix, "seed": seed}
        given["hyperparameters"] = options.numbers(hyperparameters)
        if estimate:
            _estimate(dataset, prompt, **given)
        else:
            _tune(dataset, prompt, detach, **given)

    group = typer.Typer(no_args_is_help=True, help="Fine-tuning jobs.")
    app.add_typer(group, name="jobs")
    _jobs(group)


def _estimate(dataset: str, prompt: str | None, **given: Any) -> None:
    from tuneloop import estimates

    with opened() as loop:
        found = estimates.of_request(loop, {"dataset": dataset, "prompt": prompt, **given})
    say(f"{found.rows} rows to learn from, {found.validation_rows} to choose the best epoch by")
    if found.seconds is not None and found.bytes is not None:
        cost = "" if found.dollars is None else f", ${found.dollars:,.2f}"
        said = f"about {estimates.duration(found.seconds)} and {estimates.memory(found.bytes)} of memory{cost}"
        say(f"{found.n_epochs} epochs, {found.steps} steps: {said}")
    for text in (*found.problems, *found.warnings):
        warn(text)
    if found.problems:
        raise typer.Exit(1)


def _tune(dataset: str, prompt: str | None, detach: bool, **given: Any) -> None:
    from tuneloop import datasets, prompts, tuning

    with opened() as loop:
        found = loop.store.datasets.named(dataset)
        instead = None if prompt is None else prompts.find(loop.store, prompt, param="prompt")
        job = tuning.create(loop, found, tuning.Recipe(prompt=instead, **given))
        for text in datasets.warnings(found):
            warn(text)
        if detach:
            loop.line_up(job)
            where = "the server runs it" if loop.server() else "it runs when `tuneloop serve` does"
            say(f"{job.id} is lined up; {where}")
            return
        _follow(loop, job.id)


def _jobs(group: typer.Typer) -> None:
    @group.command("list")
    def list_jobs() -> None:
        """List the jobs, newest first."""
        with opened() as loop:
            found = loop.store.jobs.all()
        rows = [(j.id, _state(j), j.model, j.fine_tuned_model or "-", moment(j.created_at)) for j in found]
        table(("job", "status", "model", "tuned model", "created (UTC)"), rows)

    @group.command()
    def show(job: Annotated[str, typer.Argument(help="Id of the job.")]) -> None:
        """Show a job and follow it to its end; one that was interrupted goes on from its last checkpoint."""
        from tuneloop import finetuning

        with opened() as loop:
            if finetuning.get(loop.store, job).paused_at:
                say(f"{job} is paused; let it go on: tuneloop jobs resume {job}")
            else:
                _follow(loop, job)

    @group.command()
    def pause(job: Annotated[str, typer.Argument(help="Id of the job.")]) -> None:
        """Let a job wait at a checkpoint; other jobs have their turn meanwhile."""
        from tuneloop import finetuning

        with opened() as loop:
            say(f"{job} is {_state(finetuning.pause(loop.store, job))}")

    @group.command()
    def resume(job: Annotated[str, typer.Argument(help="Id of the job.")]) -> None:
        """Let a paused job go on from its checkpoint, and follow it to its end."""
        from tuneloop import finetuning

        with opened() as loop:
            finetuning.resume(loop.store, job)
            _follow(loop, job)

    @group.command()
    def cancel(job: Annotated[str, typer.Argument(help="Id of the job.")]) -> None:
        """Cancel a job; it stops within seconds."""
        from tuneloop import finetuning

        with opened() as loop:
            say(f"{job} is {finetuning.cancel(loop.store, job).status}")


def _state(job: FineTuningJob) -> str:
    return "paused" if job.paused_at else job.status


def _follow(loop: Loop, job: str) -> None:
    """Run the job if nobody else does, and show it to its end."""
    from tuneloop import finetuning, tuning
    from tuneloop.cli.watching import ready, watch

    ended = finetuning.get(loop.store, job).status in FINAL_STATUSES
    with nullcontext() if ended else tuning.worker(loop, job):
        try:
            ready(watch(loop.store, job))
        except KeyboardInterrupt:
            say(f"\nStopped watching. {job} goes on from its last checkpoint: tuneloop jobs show {job}")
            raise
