"""The training benchmark's processes, on a tiny model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench.sides import count_distinct, make_task, run_peak, run_tuneloop
from tests.tiny import write_tiny_model


def test_our_side_and_the_peak(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model")
    messages = [
        [{"role": "user", "content": "sum " * (index % 7) + str(index)}, {"role": "assistant", "content": str(index)}]
        for index in range(40)
    ]
    task = make_task(model, [json.dumps({"messages": row}).encode() for row in messages], tmp_path / "task")

    run, learning_rate = run_tuneloop(task, tmp_path / "run")
    assert len(run.seconds) == len(run.losses) == 3
    assert min(run.seconds) > 0
    assert run.peak_memory > 2**26
    assert 0 <= run.disturbed < 1
    assert learning_rate == pytest.approx(2e-4, rel=0.05)

    # The tokens of a step depend on which rows meet in it: TRL is handed the steps that our run takes.
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    told = next(event["data"]["distinct_tokens"] for event in events if "distinct_tokens" in (event["data"] or {}))
    assert told == sum(count_distinct(batch)[0] for batch in task.batches())
    assert told != sum(count_distinct(task.rows[start : start + 16])[0] for start in range(0, 40, 16))

    peak = run_peak(task, tmp_path / "peak")
    assert peak["per_second"] == pytest.approx(peak["operations"] / peak["seconds"])

    shutil.rmtree(model)
    with pytest.raises(SystemExit, match=r"bench.peak ended with 1:\n"):
        run_peak(task, tmp_path / "broken")
