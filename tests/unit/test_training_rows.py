"""Files of messages as rows of tokens, and what is said when they cannot be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tiny import write_tiny_model
from tuneloop.chat import Chat, load_chat
from tuneloop.errors import InvalidData, InvalidInput
from tuneloop.protocols import Method
from tuneloop.training.objectives import Pair
from tuneloop.training.rows import Prompt, read_units
from tuneloop.training.tree import TokenRow, Unit

CONTEXT = 128


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Chat:
    return load_chat(write_tiny_model(tmp_path_factory.mktemp("model"), context=CONTEXT))


def ask(text: str) -> list[dict[str, Any]]:
    """A conversation that has begun."""
    said = [("user", "hi"), ("assistant", "hello"), ("user", text)]
    return [{"role": role, "content": content} for role, content in said]


def say(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def read(chat: Chat, folder: Path, method: Method, lines: Sequence[dict[str, Any]], seed: int = 0) -> Sequence[Unit]:
    file = folder / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    return read_units(chat, method, file, "training_file", seed)


def learnt(chat: Chat, row: TokenRow) -> str:
    return chat.decode(row.tokens[row.weights > 0].tolist())


def labelled(count: int) -> list[dict[str, Any]]:
    return [
        {"messages": [*ask(f"number {index}"), say(f"answer {index}")], "label": index % 2 == 0}
        for index in range(count)
    ]


def test_supervised_rows_learn_every_answer(chat: Chat, tmp_path: Path) -> None:
    units = read(chat, tmp_path, "supervised", [{"messages": [*ask("a"), say("b")]}] * 10)
    assert len(units) == 10
    assert learnt(chat, units[0].rows[0]) == "hello<|im_end|>b<|im_end|>"


def test_pairs_share_their_prompt_and_learn_the_last_answer_only(chat: Chat, tmp_path: Path) -> None:
    line = {
        "input": {"messages": ask("a")},
        "preferred_output": [say("yes")],
        "non_preferred_output": [say("not at all")],
    }
    pair, *_ = read(chat, tmp_path, "dpo", [line] * 10)
    preferred, rejected = pair.rows
    assert (learnt(chat, preferred), learnt(chat, rejected)) == ("yes<|im_end|>", "not at all<|im_end|>")
    prompt = int((preferred.weights == 0).sum())
    assert np.array_equal(preferred.tokens[:prompt], rejected.tokens[:prompt])
    assert set(rejected.weights) == {0.0, 1.0}


def test_labelled_rows_meet_the_answer_to_another_prompt(chat: Chat, tmp_path: Path) -> None:
    units = [unit for unit in read(chat, tmp_path, "kto", labelled(12)) if isinstance(unit, Pair)]
    assert [unit.good for unit in units] == [True, False] * 6
    own = [learnt(chat, unit.rows[0]) for unit in units]
    foreign = [learnt(chat, unit.rows[1]) for unit in units]
    assert own == [f"answer {index}<|im_end|>" for index in range(12)]
    assert sorted(foreign) == sorted(own)
    assert all(one != other for one, other in zip(own, foreign, strict=True))
    for unit in units:
        prompts = [row.tokens[row.weights == 0].tolist() for row in unit.rows]
        assert prompts[0] == prompts[1]


def test_the_exchange_of_answers_follows_from_the_seed(chat: Chat, tmp_path: Path) -> None:
    def foreign(seed: int) -> list[str]:
        return [learnt(chat, unit.rows[1]) for unit in read(chat, tmp_path, "kto", labelled(12), seed)]

    assert foreign(-5) == foreign(-5)
    assert foreign(-5) != foreign(4)


def test_a_foreign_answer_that_is_too_long_for_the_prompt_is_cut(chat: Chat, tmp_path: Path) -> None:
    lines = labelled(10)
    lines[0]["messages"][2]["content"] = "x" * 40
    lines[1]["messages"][3]["content"] = "y" * 40
    for seed in range(10):
        units = read(chat, tmp_path, "kto", lines, seed)
        assert all(len(row.tokens) <= CONTEXT and row.weights[-1] for unit in units for row in unit.rows)


@pytest.mark.parametrize("method", ["supervised", "dpo", "kto"])
def test_rows_that_are_too_long_are_all_reported(chat: Chat, tmp_path: Path, method: Method) -> None:
    lines: list[dict[str, Any]] = labelled(20)
    for index in range(3, 11):
        lines[index]["messages"][-1]["content"] = "z" * 200
    if method == "supervised":
        lines = [{"messages": line["messages"]} for line in lines]
    elif method == "dpo":
        lines = [
            {
                "input": {"messages": line["messages"][:-1]},
                "preferred_output": [say("yes")],
                "non_preferred_output": line["messages"][-1:],
            }
            for line in lines
        ]
    with pytest.raises(InvalidData) as error:
        read(chat, tmp_path, method, lines)
    assert error.value.message.startswith(
        f"8 row(s) have more tokens than the model's context of {CONTEXT}: example 4 has 2"
    )
    assert ", example 8 has 2" in error.value.message
    assert ", and 3 more are too long. Shorten them" in error.value.message
    assert (error.value.param, error.value.code) == ("training_file", "invalid_training_file")


def test_where_nothing_is_to_be_learnt_a_run_has_no_sense(chat: Chat, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="nothing to learn"):
        read(chat, tmp_path, "supervised", [{"messages": [*ask("a"), say("b")], "weight": 0}] * 10)


def test_a_file_that_is_not_there_is_named(chat: Chat, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file") as error:
        read_units(chat, "dpo", tmp_path / "none.jsonl", "validation_file", seed=0)
    assert error.value.param == "validation_file"


def test_prompts_end_where_the_answer_begins(chat: Chat, tmp_path: Path) -> None:
    rows = [{"messages": ask(f"number {index}"), "answer": index} for index in range(10)]
    units = read(chat, tmp_path, "reinforcement", rows)
    first = units[0]
    assert isinstance(first, Prompt) and first.item == rows[0] and first.line == 1
    assert first.row.tokens.tolist() == chat.prompt_ids(ask("number 0"))
    assert not first.row.weights.any() and first.rows == (first.row,)


def test_a_prompt_that_leaves_no_room_for_an_answer_is_named(chat: Chat, tmp_path: Path) -> None:
    rows = [{"messages": ask("x")}] * 9 + [{"messages": ask("x" * 10)}]
    room = CONTEXT - len(chat.prompt_ids(ask("x")))
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InvalidData) as error:
        read_units(chat, "reinforcement", tmp_path / "rows.jsonl", "training_file", 0, room=room)
    assert error.value.message.startswith(
        f"1 row(s) have more tokens than the model's context of 128 less an answer's {room}: example 10 has "
    )
    assert error.value.message.endswith(", or a smaller max_completion_tokens")
    assert len(read_units(chat, "reinforcement", tmp_path / "rows.jsonl", "training_file", 0, room=room - 9)) == 10
