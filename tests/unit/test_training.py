"""The parts of a training run: exact gradients, adapters that peft reads, hyperparameters, records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import PeftModel
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.tiny import tiny_llama, write_tiny_model
from tests.unit.tiny_learner import TOKENS, assert_same_gradients, learner, separate_losses, token_row
from tuneloop.errors import InvalidInput
from tuneloop.protocols import Method, TrainingResult, TrainingSpec
from tuneloop.training.auto import choose
from tuneloop.training.checkpoints import Checkpoints
from tuneloop.training.decoder import Decoder, load_decoder
from tuneloop.training.learner import Learner
from tuneloop.training.lora import save_adapter
from tuneloop.training.machine import free_memory, peak_memory, physical_cores, token_budget
from tuneloop.training.records import EventLog, read_metrics, write_result, write_results_csv
from tuneloop.training.tree import TokenRow, pack
from tuneloop.training.weights import Adapter

CPU = torch.device("cpu")

# Conversations that share prefixes, some of them long, some rows alone, some twice.
ROWS = st.lists(
    st.tuples(st.sampled_from([0, 5, 40]), TOKENS, TOKENS, st.sampled_from([0.5, 1.0])), min_size=1, max_size=6
)


def row(prefix: int, context: list[int], answer: list[int], weight: float) -> TokenRow:
    return token_row([*range(prefix), *context], answer, weight)


def separate_rows(learner: Learner, rows: list[TokenRow]) -> Tensor:
    """The loss with ordinary attention, each row by itself."""
    total = sum(float(row.weights[1:].sum()) for row in rows)
    losses = [(separate_losses(learner, one) * torch.from_numpy(one.weights[1:])).sum() for one in rows]
    return torch.stack(losses).sum() / total


@settings(max_examples=25, deadline=None)
@given(ROWS, st.sampled_from([1, 30, 4096]))
def test_loss_and_gradients_are_those_of_the_separate_rows(
    drawn: list[tuple[int, list[int], list[int], float]], budget: int
) -> None:
    rows = [row(*one) for one in drawn]
    if not any(one.weights[1:].any() for one in rows):
        return
    subject = learner(budget)
    loss = separate_rows(subject, rows)
    assert subject.accumulate(rows).loss == pytest.approx(loss.item(), rel=1e-5)
    assert_same_gradients(subject, loss)


def test_long_rows_take_several_blocks_exactly() -> None:
    numbers = np.random.default_rng(0).integers(0, 258, (4, 500))
    numbers[1:, :300] = numbers[0, :300]
    numbers[3, :450] = numbers[2, :450]
    rows = [TokenRow(tokens, np.ones(500, dtype=np.float32)) for tokens in numbers]
    subject = learner()
    loss = separate_rows(subject, rows)
    assert subject.accumulate(rows).loss == pytest.approx(loss.item(), rel=1e-5)
    assert_same_gradients(subject, loss)


def test_bfloat16_stays_near_float32() -> None:
    rows = [row(5, [1, 2, 3], [4, 5, 6], 1.0), row(5, [1, 2, 3], [7, 8], 1.0)]
    exact, rough = learner(), learner()
    rough.model.to(torch.bfloat16)
    assert rough.evaluate(rows).loss == pytest.approx(exact.evaluate(rows).loss, rel=0.02)


def test_rows_without_targets_change_nothing() -> None:
    subject = learner()
    metrics = subject.accumulate([row(3, [1], [2], 0.0)])
    assert metrics.loss == 0.0
    assert not subject.gradient.any()


def test_a_learner_goes_on_from_its_state_as_if_nothing_had_happened() -> None:
    rows = [row(5, [index], [index, 2], 1.0) for index in range(6)]
    straight, before, after = learner(), learner(), learner()
    losses = [straight.step(rows, 0.01).loss for _ in range(4)]
    resumed = [before.step(rows, 0.01).loss for _ in range(2)]
    after.load_state(before.state())
    resumed += [after.step(rows, 0.01).loss for _ in range(2)]
    assert resumed == losses
    assert losses[-1] < losses[0]


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft asks for it
def test_peft_reads_the_adapter_and_training_goes_on_from_it(tmp_path: Path) -> None:
    base = write_tiny_model(tmp_path / "model")
    rows = [row(5, [1, 2, 3], [4, 5, 6], 1.0)]
    trained = Learner(load_decoder(base, CPU, torch.float32), Adapter(base=Path(), seed=0), budget=512)
    for _ in range(3):
        trained.step(rows, 0.01)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    save_adapter(trained.model, adapter, base=str(base))

    peft = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), str(adapter))
    tokens = torch.from_numpy(rows[0].tokens)
    with torch.no_grad():
        logits = peft(input_ids=tokens[None]).logits[0, :-1]
    losses = torch.nn.functional.cross_entropy(logits, tokens[1:], reduction="none")
    again = Learner(load_decoder(base, CPU, torch.float32), Adapter(base=Path(), seed=9, before=adapter), budget=512)
    assert losses[-3:].mean().item() == pytest.approx(trained.evaluate(rows).loss, rel=1e-5)
    assert again.evaluate(rows) == trained.evaluate(rows)


def test_an_adapter_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    base = write_tiny_model(tmp_path / "model")
    save_adapter(learner().model, tmp_path, base="other")
    config = tmp_path / "adapter_config.json"
    wrong_rank = config.read_text().replace('"r": 16', '"r": 8')
    for text, message in ((wrong_rank, "does not fit"), ('{"peft_type": "IA3"}', "not a plain LoRA")):
        config.write_text(text)
        with pytest.raises(InvalidInput, match=message):
            Learner(load_decoder(base, CPU, torch.float32), Adapter(base=Path(), seed=0, before=tmp_path), budget=512)


def test_auto_gives_small_sets_more_epochs_and_leaves_given_numbers() -> None:
    spec = TrainingSpec(model="m", training_file="t")
    few, many = choose(spec, 12), choose(spec, 5000)
    assert few.n_epochs > many.n_epochs
    assert few.batch_size < many.batch_size
    drawing = TrainingSpec(model="m", training_file="t", method="reinforcement")
    assert [choose(drawing, rows).n_epochs for rows in (12, 100, 5000)] == [15, 4, 1]
    assert [choose(drawing, rows).eval_interval for rows in (12, 100)] == [3, 17]
    given = choose(TrainingSpec(model="m", training_file="t", n_epochs=7, batch_size=3), 12)
    assert (given.n_epochs, given.batch_size, given.learning_rate_multiplier) == (7, 3, 1.0)


def test_no_multiplier_makes_answers_unlearnable() -> None:
    def rate(method: Method, batch_size: int, multiplier: float) -> float:
        spec = TrainingSpec(model="m", training_file="t", method=method, batch_size=batch_size)
        chosen = choose(replace(spec, learning_rate_multiplier=multiplier), 12)
        assert chosen.learning_rate_multiplier == multiplier, "it is told as it was given"
        return chosen.learning_rate

    assert rate("supervised", 1, 10) == rate("supervised", 1, 3) == pytest.approx(3 * rate("supervised", 1, 1))
    assert rate("supervised", 256, 1) == rate("supervised", 16, 10) == pytest.approx(5e-3)
    assert rate("dpo", 4, 10) == pytest.approx(10 * rate("dpo", 4, 1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_epochs", 0),
        ("batch_size", 5000),
        ("learning_rate_multiplier", -1.0),
        ("n_epochs", "x"),
        ("eval_interval", 0),
    ],
)
def test_hyperparameters_out_of_range_are_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as error:
        choose(TrainingSpec(model="m", training_file="t", **{name: value}), 100)
    assert error.value.param == name


def test_what_the_machine_can_do_is_measured() -> None:
    assert physical_cores() >= 1
    assert 0 < free_memory(CPU) < 2**50
    assert 2**20 < peak_memory(CPU) < 2**50


def test_the_budget_fits_the_memory_and_longer_rows_are_computed_layer_by_layer() -> None:
    model = Decoder(tiny_llama())
    assert token_budget(model) == 3072
    tree = pack([token_row(list(range(200)), [2])])
    assert 0 < model.bytes_of(tree) < model.limit <= free_memory(CPU)


def test_events_are_said_once_also_after_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for cut in (b"", b'{"half a li'):
        log = EventLog(path)
        log.message("hello", {"a": 1})
        log.metrics("Step 1", {"step": 1, "train_loss": 2.0, "train_mean_token_accuracy": 0.5})
        with path.open("ab") as file:
            file.write(cut)
    log = EventLog(path)
    log.metrics("Step 1 again", {"step": 1, "train_loss": 3.0})
    log.metrics("Step 2", {"step": 2, "train_loss": 1.0, "valid_loss": 1.5})
    assert len(path.read_bytes().splitlines()) == 3
    assert [data["train_loss"] for data in read_metrics(path)] == [2.0, 1.0]
    write_results_csv(tmp_path / "results.csv", path)
    assert (tmp_path / "results.csv").read_text() == (
        "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,2.0,0.5,,\n2,1.0,,1.5,\n"
    )


def test_results_have_openais_columns_whatever_is_measured(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    log.metrics("Step 1", {"step": 1, "train_loss": 2.0, "train_reward_accuracy": 0.5, "train_reward_margin": 0.1})
    log.metrics("Step 2", {"step": 2, "train_loss": 1.0, "train_reward_accuracy": 1.0, "valid_score": 0.7})
    write_results_csv(tmp_path / "results.csv", tmp_path / "events.jsonl")
    assert (tmp_path / "results.csv").read_text() == (
        "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,2.0,0.5,,\n2,1.0,1.0,,\n"
    )


def test_a_result_is_whole(tmp_path: Path) -> None:
    write_result(tmp_path / "result.json", TrainingResult(steps=3))
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def write_adapter(folder: Path) -> None:
    (folder / "adapter").write_text("x")


def test_the_last_state_and_the_best_and_recent_epochs_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert checkpoints.load() is None
    for epoch in range(1, 7):
        checkpoints.save_epoch(epoch, best=2, save=write_adapter)
        checkpoints.save(epoch * 10, {"step": epoch})
    (tmp_path / "checkpoints" / "step-70.tmp").mkdir()
    assert Checkpoints(tmp_path / "checkpoints").load() == {"step": 6}
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["epoch-2", "epoch-4", "epoch-5", "epoch-6", "step-60"]
