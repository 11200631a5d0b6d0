"""The data of examples/use_cases: fit to train on, fit to judge by, and made as the script beside it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest

from tuneloop.checks.examination import Examination, examine
from tuneloop.checks.rows import Row
from tuneloop.graders import Grader, read, sample_of_text
from tuneloop.graders.sandbox import Sandbox
from tuneloop.types import Split

USE_CASES = Path(__file__).parents[2] / "examples" / "use_cases"
NAMES = sorted(folder.parent.name for folder in USE_CASES.glob("*/train.jsonl"))
FILES: dict[Split, str] = {"train": "train.jsonl", "test": "held_out.jsonl"}
#: what a guard has to see while it learns is what the doctor would leave out of any other data
MEANT = {"guard_rail": {"prompt_injection"}}

every = pytest.mark.parametrize("name", NAMES)


def read_json(name: str, file: str) -> Any:
    return json.loads((USE_CASES / name / file).read_text(encoding="utf-8"))


def chats(name: str, split: Split) -> list[list[dict[str, str]]]:
    lines = (USE_CASES / name / FILES[split]).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["messages"] for line in lines]


@cache
def examined(name: str) -> Examination:
    """What the doctor says of the rows to learn from, and of those held out, in one data set."""
    both = [(split, messages) for split in get_args(Split) if split in FILES for messages in chats(name, split)]
    return examine(
        Row(number=number, id=f"row {number}", messages=messages[:-1], answer=messages[-1], split=split)
        for number, (split, messages) in enumerate(both, start=1)
    )


def grader(name: str) -> Grader:
    return read(read_json(name, "grader.json"), run_python=Sandbox())


def reward(name: str, answer: str, messages: list[dict[str, str]]) -> float:
    item = {"input": messages[-2]["content"], "reference": messages[-1]["content"]}
    graded = grader(name).grade(item, sample_of_text(answer))
    assert not graded.failures
    return graded.reward


def test_there_are_five_and_the_counter_example() -> None:
    assert NAMES == ["brand_voice", "customer_service", "film_scripts", "guard_rail", "json_api", "tax_questions"]
    assert sum(file.stat().st_size for file in USE_CASES.rglob("*.jsonl")) < 1_500_000


@every
def test_rows_are_chats_with_the_long_prompt(name: str) -> None:
    prompts = read_json(name, "prompts.json")
    assert 150 <= len(chats(name, "train")) <= 300
    assert 60 <= len(chats(name, "test")) <= 80
    for messages in chats(name, "train") + chats(name, "test"):
        assert [message["role"] for message in messages] == ["system", "user", "assistant"]
        assert messages[0]["content"] == prompts["long"]
    assert len(prompts["short"]) < len(prompts["long"]) / 4


@every
def test_the_doctor_finds_nothing_to_mend(name: str) -> None:
    mending = {found.code for found in examined(name).findings() if found.fix is not None or found.severity == "error"}
    assert mending == MEANT.get(name, set())


@every
def test_no_question_is_held_out_and_learnt(name: str) -> None:
    learnt = {messages[1]["content"].casefold() for messages in chats(name, "train")}
    assert not learnt & {messages[1]["content"].casefold() for messages in chats(name, "test")}


@every
def test_whether_it_is_a_skill_or_knowledge(name: str) -> None:
    (found,) = (one.code for one in examined(name).overall if one.code in ("suitable", "knowledge"))
    assert found == read_json(name, "expected.json")["suitability"]


def test_no_fact_of_the_tax_law_that_is_asked_for_was_learnt() -> None:
    learnt, asked = ([facts(chat[-1]["content"]) for chat in chats("tax_questions", split)] for split in FILES)
    assert all(len(both) == 2 for both in learnt + asked)
    assert not [both for both in asked if both in learnt]


def facts(answer: str) -> set[str]:
    return set(re.findall(r"\S*\d\S*", answer))


@every
def test_the_grader_knows_the_reference_from_nonsense(name: str) -> None:
    for messages in chats(name, "test")[:4]:
        assert reward(name, messages[-1]["content"], messages) == pytest.approx(1)
        for nonsense in ("", "I do not know.", messages[-2]["content"], messages[-1]["content"][::-1]):
            assert reward(name, nonsense, messages) < 0.6


@every
def test_one_answer_for_all_is_not_enough(name: str) -> None:
    held_out = chats(name, "test")
    first = held_out[0][-1]["content"]
    others = [messages for messages in held_out if messages[-1]["content"] != first][:10]
    assert sum(reward(name, first, messages) for messages in others) / len(others) < 0.6


@every
def test_the_command_in_the_readme_is_that_of_the_settings(name: str) -> None:
    settings, prompts = read_json(name, "settings.json"), read_json(name, "prompts.json")
    readme = " ".join((USE_CASES / name / "README.md").read_text(encoding="utf-8").replace("\\\n", "").split())
    assert f"tuneloop verdict train.jsonl --held-out held_out.jsonl --name {settings['name']}" in readme
    for option in ("epochs", "margin", "baseline"):
        assert f"--{option} {settings[option]}" in readme
    assert f'--short "{prompts["short"]}"' in readme


@every
def test_the_example_in_the_readme_is_a_row(name: str) -> None:
    readme = " ".join((USE_CASES / name / "README.md").read_text(encoding="utf-8").split())
    rows = (
        " ".join(f"{chat[1]['content']} {chat[2]['content']}".split()) for split in FILES for chat in chats(name, split)
    )
    assert any(row in readme for row in rows)


@every
def test_what_is_expected(name: str) -> None:
    expected = read_json(name, "expected.json")
    assert set(expected) == {"verdict", "suitability", "tuned_ahead_of_prompted", "least_quality", "most_quality"}
    assert (expected["verdict"] == "yes") == (expected["suitability"] == "suitable")
    assert 0 <= expected["least_quality"] < expected["most_quality"] <= 1


def test_the_data_is_made_again_byte_for_byte(tmp_path: Path) -> None:
    subprocess.run([sys.executable, USE_CASES / "make.py", tmp_path], check=True)
    made = {file.relative_to(tmp_path): file.read_bytes() for file in tmp_path.rglob("*.json*")}
    assert len(made) == 3 * len(NAMES)
    assert made == {file: (USE_CASES / file).read_bytes() for file in made}
