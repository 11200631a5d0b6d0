"""What the training benchmark counts and hands out."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from bench.adapter import RANK, linear_layers, write_adapter
from bench.peak import operations, other_operations, products
from bench.sides import Run, Task, count_distinct, make_task
from bench.training import read_sets, summary
from tests.tiny import write_tiny_model
from tuneloop.training.tree import TokenRow, pack


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def task(model: Path, tmp_path: Path) -> Task:
    rows = [
        [{"role": "user", "content": "sum " * (index % 5) + str(index)}, {"role": "assistant", "content": str(index)}]
        for index in range(40)
    ]
    return make_task(model, [json.dumps({"messages": messages}).encode() for messages in rows], tmp_path / "task")


def test_distinct_tokens_are_those_of_the_tree(task: Task) -> None:
    for batch in task.batches():
        tree = pack(batch)
        assert count_distinct(batch) == (len(tree.tokens), len(tree.targets))


def test_the_same_token_below_another_prefix_is_another() -> None:
    weights = np.array([0, 0, 1], dtype=np.float32)
    rows = [TokenRow(np.array(tokens), weights) for tokens in ([1, 2, 3], [1, 2, 3], [1, 4, 3])]
    assert count_distinct(rows) == (5, 2)


def test_a_step_has_sixteen_rows_and_an_epoch_has_all(task: Task) -> None:
    batches = task.batches()
    assert [len(batch) for batch in batches] == [16, 16, 8]
    assert Counter(row.tokens.tobytes() for batch in batches for row in batch) == Counter(
        row.tokens.tobytes() for row in task.rows
    )


def test_the_first_adapter_changes_nothing_yet(model: Path, tmp_path: Path) -> None:
    tensors = load_file(write_adapter(model, tmp_path / "one", seed=1) / "adapter_model.safetensors")
    again = load_file(write_adapter(model, tmp_path / "two", seed=1) / "adapter_model.safetensors")
    assert len(tensors) == 2 * 7 * 2  # A and B of seven linear layers in two blocks
    for name, tensor in tensors.items():
        assert np.array_equal(tensor, again[name])
        assert tensor.any() == name.endswith("lora_A.weight")
        assert RANK in tensor.shape


def test_operations_of_a_step(model: Path) -> None:
    weights = sum(layer.outputs * layer.inputs for layer in linear_layers(model))
    assert weights == 2 * (2 * 32 * 32 + 2 * 16 * 32 + 3 * 64 * 32)
    # A multiplication and an addition for each weight, forward and for the gradient of the input.
    assert operations(products(model, tokens=100, targets=10)) == 4 * (100 * weights + 10 * 32 * 258)


def test_the_first_rows_of_each_set(tmp_path: Path) -> None:
    for name in ("api_sgd", "json_snips"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.jsonl").write_bytes(b"".join(b"%d\n" % index for index in range(5)))
    sets = dict(read_sets(tmp_path, ["json_snips", "api_sgd"], 3))
    assert list(sets) == ["json_snips", "api_sgd"]
    assert [line.strip() for line in sets["api_sgd"]] == [b"0", b"1", b"2"]


def test_without_the_sets_it_is_the_sample_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [(name, messages)] = read_sets(tmp_path, ["api_sgd", "json_snips"], 2)
    assert name == "sample log"
    assert [json.loads(line)["messages"][-1]["role"] for line in messages] == ["assistant"] * 2
    assert "has no api_sgd, json_snips" in capsys.readouterr().out


def test_the_median_round_counts() -> None:
    measured = ((1.0, 5, 0.0), (9.0, 7, 0.4), (2.0, 6, 0.1))
    runs = [Run([seconds, seconds], [1.0, 0.5], memory, disturbed) for seconds, memory, disturbed in measured]
    figures = summary(runs, rows=32)
    assert figures["examples_per_s"] == 8
    assert (figures["peak_memory"], figures["disturbed"]) == (7, 0.4)
    assert figures["rounds"][1]["seconds"] == [9.0, 9.0]


def test_operations_of_attention_and_lora_are_counted(model: Path) -> None:
    # Two layers: queries of 32, and per layer 32 -> 32, 16, 16, 64, 64, back from 32 and from 64.
    inputs_and_outputs = 2 * ((32 + 32) + 2 * (32 + 16) + (32 + 32) + 2 * (32 + 64) + (64 + 32))
    assert other_operations(model, tokens=10, pairs=55) == 12 * 55 * 64 + 6 * 10 * 16 * inputs_and_outputs
