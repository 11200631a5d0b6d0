"""Results by content: nothing is judged, nor paid, twice."""

from __future__ import annotations

import pytest

from tuneloop.errors import EngineError
from tuneloop.graders import read, sample_of_text
from tuneloop.graders.caching import key_of
from tuneloop.testing import CacheFake, JudgeFake
from tuneloop.types import Json

JUDGE: dict[str, Json] = {
    "type": "score_model",
    "name": "judge",
    "model": "m",
    "input": [{"role": "user", "content": "{{item.question}} {{sample.output_text}}"}],
}


def test_a_judge_is_asked_once_for_the_same_content() -> None:
    judge, cache = JudgeFake('{"result": 0.5}'), CacheFake()
    made = read(JUDGE, ask=judge, cache=cache)
    first = made.grade({"question": "q", "id": 1}, sample_of_text("a"))
    again = read({**JUDGE, "name": "other"}, ask=judge, cache=cache).grade(
        {"question": "q", "id": 2}, sample_of_text("a")
    )
    assert first.reward == again.reward == 0.5 and len(judge.bodies) == 1
    assert first.usage["m"].total_tokens == 10 and again.usage == {} and again.sample == first.sample
    made.grade({"question": "q"}, sample_of_text("b"))
    read({**JUDGE, "model": "n"}, ask=judge, cache=cache).grade({"question": "q"}, sample_of_text("a"))
    assert len(judge.bodies) == 3 == len(cache.results)


@pytest.mark.parametrize("said", ["nonsense", EngineError("away")])
def test_failures_are_not_kept(said: str | Exception) -> None:
    judge, cache = JudgeFake(said, '{"result": 1}'), CacheFake()
    made = read(JUDGE, ask=judge, cache=cache)
    assert made.grade({"question": "q"}, sample_of_text("a")).failed
    assert made.grade({"question": "q"}, sample_of_text("a")).reward == 1
    assert made.grade({"question": "q"}, sample_of_text("a")).reward == 1
    assert len(judge.bodies) == 2


def test_the_parts_of_a_multi_grader_are_kept() -> None:
    judge, cache = JudgeFake('{"result": 1}'), CacheFake()
    many = {"type": "multi", "name": "all", "graders": [JUDGE], "calculate_output": "judge / 2"}
    for _ in range(2):
        assert read(many, ask=judge, cache=cache).grade({"question": "q"}, sample_of_text("a")).reward == 0.5
    assert len(judge.bodies) == 1


def test_a_calibration_is_made_of_what_was_kept() -> None:
    judge, cache = JudgeFake('{"result": 0.5}'), CacheFake()
    read(JUDGE, ask=judge, cache=cache).grade({"question": "q"}, sample_of_text("a"))
    calibrated = {**JUDGE, "calibration": {"judge": [0, 1], "people": [0, 4]}}
    graded = read(calibrated, ask=judge, cache=cache).grade({"question": "q"}, sample_of_text("a"))
    assert graded.reward == 2 and len(judge.bodies) == 1


def test_programs_read_everything_and_cheap_graders_are_not_kept() -> None:
    runs: list[str] = []

    def run(source: str, sample: object, item: object) -> float:
        runs.append(source)
        return 1.0

    cache = CacheFake()
    program = {"type": "python", "name": "p", "source": "def grade(sample, item): return 1"}
    for item in ({"id": 1}, {"id": 1}, {"id": 2}):
        read(program, run_python=run, cache=cache).grade(item, sample_of_text("a"))
    assert len(runs) == 2
    check = {"type": "regex", "name": "r", "pattern": "a"}
    read(check, cache=cache).grade({}, sample_of_text("a"))
    assert len(cache.results) == 2


def test_keys_are_of_what_is_read() -> None:
    pairwise = {"type": "pairwise", "name": "p", "model": "m", "input": JUDGE["input"]}
    keys = {
        key_of(pairwise, {"question": "q", "other": "x"}, {"output_text": "a"}),
        key_of(pairwise, {"question": "q", "other": "y"}, {"output_text": "a"}),
        key_of(pairwise, {"question": "q"}, {"output_text": "a"}),
        key_of(pairwise, {"other": "x"}, {"output_text": "\ud800"}),
    }
    assert len(keys) == 4
