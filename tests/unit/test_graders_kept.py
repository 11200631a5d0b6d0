"""Graders under names, on logs, by people, live, and beside people: the verbs around a real store."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from tuneloop import filters, graders, grading
from tuneloop.errors import EngineError, InvalidInput, NotFound
from tuneloop.graders import Grader
from tuneloop.graders.asking import Aborted
from tuneloop.grading import monitors
from tuneloop.grading.agreement import calibrate
from tuneloop.grading.logs import chosen
from tuneloop.importers import formats
from tuneloop.store import Store
from tuneloop.testing import JudgeFake
from tuneloop.types import Json, Log

IS_JSON: dict[str, Json] = {"type": "json"}
TONE: dict[str, Json] = {"type": "human", "question": "Kind?"}
JUDGE: dict[str, Json] = {
    "type": "score_model",
    "model": "m",
    "range": [1, 5],
    "input": [{"role": "user", "content": "{{sample.output_text}}"}],
}


def logged(store: Store, *answers: str, **more: Json) -> list[Log]:
    """Calls whose questions are numbered."""
    made = []
    for number, answer in enumerate(answers):
        row = {"id": f"call {number}", "messages": [{"role": "user", "content": f"q{number}"}], "completion": answer}
        made.append(formats.to_log({**row, **more}, source="import", cost=lambda *_: None))
    store.logs.add([one.log for one in made])
    store.scores.add([score for one in made for score in one.scores])
    return [one.log for one in made]


def scores(store: Store, name: str) -> list[Any]:
    """The values under a name, by question."""
    found = {}
    for log in store.logs.each(filters.parse("")):
        values = [s.value for s in store.scores.of([log.id])[log.id] if s.name == name and s.value is not None]
        found[log.input_text] = values[-1] if values else None
    return [found[question] for question in sorted(found)]


def run(store: Store, name: str, where: str = "", **more: Any) -> grading.Tally:
    means = {key: more.pop(key) for key in ("ask", "run_python") if key in more}
    return grading.run(store, grading.read(store, name, **means), filters.parse(where), **more)


def test_versions_are_counted_and_never_change(store: Store) -> None:
    first = grading.add(store, "is_json", IS_JSON)
    assert (first.reference, first.definition) == ("is_json@1", {"type": "json", "name": "is_json"})
    assert grading.add(store, "is_json", {**IS_JSON, "name": "other"}) == first
    second = grading.add(store, "is_json", {**IS_JSON, "mode": "valid"}, "stricter")
    third = grading.add(store, "is_json", IS_JSON)
    assert [second.version, third.version] == [2, 3] and second.note == "stricter"
    assert grading.find(store, "is_json") == third and grading.find(store, "is_json@2") == second
    grading.add(store, "tone", TONE)
    newest, more = store.graders.newest(limit=1)
    assert ([one.name for one in newest], more) == (["tone"], True)
    rest, more = store.graders.newest(limit=5, after=newest[-1].id)
    assert ([one.reference for one in rest], more) == (["is_json@3"], False)
    for wrong in ("is_jso", "is_json@4", "is_json@", "is_json@x", "is_json@99999999999", "", "@1"):
        with pytest.raises(NotFound):
            grading.find(store, wrong)


@pytest.mark.parametrize(
    ("name", "definition", "param"),
    [
        ("", IS_JSON, "name"),
        ("a b", IS_JSON, "name"),
        ("a@1", IS_JSON, "name"),
        ("a/b", IS_JSON, "name"),
        (5, IS_JSON, "name"),
        ("x" * 65, IS_JSON, "name"),
        ("exact_match", IS_JSON, "name"),
        ("a", {"type": "none"}, "definition.type"),
        ("a", [], "definition"),
        ("a", "nothing", "definition"),
        ("a", {"type": "multi", "graders": ["nothing"], "calculate_output": "1"}, "definition.graders[0]"),
    ],
)
def test_what_cannot_be_kept_is_named(sqlite_store: Store, name: Json, definition: Json, param: str) -> None:
    with pytest.raises((InvalidInput, NotFound)) as refused:
        grading.add(sqlite_store, name, definition)
    assert refused.value.param == param


def test_a_name_will_do_for_a_grader(sqlite_store: Store) -> None:
    grading.add(sqlite_store, "is_json", IS_JSON)
    grading.add(sqlite_store, "is_json", {**IS_JSON, "mode": "exact"})
    kept = {"type": "json", "name": "is_json", "version": 1}
    assert grading.resolve(sqlite_store, "is_json@1") == kept
    many = {"type": "multi", "name": "m", "graders": {"a": "is_json@1", "b": TONE}, "calculate_output": "a"}
    assert grading.resolve(sqlite_store, many)["graders"] == {"a": kept, "b": TONE}
    listed = {**many, "graders": ["is_json@1"]}
    assert grading.resolve(sqlite_store, listed)["graders"] == [kept]
    made = grading.add(sqlite_store, "both", {**listed, "calculate_output": "is_json"})
    assert grading.read(sqlite_store, made.reference).grade({}, graders.sample_of_text("{}")).reward == 1


def test_a_grader_that_is_forgotten(store: Store) -> None:
    logged(store, "{}")
    grading.add(store, "is_json", IS_JSON)
    grading.add(store, "tone", TONE)
    run(store, "is_json")
    run(store, "tone")
    for name in ("is_json", "tone"):
        monitors.watch(store, name)
        assert grading.delete(store, name) == 1
        with pytest.raises(NotFound):
            grading.find(store, name)
        assert monitors.of(store, name) is None
    assert not store.reviews.waiting() and scores(store, "is_json") == [1]
    with pytest.raises(NotFound):
        grading.delete(store, "is_json")


def test_logs_have_one_answer_and_cannot_be_compared(sqlite_store: Store) -> None:
    better = {"type": "pairwise", "model": "m"}
    grading.add(sqlite_store, "better", better)
    with pytest.raises(InvalidInput, match="evaluations"):
        run(sqlite_store, "better")
    with pytest.raises(InvalidInput, match="evaluations"):
        monitors.watch(sqlite_store, "better")


def test_logs_are_graded_once_and_filters_see_it(store: Store) -> None:
    logged(store, '{"a": 1}', "no", "[]")
    grading.add(store, "is_json", IS_JSON)
    tally = run(store, "is_json")
    assert (tally.graded, tally.known) == (3, 0) and tally.mean == pytest.approx(2 / 3)
    assert [log.input_text for log in store.logs.each(filters.parse("score.is_json >= 0.8"))] == ["q2", "q0"]
    (score,) = [s for log in store.logs.each(filters.parse("input = q1")) for s in store.scores.of([log.id])[log.id]]
    assert (score.source, score.value) == ("code", 0) and "not JSON" in (score.comment or "")
    assert (run(store, "is_json").known, run(store, "is_json").graded) == (3, 0)
    grading.add(store, "is_json", {**IS_JSON, "schema": {"type": "object"}})
    assert run(store, "is_json").mean == pytest.approx(1 / 3)
    assert scores(store, "is_json") == [1, 0, 0]


def test_which_logs_are_graded(sqlite_store: Store) -> None:
    logged(sqlite_store, *(["{}"] * 40))
    mine = logged(sqlite_store, "a judge's", user="graders", id="mine")[0]
    sqlite_store.logs.add([replace(mine, id="failed", status=500, user=None)])
    grading.add(sqlite_store, "is_json", IS_JSON)
    some = run(sqlite_store, "is_json", share=0.5)
    assert 5 < some.graded < 35
    more = run(sqlite_store, "is_json", share=0.7)
    assert more.known == some.graded
    assert run(sqlite_store, "is_json", limit=2).graded == 2
    one = run(sqlite_store, "is_json", "input = q3")
    assert one.graded + one.known == 1
    run(sqlite_store, "is_json")
    assert sqlite_store.scores.of([mine.id])[mine.id] == []
    assert not chosen("any", 0) and chosen("any", 1)


def test_a_judge_on_logs_is_a_recorded_failure_when_it_fails(store: Store) -> None:
    logged(store, "fine", "bad")
    grading.add(store, "nice", JUDGE)
    judge = JudgeFake('{"result": 4}', "potato", EngineError("away"), '{"result": 2}')
    first = run(store, "nice", ask=judge, concurrency=1)
    assert (first.graded, first.failed, first.mean) == (1, 1, 4) and "potato" in (first.failure or "")
    failed = [s for log in store.logs.each(filters.parse("")) for s in store.scores.of([log.id])[log.id] if not s.value]
    assert [(s.value, s.source) for s in failed] == [(None, "model")] and "potato" in (failed[0].comment or "")
    assert run(store, "nice", ask=judge, concurrency=1).failed == 1
    assert run(store, "nice", ask=judge, concurrency=1).graded == 1
    assert scores(store, "nice") == [2, 4] and len(judge.bodies) == 4
    assert store.grader_results.count() == 2


def test_corrections_are_the_references_of_logs(sqlite_store: Store) -> None:
    logged(sqlite_store, '{"queue": "a"}', feedback={"correction": '{"queue": "b"}'})
    grading.add(sqlite_store, "right", {**IS_JSON, "mode": "exact"})
    queue = {"type": "string_check", "operation": "eq", "input": "{{item.reference_json.queue}}", "reference": "b"}
    grading.add(sqlite_store, "queue", queue)
    assert run(sqlite_store, "right").mean == 0 and run(sqlite_store, "queue").mean == 1


def test_people_are_asked_once_for_the_same_content(store: Store) -> None:
    logs = logged(store, "hello", "go away")
    grading.add(store, "tone", TONE)
    assert (run(store, "tone").pending, run(store, "tone").pending) == (2, 2)
    (first, *others), more = grading.waiting(store, "tone", limit=5)
    assert len(others) == 1 and not more and store.reviews.waiting() == {"tone": 2}
    assert grading.waiting(store, "tone", limit=1)[1] is True
    bad = next(review for review in (first, *others) if review.shown[-1] == "go away")
    answered = grading.answer(store, "tone", {"id": bad.id, "value": "bad", "user": "anna", "comment": "\0rude"})
    assert (answered.reward, answered.value, answered.user) == (0, "bad", "anna")
    assert scores(store, "tone") == [None, 0]
    (score,) = store.scores.of([logs[1].id])[logs[1].id]
    assert (score.source, score.user, score.value) == ("annotator", "anna", 0)
    assert (run(store, "tone").pending, run(store, "tone").known) == (1, 1)
    grading.answer(store, "tone", {"id": bad.id, "value": "good"})
    assert scores(store, "tone") == [None, 1]
    assert grading.read(store, "tone").grade({"input": "q1"}, graders.sample_of_text("go away")).reward == 1
    assert grading.read(store, "tone").grade({"input": "else"}, graders.sample_of_text("go away")).failed


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({}, "id"),
        ({"id": 5, "value": "good"}, "id"),
        ({"id": "review_nothing", "value": "good"}, "id"),
        ({"value": "fine"}, "value"),
        ({"value": None}, "value"),
        ({"value": ["good"]}, "value"),
        ({"value": "good", "user": 5}, "user"),
        ({"value": "good", "comment": []}, "comment"),
    ],
)
def test_a_wrong_answer_of_people_is_named(sqlite_store: Store, given: dict[str, Json], param: str) -> None:
    logged(sqlite_store, "hello")
    grading.add(sqlite_store, "tone", TONE)
    run(sqlite_store, "tone")
    (review,), _ = grading.waiting(sqlite_store, "tone", limit=5)
    with pytest.raises((InvalidInput, NotFound)) as refused:
        grading.answer(sqlite_store, "tone", ({"id": review.id} if given else {}) | given)
    assert refused.value.param == param
    with pytest.raises(InvalidInput, match="'tone'"):
        grading.answer(sqlite_store, "other", {"id": review.id, "value": "good"})


def rated(store: Store, rows: int, good: Callable[[int], bool]) -> None:
    for number in range(rows):
        logged(store, f"answer {number}", id=f"rated {number}", feedback={"value": "good" if good(number) else "bad"})


def test_how_far_a_judge_agrees_with_people(store: Store) -> None:
    grading.add(store, "nice", JUDGE)
    version = grading.find(store, "nice")
    nothing = grading.agreement(store, version)
    assert (nothing.rows, nothing.spearman, nothing.kappa, nothing.same) == (0, None, None, None)
    with pytest.raises(InvalidInput, match="tuneloop graders run nice"):
        calibrate(store, version)
    rated(store, 24, lambda number: number > 11)
    assert run(store, "nice", ask=_by_number(24), concurrency=1).graded == 24
    found = grading.agreement(store, version)
    assert found.rows == 24 and found.same == 1 and found.kappa == 1 and (found.spearman or 0) > 0.8
    assert grading.agreement(store, version, against="other").rows == 0
    assert grading.agreement(store, version, where=filters.parse("output = 'answer 3'")).rows == 1
    made = calibrate(store, version)
    assert made.reference == "nice@2" and "24 logs" in (made.note or "")
    graded = grading.read(store, "nice", ask=_by_number(24)).grade({}, graders.sample_of_text("answer 23"))
    assert graded.reward > 0.8 and graded.notes["uncalibrated"] > 4 and graded.usage == {}
    assert grading.agreement(store, made).rows == 0
    run(store, "nice", ask=_by_number(24))
    assert (grading.agreement(store, made).kappa or 0) > 0.9
    assert calibrate(store, made).reference == "nice@2"


def _by_number(rows: int) -> Any:
    """A judge who gives "answer N" its place on a scale from 1 to 5."""

    def ask(path: str, body: Any) -> Any:
        number = int(body["messages"][0]["content"].split("\n")[0].removeprefix("answer "))
        return JudgeFake(orjson.dumps({"result": 1 + 4 * number / (rows - 1)}).decode())(path, body)

    return ask


def test_too_little_to_calibrate_with_is_said(sqlite_store: Store) -> None:
    grading.add(sqlite_store, "nice", JUDGE)
    rated(sqlite_store, 3, lambda number: number > 1)
    run(sqlite_store, "nice", ask=_by_number(3))
    with pytest.raises(InvalidInput, match="3 answers .* needs 20"):
        calibrate(sqlite_store, grading.find(sqlite_store, "nice"))


def watching(store: Store, ask: Any = None, go_on: Callable[[], bool] = lambda: True) -> monitors.Watch:
    def read(given: Json) -> Grader:
        return grading.read(store, given, ask=ask)

    return monitors.Watch(store, read, go_on)


def test_a_monitor_grades_new_calls_alone(store: Store) -> None:
    grading.add(store, "is_json", IS_JSON)
    logged(store, "old", id="old", created_at=time.time() - 100)
    made = monitors.watch(store, "is_json", where="not model ~ mini")
    assert (made.share, made.graded) == (1, 0)
    watch = watching(store)
    assert watch.round() == 0
    now = time.time() + 1
    logged(store, "{}", id="new", created_at=now)
    logged(store, "{}", id="small", created_at=now, model="mini")
    logged(store, "{}", id="judge", created_at=now, user="monitors")
    assert (watch.round(), watch.round()) == (1, 0)
    assert store.logs.count(filters.parse("score.is_json")) == 1
    # Another process, after a restart, knows what was done.
    assert watching(store).round() == 0
    assert (monitors.of(store, "is_json") or made).graded == 1
    assert monitors.stop(store, "is_json").grader == "is_json" and store.monitors.all() == []
    with pytest.raises(NotFound):
        monitors.stop(store, "is_json")


def test_a_monitor_looks_at_a_share_and_stops_when_told(sqlite_store: Store) -> None:
    grading.add(sqlite_store, "is_json", IS_JSON)
    monitors.watch(sqlite_store, "is_json", share=0.5)
    assert monitors.watch(sqlite_store, "is_json", share=0.4).share == 0.4
    assert len(sqlite_store.monitors.all()) == 1
    logged(sqlite_store, *(["{}"] * 60), created_at=time.time() + 1)
    assert watching(sqlite_store, go_on=lambda: False).round() == 0
    watch, done = watching(sqlite_store), 0
    while found := watch.round():
        assert found <= 20
        done += found
    assert 10 < done < 40 and sqlite_store.logs.count(filters.parse("score.is_json")) == done


def test_a_monitor_that_cannot_grade_says_why(sqlite_store: Store) -> None:
    for share in (0, -1, 1.5, float("nan")):
        with pytest.raises(InvalidInput, match="share"):
            grading.add(sqlite_store, "nice", JUDGE)
            monitors.watch(sqlite_store, "nice", share=share)
    with pytest.raises(NotFound):
        monitors.watch(sqlite_store, "nothing")
    with pytest.raises(InvalidInput):
        monitors.watch(sqlite_store, "nice", where="nothing =")
    made = monitors.watch(sqlite_store, "nice")
    logged(sqlite_store, "x", "y", created_at=time.time() + 1)
    judge = JudgeFake("potato", '{"result": 3}')
    watch = watching(sqlite_store, judge)
    assert (watch.round(), watch.round()) == (2, 0)
    assert watching(sqlite_store, judge).round() == 0 and len(judge.bodies) == 2
    (found,) = sqlite_store.monitors.all()
    assert (found.graded, found.failed, found.problem) == (1, 1, None)
    sqlite_store.monitors.change(made.id, grader="gone")
    assert watching(sqlite_store).round() == 0
    (found,) = sqlite_store.monitors.all()
    assert "no grader 'gone'" in (found.problem or "")


def test_what_is_broken_off_is_graded_at_the_next_start(sqlite_store: Store) -> None:
    grading.add(sqlite_store, "nice", JUDGE)
    monitors.watch(sqlite_store, "nice")
    logged(sqlite_store, "x", created_at=time.time() + 1)
    with pytest.raises(Aborted):
        watching(sqlite_store, JudgeFake(Aborted())).round()
    assert scores(sqlite_store, "nice") == [None]
    assert watching(sqlite_store, JudgeFake('{"result": 3}')).round() == 1
    assert scores(sqlite_store, "nice") == [3]


def test_a_call_that_took_long_is_graded_when_it_arrives(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    grading.add(sqlite_store, "is_json", IS_JSON)
    made, now = monitors.watch(sqlite_store, "is_json"), time.time()
    sqlite_store.monitors.change(made.id, since=now - 5000)
    watch = watching(sqlite_store)
    assert watch.round() == 0
    assert sqlite_store.monitors.get(made.id).since == pytest.approx(now - monitors.LATE, abs=60)
    logged(sqlite_store, "{}", id="long", created_at=now - 600)
    logged(sqlite_store, "{}", id="short", created_at=now - 1)
    assert watch.round() == 1  # the newest come first
    monkeypatch.setattr(monitors, "LOOK_BACK", 0.0)
    assert (watch.round(), watch.round()) == (1, 0)
    logged(sqlite_store, "{}", id="imported", created_at=now - 4000)
    assert watch.round() == 0
