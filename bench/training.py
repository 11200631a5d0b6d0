"""How fast training is, beside TRL in the same run: `python -m bench.training`.

Both tune the embedded model on the first rows of each set, in turn, each run in a process of its own: one epoch, 16
rows a step, the same rows in the same steps, from the same LoRA (rank 16, alpha 32, all linear layers), AdamW with the
same constant learning rate, loss on every assistant's message. TRL is handed our tokens and targets, so that both learn
the same. `bench/trl_peer.py` says what its configuration is and what else was tried. In bfloat16, which is its fastest,
TRL loses what its LoRA adds below the last digit of the layers' results. So it also runs once in float32, which takes
longest of all: the losses there are what ours are held against.

Seconds are those of the steps: from the end of loading to the end of the last step, the first step and whatever it
warms up included on both sides. Peak memory is the whole process's. `bench/peak.py` says what the share of the peak is.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from bench.peak import other_operations
from bench.sides import (
    KEPT_MEMORY,
    ROWS_A_STEP,
    TRL_CONFIGURATION,
    Run,
    Task,
    make_task,
    run_peak,
    run_trl,
    run_tuneloop,
)
from tuneloop import settings
from tuneloop.importers import formats, lines
from tuneloop.loop import Loop
from tuneloop.training.tree import pack

#: a long shared prompt, a medium one, conversations, long text that is not shared
SETS = ("support_banking77", "json_snips", "api_sgd", "script_plays")
SAMPLE = Path(__file__).parent.parent / "tuneloop" / "demo" / "sample_log.jsonl.gz"
MODEL = "smollm2-135m-instruct"

#: share of the processor for other work above which figures mean little
_DISTURBED = 0.05


def compare(task: Task, rounds: int, trl_python: str | None, float32: bool) -> dict[str, Any]:
    """Run both in turn; the figures of a set."""
    ours: list[Run] = []
    theirs: list[Run] = []
    peaks: list[dict[str, float]] = []
    versions: dict[str, str] = {}
    for number in range(rounds):
        run, learning_rate = run_tuneloop(task, task.folder / f"tuneloop-{number}")
        ours.append(run)
        if trl_python:
            run, versions = run_trl(task, task.folder / f"trl-{number}", trl_python, learning_rate)
            theirs.append(run)
        peaks.append(run_peak(task, task.folder / f"peak-{number}"))
    peak = min(peaks, key=lambda measured: measured["seconds"])
    pairs = sum(pack(batch).pairs for batch in task.batches())
    others = other_operations(task.model, int(peak["tokens"]), pairs // len(task.batches()))
    step_seconds = statistics.median(sum(run.seconds) for run in ours) / len(task.batches())
    figures: dict[str, Any] = {
        "rows": len(task.rows),
        "tokens": sum(len(row.tokens) for row in task.rows),
        "learning_rate": learning_rate,
        "tuneloop": summary(ours, len(task.rows)),
        "peak": peak,
        "share_of_peak": peak["seconds"] / step_seconds,
        "share_of_peak_with_attention": peak["seconds"] / step_seconds * (1 + others / peak["operations"]),
    }
    if theirs:
        figures["trl"] = {**summary(theirs, len(task.rows)), "versions": versions}
        figures["ratio"] = figures["tuneloop"]["examples_per_s"] / figures["trl"]["examples_per_s"]
        figures["loss_differences"] = [
            abs(one - other) / other for one, other in zip(ours[0].losses, theirs[0].losses, strict=True)
        ]
    if trl_python and float32:
        run, _ = run_trl(task, task.folder / "trl-float32", trl_python, learning_rate, float32=True)
        figures["trl_float32"] = summary([run], len(task.rows))
        figures["loss_differences_from_float32"] = [
            abs(one - other) / other for one, other in zip(ours[0].losses, run.losses, strict=True)
        ]
    return figures


def summary(runs: Sequence[Run], rows: int) -> dict[str, Any]:
    """The median round, and all of them."""
    return {
        "examples_per_s": rows / statistics.median(sum(run.seconds) for run in runs),
        "peak_memory": max(run.peak_memory for run in runs),
        "disturbed": max(run.disturbed for run in runs),
        "rounds": [asdict(run) for run in runs],
    }


def machine() -> dict[str, Any]:
    """What it was measured on, and how busy that was before."""
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return {
        "cores": psutil.cpu_count(logical=False),
        "processor": models[0].partition(":")[2].strip() if models else platform.processor(),
        "memory": psutil.virtual_memory().total,
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
        "load_before": os.getloadavg()[0],
    }


def read_sets(data: Path, names: Sequence[str], count: int) -> Iterator[tuple[str, list[bytes]]]:
    """The first `count` rows of each set; of the sample log, in its place, when the sets are not there."""
    missing = [name for name in names if not (data / name / "train.jsonl").is_file()]
    if missing:
        print(f"{data} has no {', '.join(missing)} (NAME/train.jsonl): the sample log is measured instead")
        yield "sample log", list(itertools.islice(_sample(), count))
        return
    for name in names:
        with (data / name / "train.jsonl").open("rb") as file:
            yield name, list(itertools.islice(file, count))


def _sample() -> Iterator[bytes]:
    """The calls of the sample log that people liked."""
    for line in lines.read(SAMPLE):
        row = line.row or {}
        if (row.get("feedback") or {}).get("rating") == "good":
            log = formats.to_log(row, source="bench", cost=lambda *_: None).log
            yield json.dumps(
                {"messages": [*row["messages"], {"role": "assistant", "content": log.output_text}]}
            ).encode()


def _find_trl(python: str) -> str | None:
    """`python` if it has TRL; else say how to get it."""
    probe = "import importlib.util as u, sys; sys.exit(not (u.find_spec('trl') and u.find_spec('datasets')))"
    if subprocess.run([python, "-c", probe], check=False).returncode == 0:
        print(f"TRL runs with {TRL_CONFIGURATION}")
        return python
    print(f"TRL is not installed beside {python}, so that there is no ratio: pip install trl datasets")
    return None


def show(name: str, figures: Mapping[str, Any]) -> None:
    """Print the figures of a set."""
    print(f"\n{name}: {figures['rows']} rows of {figures['tokens'] / figures['rows']:.0f} tokens")
    for side in ("tuneloop", "trl", "trl_float32"):
        if side in figures:
            run, losses = figures[side], figures[side]["rounds"][0]["losses"]
            print(
                f"  {side:11} {run['examples_per_s']:7.2f} examples/s   {run['peak_memory'] / 2**30:5.2f} GiB   "
                f"loss {' '.join(f'{loss:.4f}' for loss in losses)}"
            )
            if run["disturbed"] > _DISTURBED:
                print(f"            other work had {run['disturbed']:.0%} of the processor: measure again without it")
    if "trl" in figures:
        print(f"  ratio       {figures['ratio']:7.1f}   last loss differs by {figures['loss_differences'][-1]:.2%}")
    if "trl_float32" in figures:
        print(f"  the same loss as TRL in float32 to {figures['loss_differences_from_float32'][-1]:.2%}")
    peak = figures["peak"]
    print(
        f"  {figures['share_of_peak']:.0%} of the {peak['per_second'] / 1e9:.0f} GFLOP/s measured at the model's "
        f"shapes, {figures['share_of_peak_with_attention']:.0%} with attention and LoRA, {peak['tokens']} distinct "
        "tokens a step",
        flush=True,
    )


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    home = os.environ.get("TUNELOOP_BENCH_DATA", "../shared/data")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=home, help="folder of the sets (TUNELOOP_BENCH_DATA)")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS, metavar="SET", help=", ".join(SETS))
    parser.add_argument("--rows", type=int, default=32, help="rows of each set")
    parser.add_argument("--rounds", type=int, default=1, help="how often both run, in turn; the median counts")
    parser.add_argument("--skip-trl", action="store_true", help="only ours")
    parser.add_argument("--trl-python", default=sys.executable, help="the Python that has TRL, if another")
    parser.add_argument(
        "--float32", action=argparse.BooleanOptionalAction, default=True, help="also run TRL in float32, for its losses"
    )
    parser.add_argument("--keep-memory", action="store_true", help="have glibc keep freed memory, on both sides")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file")
    options = parser.parse_args()
    if options.rows < ROWS_A_STEP or options.rounds < 1:
        parser.error(f"at least {ROWS_A_STEP} rows and one round are needed")
    return options


def main() -> None:
    """Compare on each set, and say and write what came out."""
    options = arguments()
    if options.keep_memory:
        os.environ.update(KEPT_MEMORY)
    model = Loop(settings=settings.load()).ensure(MODEL).path
    trl_python = None if options.skip_trl else _find_trl(options.trl_python)
    described = {
        "model": MODEL,
        "rows_a_step": ROWS_A_STEP,
        "epochs": 1,
        "trl": TRL_CONFIGURATION,
        "keep_memory": options.keep_memory,
    }
    report: dict[str, Any] = {"machine": machine(), "settings": described, "sets": {}}
    for name, messages in read_sets(options.data, options.sets, options.rows):
        with tempfile.TemporaryDirectory() as folder:
            task = make_task(model, messages, Path(folder) / "task")
            report["sets"][name] = compare(task, options.rounds, trl_python, options.float32)
        show(name, report["sets"][name])
        # After each set, so that a run which is broken off leaves what it has.
        if options.json:
            options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
