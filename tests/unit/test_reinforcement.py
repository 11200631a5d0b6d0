"""A learner that draws its own answers: that the better ones become likelier, that nothing else is left to chance."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.tiny import write_tiny_model
from tests.unit.tiny_learner import shift
from tuneloop.chat import Chat, load_chat
from tuneloop.errors import InvalidInput
from tuneloop.graders import Grader, Verdict
from tuneloop.protocols import TrainingSpec
from tuneloop.training.auto import choose
from tuneloop.training.checkpoints import Checkpoints
from tuneloop.training.decoder import load_decoder
from tuneloop.training.epochs import Progress, Run, learn
from tuneloop.training.learner import Learner
from tuneloop.training.objectives import Grpo
from tuneloop.training.records import EventLog, read_metrics
from tuneloop.training.reinforcement import MOST_ROWS, Explorer, foresee, make_explorer, make_grader, pooled
from tuneloop.training.rewards import Rewards
from tuneloop.training.rollouts import explore
from tuneloop.training.rows import Prompt, read_units
from tuneloop.training.weights import Adapter

QUESTIONS = ["Say e.", "Who?", "Say something, please.", "Say e again."]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


def prompts(chat: Chat, folder: Path, count: int = len(QUESTIONS)) -> list[Prompt]:
    rows = [{"messages": [{"role": "user", "content": QUESTIONS[index % 4]}], "letter": "e"} for index in range(count)]
    (folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    units = read_units(chat, "reinforcement", folder / "prompts.jsonl", "validation_file", seed=0, room=8)
    return [unit for unit in units if isinstance(unit, Prompt)]


def letters(item: Mapping[str, Any], sample: Mapping[str, Any]) -> Verdict:
    """The share of the wanted letter in an answer."""
    text = sample["output_text"]
    return Verdict(reward=text.count(item["letter"]) / max(1, len(text)))


def alike(item: Mapping[str, Any], sample: Mapping[str, Any]) -> Verdict:
    return Verdict(reward=0.5)


def make(model: Path, folder: Path, score: Any = letters, budget: int = 512, **settings: Any) -> Explorer:
    spec = TrainingSpec(
        model=str(model), training_file="", method="reinforcement", max_completion_tokens=8, seed=4, **settings
    )
    learner = Learner(
        load_decoder(model, torch.device("cpu"), torch.float32),
        Adapter(base=Path(), seed=0),
        budget=budget,
        objective=Grpo(beta=0.01, temperature=spec.temperature),
    )
    folder.mkdir(exist_ok=True)
    rewards = Rewards(
        Grader(name="letters", type="python", score=score), folder / "samples.jsonl", EventLog(folder / "events.jsonl")
    )
    return Explorer(learner, load_chat(model), rewards, explore(spec, 4))


def values(explorer: Explorer) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in explorer.parameters]).clone()


def test_what_is_rewarded_becomes_likelier(model: Path, tmp_path: Path) -> None:
    explorer = make(model, tmp_path, compute_multiplier=2.0)
    asked = prompts(load_chat(model), tmp_path)
    before = explorer.evaluate(asked)
    assert math.isnan(before.loss) and before.score == before.others["mean_reward"] < 0.1
    steps = [explorer.step(asked, 0.02) for _ in range(40)]
    after = explorer.evaluate(asked)
    assert after.score > 0.5
    assert steps[-1].score == steps[-1].others["mean_reward"] > 10 * steps[0].score
    learnt = [step.others for step in steps if "kl" in step.others]
    assert learnt[0]["kl"] == pytest.approx(0.0, abs=1e-5) and learnt[-1]["kl"] > 0.5
    assert {one["clipped"] for one in learnt} == {0.0}
    assert steps[0].tokens > 4 * 16


def test_a_model_that_is_held_near_its_start_stays_there(model: Path, tmp_path: Path) -> None:
    free, held = make(model, tmp_path / "free"), make(model, tmp_path / "held")
    held.learner.objective = Grpo(beta=2.0)
    asked = prompts(load_chat(model), tmp_path)
    kls = [[explorer.step(asked, 0.02).others.get("kl", 0.0) for _ in range(20)][-1] for explorer in (free, held)]
    assert kls[1] < 0.5 * kls[0]


def test_the_reference_is_the_model_as_it_was_found(model: Path, tmp_path: Path) -> None:
    explorer = make(model, tmp_path, temperature=0.8)
    asked = prompts(load_chat(model), tmp_path)
    samples = explorer.look_ahead(asked).samples()
    assert samples
    # Nothing is learnt yet, so it is what they were drawn from.
    for sample in explorer.with_reference(samples):
        assert np.allclose(sample.reference, sample.drawn, atol=1e-4)
    shift(explorer.learner, seed=3)
    moved, budget = values(explorer), explorer.learner.budget
    explorer.learner.budget = 1
    for sample in explorer.with_reference(samples):
        assert np.allclose(sample.reference, sample.drawn, atol=1e-4)
    assert torch.equal(values(explorer), moved)
    explorer.learner.budget = budget


def test_nothing_is_learnt_where_all_answers_are_equally_good(model: Path, tmp_path: Path) -> None:
    explorer = make(model, tmp_path, alike)
    before = values(explorer)
    metrics = explorer.step(prompts(load_chat(model), tmp_path), 0.1)
    assert (metrics.loss, metrics.score, metrics.others["differing"], explorer.taught) == (0.0, 0.5, 0.0, 0)
    assert torch.equal(values(explorer), before)


def test_a_run_that_goes_on_from_its_state_draws_what_it_would_have_drawn(model: Path, tmp_path: Path) -> None:
    asked = prompts(load_chat(model), tmp_path)
    straight, killed = make(model, tmp_path / "straight"), make(model, tmp_path / "killed")
    for _ in range(4):
        straight.step(asked, 0.01)
    for _ in range(2):
        killed.step(asked, 0.01)
    state = {name: value for name, value in killed.state().items()}
    killed.step(asked, 0.01)  # lost
    again = make(model, tmp_path / "killed", alike)  # graders that say something else now are not asked
    again.load_state(state)
    again.step(asked, 0.01)
    again._rewards = straight._rewards
    again.step(asked, 0.01)
    assert torch.equal(values(again), values(straight))


def test_what_was_drawn_ahead_is_what_the_step_learns_from(model: Path, tmp_path: Path) -> None:
    asked = prompts(load_chat(model), tmp_path)
    plain, ahead = make(model, tmp_path / "plain"), make(model, tmp_path / "ahead")
    before = values(ahead)
    needs = foresee(ahead, asked, steps=10, seconds_elsewhere=100.0)
    assert torch.equal(values(ahead), before)
    assert 100 < needs.seconds < 200 and needs.bytes > 0 and needs.distinct_tokens > 0
    assert ahead.look_ahead(asked) is ahead.look_ahead(asked)
    assert plain.step(asked, 0.01) == ahead.step(asked, 0.01)
    assert torch.equal(values(plain), values(ahead))
    assert ahead.look_ahead(asked).values.shape == (4, 8)


def test_of_many_validation_rows_the_same_hundred_are_answered_each_time(model: Path, tmp_path: Path) -> None:
    explorer = make(model, tmp_path, eval_samples=1)
    asked = prompts(load_chat(model), tmp_path, count=130)
    looks = [explorer.evaluate(asked), explorer.evaluate(asked)]
    assert looks[0] == looks[1]
    lines = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert len({line["example"] for line in lines}) == len(lines) / 2 == MOST_ROWS


def test_a_team_puts_together_what_each_has_drawn(model: Path, tmp_path: Path) -> None:
    explorer = make(model, tmp_path)
    answers = explorer.look_ahead(prompts(load_chat(model), tmp_path)).answers
    heard = pooled(explorer.learner, dict(enumerate(answers)), (4, 8, 8))
    for group, its in zip(answers, heard, strict=True):
        for answer, other in zip(group, its, strict=True):
            assert answer.tokens.tolist() == other.tokens.tolist() and answer.ended == other.ended
            assert answer.log_probabilities.tolist() == other.log_probabilities.tolist()


def test_without_a_validation_file_the_rewards_of_training_decide(model: Path, tmp_path: Path) -> None:
    spec = TrainingSpec(
        model=str(model),
        training_file="t",
        method="reinforcement",
        n_epochs=6,
        batch_size=2,
        learning_rate_multiplier=9,
    )
    asked = prompts(load_chat(model), tmp_path)
    run = Run(
        folder=tmp_path,
        spec=spec,
        events=EventLog(tmp_path / "events.jsonl"),
        checkpoints=Checkpoints(tmp_path / "checkpoints"),
        units=asked,
        validation=(),
        chosen=choose(spec, len(asked)),
        learner=make(model, tmp_path),
        weights=Adapter(base=model, seed=0),
        stop=lambda: False,
    )
    progress = Progress()
    learn(run, progress)
    steps = [data["train_mean_reward"] for data in read_metrics(tmp_path / "events.jsonl")]
    epochs = [statistics.fmean(steps[start : start + 2]) for start in range(0, 12, 2)]
    assert progress.best_score == pytest.approx(max(epochs)) and len(set(epochs)) > 2
    assert progress.best_epoch == epochs.index(max(epochs)) + 1
    assert progress.tokens > 12 * 2 * 8 and math.isnan(progress.best_valid_loss or math.nan)


def judged() -> TrainingSpec:
    judge = {
        "type": "score_model",
        "name": "taste",
        "model": "judge",
        "input": [{"role": "user", "content": "How good?"}],
    }
    return TrainingSpec(model="m", training_file="t", method="reinforcement", reward={**judge, "input": judge["input"]})


def test_a_judge_needs_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    graded = make_grader(judged()).grade({}, {"output_text": "x"})
    assert graded.failures[0].error == "model_grader_server_error"
    assert "start `tuneloop serve`" in graded.failures[0].details


def test_a_run_without_a_grader_is_refused(model: Path, tmp_path: Path) -> None:
    explorer = make(model, tmp_path)
    spec = TrainingSpec(model="m", training_file="t", method="reinforcement")
    with pytest.raises(InvalidInput) as error:
        make_explorer(tmp_path, spec, explorer.learner, load_chat(model), EventLog(tmp_path / "e.jsonl"), 0)
    assert error.value.param == "method.reinforcement.grader"
