"""What tuning the embedded model is worth on real tasks: `python -m bench.verdict --data FOLDER [FOLDER ...]`.

A folder has train.jsonl, validation.jsonl (OpenAI's chat format) and metadata.json with "short_system_prompt" and
"metric". For each, `tuneloop verdict` is run as a user would, in a home of its own, and the quality of every arm is put
beside the figure that is to be reached. Takes some minutes for each folder; run again, it goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

#: what the tuned model with the short prompt is to reach, in the task's own metric
WANTED = {
    "support_banking77": 0.72,
    "json_snips": 0.50,
    "guard_clinc": 0.92,
    "tone_e2e": 0.63,
    "support_banking77_full": 0.92,
    "e2e_nlg": 0.49,
}


def main(arguments: list[str]) -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", type=Path, required=True)
    parser.add_argument("--home", type=Path, default=Path.home() / ".cache/tuneloop-bench-verdict")
    parser.add_argument("--curve", action="store_true", help="with the learning curve")
    options = parser.parse_args(arguments)
    table = Table("set", "arm", "quality", "interval", "ahead of prompted", "tokens", "p50 ms", "minutes")
    for folder in options.data:
        report, minutes = run(folder, options.home, curve=options.curve)
        for row in rows(folder.name, report, minutes):
            table.add_row(*row)
        table.add_section()
    Console(width=140).print(table)


def run(folder: Path, home: Path, *, curve: bool) -> tuple[dict[str, Any], float]:
    """The report on one folder, and the minutes it took (a run that goes on takes less)."""
    metadata = json.loads((folder / "metadata.json").read_text())
    report = home / f"{folder.name}.json"
    home.mkdir(parents=True, exist_ok=True)
    environ = {**os.environ, "TUNELOOP_HOME": str(home / folder.name)}
    command = [sys.executable, "-m", "tuneloop", "verdict", str(folder / "train.jsonl")]
    command += ["--held-out", str(folder / "validation.jsonl"), "--name", folder.name]
    command += ["--short", metadata["short_system_prompt"], "--grader", metadata["metric"]]
    command += [
        "--curve" if curve else "--no-curve",
        "--report",
        str(report),
        "--report",
        str(report.with_suffix(".html")),
    ]
    started = time.monotonic()
    subprocess.run(command, env=environ, check=True)
    return json.loads(report.read_text()), (time.monotonic() - started) / 60


def rows(name: str, report: dict[str, Any], minutes: float) -> list[list[str]]:
    """A row for each arm; the first says what is wanted, the last what it took."""
    found = []
    for index, arm in enumerate(report["arms"]):
        last = index == len(report["arms"]) - 1
        goal = f"{name} (wanted: {WANTED[name]})" if name in WANTED else name
        interval, difference = arm["interval"], arm["difference"]
        found.append(
            [
                goal if index == 0 else "",
                arm["name"],
                f"{arm['metrics'][report['primary']]:.3f}",
                f"{interval['low']:.3f} to {interval['high']:.3f}" if interval else "-",
                f"{difference['low']:+.3f} to {difference['high']:+.3f}" if difference else "-",
                f"{arm['prompt_tokens']:.0f}",
                f"{arm['latency_ms']['p50']:.0f}",
                f"{minutes:.1f}" if last else "",
            ]
        )
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
