"""Run by torchrun in each process of a team: whether all of them together do what one does alone."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from tests.tiny import tiny_llama, write_tiny_model
from tests.unit.tiny_learner import shift, token_row
from tuneloop.chat import load_chat
from tuneloop.graders import Grader, Verdict
from tuneloop.protocols import TrainingSpec
from tuneloop.training.decoder import Decoder
from tuneloop.training.distributed import ALONE, Team, join, leave, shard
from tuneloop.training.learner import Learner
from tuneloop.training.lora import AdaptedLinear
from tuneloop.training.machine import best_device
from tuneloop.training.objectives import Dpo, Grpo, Kto, Objective, Pair, Sample, Supervised
from tuneloop.training.records import EventLog
from tuneloop.training.references import with_reference
from tuneloop.training.reinforcement import Explorer
from tuneloop.training.rewards import Rewards
from tuneloop.training.rollouts import explore
from tuneloop.training.rows import Prompt
from tuneloop.training.tree import TokenRow
from tuneloop.training.weights import Adapter

torch.set_num_threads(1)

DEVICE = best_device()
#: products of other numbers of rows are other kernels on a GPU
EXACT = 1e-5 if DEVICE.type == "cpu" else 1e-3
NUMBERS = np.random.default_rng(0).integers(0, 250, (8, 12)).tolist()
ROWS = [token_row([*range(30), *numbers[: 4 + index]], numbers[8:]) for index, numbers in enumerate(NUMBERS)]
PAIRS = [
    Pair(
        rows=(token_row([*range(20), *numbers[:6]], numbers[6:]), token_row([*range(20), *numbers[:6]], [3, 1])),
        good=good,
    )
    for numbers, good in zip(NUMBERS, [True, False] * 4, strict=True)
]
SAMPLES = [
    Sample(row=row, advantage=advantage, drawn=np.full(4, -3, np.float32), reference=np.full(4, -2, np.float32))
    for row, advantage in zip(ROWS, np.linspace(-1, 1, 8).tolist(), strict=True)
]
OBJECTIVES: list[tuple[Objective, Sequence[Any]]] = [
    (Supervised(), ROWS),
    (Dpo(), PAIRS),
    (Kto(), PAIRS),
    (Grpo(), SAMPLES),
]


def learner(team: Team, objective: Objective, budget: int, *, sharded: bool = False) -> Learner:
    """A tiny model in float32 whose LoRA already changes something."""
    model = Decoder(tiny_llama())
    if sharded:
        shard(model, DEVICE)
    else:
        model.to(DEVICE)
    made = Learner(model, Adapter(base=Path(), seed=1), budget=budget, objective=objective, team=team)
    shift(made, seed=2)
    return made


def check(team: Team, objective: Objective, units: Sequence[Any], *, sharded: bool) -> None:
    """Three steps, the last of fewer units than there are processes, and an evaluation."""
    # One tree alone; several, and not equally many in each process, together.
    alone = learner(ALONE, objective, 4096)
    member = learner(team, objective, 60, sharded=sharded)
    if isinstance(units[0], Pair):
        units = with_reference(Path("nowhere"), member, units, lambda: None, keep=False)
        expected = with_reference(Path("nowhere"), alone, units, lambda: None, keep=False)
        for one, other in zip(units, expected, strict=True):
            assert np.allclose(one.reference, other.reference, rtol=EXACT), (one.reference, other.reference)
    # Away from the reference, where rounding alone would say which answer has gained more.
    shift(alone, seed=3)
    shift(member, seed=3)
    for step in (units[:5], units[2:], units[:1]):
        found, metrics = member.step(step, 1e-3), alone.step(step, 1e-3)
        assert math.isclose(found.loss, metrics.loss, rel_tol=EXACT), (found, metrics)
        assert all(
            math.isclose(found.others[name], value, rel_tol=10 * EXACT, abs_tol=EXACT)
            for name, value in metrics.others.items()
        )
    for parameter, its in zip(member.parameters, alone.parameters, strict=True):
        assert (parameter - its).abs().max() < EXACT
    assert math.isclose(member.evaluate(units).loss, alone.evaluate(units).loss, rel_tol=EXACT)


def check_memory(team: Team) -> None:
    """A sharded model keeps its part of the layers only."""
    model = Decoder(tiny_llama())
    whole = sum(part.weight.nbytes for part in model.modules() if isinstance(part, AdaptedLinear))
    shard(model, DEVICE)
    weights: list[Any] = [part.weight for part in model.modules() if isinstance(part, AdaptedLinear)]
    kept = sum(weight.to_local().nbytes for weight in weights)
    assert kept * team.size == whole


def check_drawing(team: Team, folder: Path) -> None:
    """Answers that are shared out are those that one draws alone, and are graded once."""
    chat = load_chat(write_tiny_model(folder / "model"))
    asked = [np.array(chat.prompt_ids([{"role": "user", "content": str(number)}])) for number in range(5)]
    prompts = [
        Prompt(line=line, row=TokenRow(tokens, np.zeros(len(tokens), np.float32)), item={})
        for line, tokens in enumerate(asked, start=1)
    ]
    spec = TrainingSpec(model="m", training_file="t", method="reinforcement", max_completion_tokens=6)
    events, path = team.events(folder / "events.jsonl"), folder / "samples.jsonl"
    grader = Grader(name="length", type="python", score=lambda _, sample: Verdict(reward=len(sample["output_text"])))
    for sharded in (False, True):
        together = Explorer(
            learner(team, Grpo(), 60, sharded=sharded),
            chat,
            Rewards(grader, path, events) if team.leads else None,
            explore(spec, 0),
        )
        alone = Explorer(
            learner(ALONE, Grpo(), 4096),
            chat,
            Rewards(grader, folder / f"alone-{sharded}", EventLog(folder / f"log-{sharded}")),
            explore(spec, 0),
        )
        expected, found = alone.step(prompts, 1e-3), together.step(prompts, 1e-3)
        assert math.isclose(found.score, expected.score, rel_tol=EXACT), (found, expected)
        assert math.isclose(found.others["kl"], expected.others["kl"], abs_tol=EXACT), (found, expected)
        for parameter, its in zip(together.parameters, alone.parameters, strict=True):
            assert (parameter - its).abs().max() < EXACT
    if team.leads:
        assert len(path.read_bytes().splitlines()) == 5 * 8


def main() -> None:
    """All checks."""
    team = join()
    assert (team.size, team.local_size) == (2, 2)
    assert (team.least(team.rank), team.most(team.rank), team.led(team.rank + 0.5)) == (0, 1, 0.5)
    assert [team.any(team.rank == 1), team.any(False)] == [True, False]
    for objective, units in OBJECTIVES:
        check(team, objective, units, sharded=False)
    for objective, units in OBJECTIVES:
        check(team, objective, units, sharded=True)
    check_memory(team)
    with TemporaryDirectory() as folder:
        check_drawing(team, Path(folder))
    leave()
    sys.stdout.write(f"process {team.rank} is content\n")


if __name__ == "__main__":
    main()
