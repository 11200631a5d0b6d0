"""The loop of a run: when it is enough, which epoch is kept, what is left when it is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch

from tests.unit.tiny_learner import learner, token_row
from tuneloop.errors import InvalidInput
from tuneloop.protocols import TrainingSpec
from tuneloop.training.auto import choose
from tuneloop.training.checkpoints import Checkpoints
from tuneloop.training.epochs import Interrupted, Progress, Run, learn, resume
from tuneloop.training.records import EventLog, read_metrics
from tuneloop.training.weights import Adapter

ROWS = [token_row([*range(10), index], [index, index + 1]) for index in range(12)]
STEPS_PER_EPOCH = 3


class Killed(BaseException):
    """Ends a run with nothing more written, as a kill does."""


@dataclass
class Stop:
    """Asks for a stop after some step, or kills the run there."""

    at: int
    kill: bool = False
    asked: int = 0

    def __call__(self) -> bool:
        self.asked += 1
        if self.asked == self.at and self.kill:
            raise Killed
        return self.asked == self.at


def make_run(
    folder: Path,
    *,
    stop: Callable[[], bool] = lambda: False,
    scores: Sequence[float] | None = None,
    n_epochs: int = 4,
    seconds_between_checkpoints: float = 1e9,
    **settings: Any,
) -> Run:
    """A run on a dozen rows; `scores` are what the judge says after each epoch."""
    folder.mkdir(exist_ok=True)
    spec = TrainingSpec(model="m", training_file="t", batch_size=4, n_epochs=n_epochs, **settings)
    said: Iterator[float] = iter(scores or ())
    return Run(
        folder=folder,
        spec=spec,
        events=EventLog(folder / "events.jsonl"),
        checkpoints=Checkpoints(folder / "checkpoints"),
        units=ROWS,
        validation=ROWS[:3],
        chosen=choose(spec, len(ROWS)),
        learner=learner(),
        weights=Adapter(base=Path("m"), seed=0),
        stop=stop,
        judge=None if scores is None else lambda: next(said),
        seconds_between_checkpoints=seconds_between_checkpoints,
    )


def learnt(run: Run) -> Progress:
    """The end of a run, gone on with where it was left."""
    progress = resume(run) or Progress()
    learn(run, progress)
    return progress


def messages(run: Run) -> list[str]:
    lines = (run.folder / "events.jsonl").read_bytes().splitlines()
    return [event["message"] for event in map(orjson.loads, lines) if event["type"] == "message"]


def test_the_epoch_with_the_lowest_validation_loss_is_the_best(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    progress = learnt(run)
    losses = [data["valid_loss"] for data in read_metrics(tmp_path / "events.jsonl") if "valid_loss" in data]
    assert len(losses) == 4
    assert progress.best_valid_loss == min(losses)
    assert progress.best_epoch == losses.index(min(losses)) + 1
    assert progress.step == 12


def test_a_judge_decides_in_place_of_the_loss(tmp_path: Path) -> None:
    progress = learnt(make_run(tmp_path, scores=[0.1, 0.7, 0.5, 0.3]))
    data = [one for one in read_metrics(tmp_path / "events.jsonl") if "valid_score" in one]
    assert [one["valid_score"] for one in data] == [0.1, 0.7, 0.5, 0.3]
    assert progress.best_epoch == 2
    assert progress.best_valid_loss == data[1]["valid_loss"]


def test_the_loss_decides_between_equal_scores(tmp_path: Path) -> None:
    run = make_run(tmp_path, patience=1, scores=[0.5, 0.5, 0.5, 0.4])
    progress = learnt(run)
    losses = [data["valid_loss"] for data in read_metrics(tmp_path / "events.jsonl") if "valid_loss" in data]
    assert losses == sorted(losses, reverse=True), "the loss should fall here"
    assert (progress.step, progress.best_epoch) == (4 * STEPS_PER_EPOCH, 3)
    assert progress.best_valid_loss == losses[2]


def test_patience_ends_a_run_that_gets_no_better(tmp_path: Path) -> None:
    run = make_run(tmp_path, patience=2, n_epochs=9, scores=[0.1, 0.5, 0.2, 0.4])
    progress = learnt(run)
    assert (progress.step, progress.best_epoch) == (4 * STEPS_PER_EPOCH, 2)
    assert messages(run)[-1] == "Stopped after epoch 4 of 9: the last 2 were no better than epoch 2"
    # Killed before its result was written, it has nothing more to learn and says nothing twice.
    said = messages(run)
    again = make_run(tmp_path, patience=2, n_epochs=9, scores=[])
    assert learnt(again) == progress
    assert messages(again) == [*said, f"Resumed from the checkpoint at step {progress.step}/27"]


def test_a_run_that_gets_better_goes_to_its_end(tmp_path: Path) -> None:
    run = make_run(tmp_path, patience=1, n_epochs=3, scores=[0.1, 0.2, 0.1])
    assert learnt(run).step == 9
    assert not any(message.startswith("Stopped") for message in messages(run))


@pytest.mark.parametrize("pause", [0.0, 1e9])
@pytest.mark.parametrize("scores", [None, [0.3, 0.1, 0.2, 0.4]])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, pause: float, scores: list[float] | None
) -> None:
    straight = make_run(tmp_path / "straight", scores=scores, patience=2)
    progress = learnt(straight)
    # In the middle of the second epoch: the first is judged once more only if its checkpoint is lost.
    with pytest.raises(Killed):
        learnt(make_run(tmp_path / "killed", scores=scores, stop=Stop(5, kill=True), seconds_between_checkpoints=pause))
    kept = [path.name for path in (tmp_path / "killed" / "checkpoints").glob("step-*")]
    assert kept == ["step-4" if pause == 0.0 else "step-3"]
    rest = None if scores is None else scores[1:]
    killed = make_run(tmp_path / "killed", scores=rest, patience=2, seconds_between_checkpoints=pause)
    gone_on = learnt(killed)
    assert (gone_on.step, gone_on.best_epoch) == (progress.step, progress.best_epoch)
    assert gone_on.best_valid_loss == progress.best_valid_loss
    for one, other in zip(straight.learner.parameters, killed.learner.parameters, strict=True):
        assert torch.equal(one, other)
    adapter = f"checkpoints/epoch-{progress.best_epoch}/adapter_model.safetensors"
    assert (tmp_path / "killed" / adapter).read_bytes() == (tmp_path / "straight" / adapter).read_bytes()
    losses = [[data["train_loss"] for data in read_metrics(run.folder / "events.jsonl")] for run in (straight, killed)]
    assert losses[0] == losses[1]


def test_a_run_that_is_asked_to_stop_leaves_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        learnt(make_run(tmp_path, stop=Stop(5)))
    assert (tmp_path / "checkpoints" / "step-5" / "state.pt").exists()
    # Asked after its last step, it has nothing to stop.
    assert learnt(make_run(tmp_path, stop=Stop(7))).step == 12


def test_the_schedule_is_that_of_the_spec(tmp_path: Path) -> None:
    run = make_run(tmp_path, schedule="constant", warmup=0.5, n_epochs=2)
    learnt(run)
    rates = [data["learning_rate"] / run.chosen.learning_rate for data in read_metrics(tmp_path / "events.jsonl")]
    assert rates == pytest.approx([1 / 3, 2 / 3, 1.0, 1.0, 1.0, 1.0])


def test_a_loss_that_runs_away_is_the_learning_rates_fault(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with torch.no_grad():
        run.learner.parameters[0].fill_(float("nan"))
    with pytest.raises(InvalidInput, match="smaller learning_rate_multiplier") as error:
        learnt(run)
    assert error.value.param == "learning_rate_multiplier"
