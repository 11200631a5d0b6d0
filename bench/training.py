"""How fast training is, beside TRL in the same run: `python -m bench.training`.

Both tune the embedded model on the same rows of the sample log: one epoch, batches of 16, LoRA of rank 16 on all linear
layers, loss on the answers. Seconds are those of the steps alone; loading is left out on both sides. TRL runs where it
is installed (`pip install trl`), else it is said that it does not.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tuneloop import settings
from tuneloop.importers import formats, lines
from tuneloop.loop import Loop

SAMPLE = Path(__file__).parent.parent / "tuneloop" / "demo" / "sample_log.jsonl.gz"


def rows(count: int) -> list[dict[str, Any]]:
    """The first `count` calls of the sample log that people liked, as training rows."""
    found = []
    for line in lines.read(SAMPLE):
        row = line.row or {}
        if (row.get("feedback") or {}).get("rating") == "good":
            imported = formats.to_log(row, source="bench", cost=lambda *_: None)
            found.append({"messages": [*row["messages"], {"role": "assistant", "content": imported.log.output_text}]})
    return found[:count]


def ours(model: Path, data: Path, folder: Path) -> dict[str, float]:
    """Seconds and losses of our own run."""
    spec = {"model": str(model), "training_file": str(data), "seed": 0, "n_epochs": 1, "batch_size": 16}
    (folder / "spec.json").write_text(json.dumps(spec))
    subprocess.run([sys.executable, "-m", "tuneloop.training", str(folder)], check=True)
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    steps = [event for event in events if event["type"] == "metrics"]
    began = max(event["created_at"] for event in events if event["created_at"] < steps[0]["created_at"])
    return {"seconds": steps[-1]["created_at"] - began, "last_loss": steps[-1]["data"]["train_loss"]}


def trl(model: Path, data: Path, folder: Path) -> dict[str, float]:
    """Seconds and losses of TRL, in a process of its own."""
    command = [sys.executable, "-m", "bench.trl_peer", str(model), str(data), str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Run both, and print examples per second and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=64)
    count = parser.parse_args().rows
    model = Loop(settings=settings.load()).ensure("smollm2-135m-instruct").path
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "train.jsonl"
        data.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows(count)))
        result = {"tuneloop": ours(model, data, folder)}
        if importlib.util.find_spec("trl"):
            result["trl"] = trl(model, data, folder / "trl")
        else:
            print("TRL is not installed: pip install trl datasets")
    for peer, measured in result.items():
        print(f"{peer:10} {count / measured['seconds']:6.2f} examples/s   last loss {measured['last_loss']:.3f}")
    if "trl" in result:
        print(f"ratio {result['trl']['seconds'] / result['tuneloop']['seconds']:.1f}")


if __name__ == "__main__":
    main()
