"""Graders of our own kinds: what they give, what they refuse, how they fail, and that nothing makes them hang."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneloop.errors import EngineError, InvalidInput
from tuneloop.graders import Graded, Grader, calibration, read, sample_of_text
from tuneloop.testing import JudgeFake, PeopleFake
from tuneloop.types import Json

SETUP = "CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'x');"
EMPTY = "CREATE TABLE t (a, b); CREATE TABLE s (id INTEGER PRIMARY KEY, name TEXT NOT NULL);"
SCHEMA = {"type": "object", "required": ["queue"], "properties": {"queue": {"type": "string"}}}
JUDGED: dict[str, Json] = {"name": "j", "model": "m", "input": [{"role": "user", "content": "{{sample.output_text}}"}]}


def grader(kind: str, **more: Json) -> Grader:
    means = {name: more.pop(name) for name in ("ask", "people", "cache") if name in more}
    return read({"type": kind, "name": kind, **more}, **means)


def grade(made: Grader, answer: str, **item: Json) -> Graded:
    graded = made.grade(item, sample_of_text(answer))
    assert 0 <= graded.reward <= 1 and (not made.binary or graded.reward in (0, 1))
    return graded


def why(graded: Graded) -> str:
    """What the failure says; "" without one."""
    return "; ".join(failure.details for failure in graded.failures)


@pytest.mark.parametrize(
    ("more", "answer", "reward"),
    [
        ({}, '{"a": 1}', 1),
        ({}, '```json\n{"a": 1}\n```', 1),
        ({}, '{"a": 1', 0),
        ({}, "", 0),
        ({"schema": SCHEMA}, '{"queue": "x"}', 1),
        ({"schema": SCHEMA}, '{"queue": 1}', 0),
        ({"schema": SCHEMA}, "queue", 0),
        ({"schema": "{{item.schema}}"}, '{"queue": "x"}', 1),
        (
            {"schema": {"patternProperties": {"^a": {"type": "string"}}, "additionalProperties": False}},
            '{"ab": "x"}',
            1,
        ),
        ({"schema": {"patternProperties": {"^a": {"type": "string"}}, "additionalProperties": False}}, '{"b": "x"}', 0),
        ({"schema": {"patternProperties": {"^a": {"type": "string"}}}}, '{"ab": 1}', 0),
        ({"schema": {"properties": {"a": {}}, "additionalProperties": {"type": "null"}}}, '{"a": 1, "b": null}', 1),
        ({"schema": {"properties": {"a": {}}, "additionalProperties": {"type": "null"}}}, '{"a": 1, "b": 1}', 0),
        ({"mode": "exact"}, '{"b": {"c": [1, 2]}, "a": 1.0}', 1),
        ({"mode": "exact"}, '{"a": 1, "b": {"c": [2, 1]}}', 0),
        ({"mode": "exact"}, "no", 0),
        ({"reference": "{{item.reference}}"}, '{"a": 1, "b": {"c": [1, 3]}, "x": 0}', 0.5),
    ],
)
def test_json(more: dict[str, Json], answer: str, reward: float) -> None:
    made = grader("json", **more)
    graded = grade(made, answer, schema=SCHEMA, reference={"a": 1, "b": {"c": [1, 2]}})
    assert (graded.reward, graded.failed) == (reward, False)
    assert made.binary == ("reference" not in more)


def test_json_tells_each_field() -> None:
    graded = grade(grader("json", mode="fields"), '{"a": 1, "c": [2]}', reference='{"a": 1, "b": {"x y": 2}, "c": [1]}')
    assert graded.sub_rewards == {"a": 1, "b.x y": 0, "c[0]": 0}
    assert graded.reward == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("more", "item", "words"),
    [
        ({"mode": "exact"}, {"reference": "oops"}, "the reference is not JSON"),
        ({"mode": "fields"}, {}, "there is no 'item.reference'"),
        ({"schema": "{{item.schema}}"}, {"schema": "oops"}, "the schema is none"),
        ({"schema": "{{item.schema}}"}, {"schema": [1]}, "neither an object nor true or false"),
        ({"schema": "{{item.schema}}"}, {"schema": {"type": "thing"}}, "the schema is none"),
        ({"schema": {"$ref": "http://127.0.0.1:1/other"}}, {}, "cannot be followed"),
        ({"schema": {"$ref": "#"}}, {}, "cannot be followed"),
        ({"schema": {"propertyNames": {"pattern": "((a{1000}){1000}){1000}"}}}, {}, "is no pattern"),
    ],
)
def test_json_that_cannot_be_graded_is_a_failure(more: dict[str, Json], item: dict[str, Json], words: str) -> None:
    graded = grade(grader("json", **more), '{"a": 1}', **item)
    assert graded.reward == 0 and words in why(graded)


@pytest.mark.parametrize("schema", [{"pattern": "(a|aa)+$"}, {"patternProperties": {"(a|aa)+$": {}}}])
def test_a_schema_does_not_hang(schema: Json) -> None:
    started = time.monotonic()
    text = "a" * 60 + "b"
    graded = grade(grader("json", schema=schema), orjson.dumps(text if "pattern" in schema else {text: 1}).decode())
    assert "timeout" in why(graded) and time.monotonic() - started < 10


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=8,
    ),
    st.text(max_size=20),
)
def test_json_never_fails_for_an_answer(reference: Json, noise: str) -> None:
    written = orjson.dumps(reference).decode()
    for mode in ("exact", "fields"):
        made = grader("json", mode=mode)
        assert grade(made, written, reference=written).reward == 1
        assert not grade(made, noise, reference=written).failed
    assert grade(grader("json"), written).reward == 1


@pytest.mark.parametrize(
    ("answer", "reward"), [("card_arrival", 1), ('"Card Arrival."', 1), ("card", 0), ("card arrival, I think", 0)]
)
def test_label(answer: str, reward: float) -> None:
    made = grader("label", labels=["Card arrival", "Lost card"])
    graded = grade(made, answer, reference="Card arrival")
    assert graded.reward == reward and made.binary
    assert ("none of the labels" in graded.notes.get("why", "")) == (reward == 0)
    assert "none of the labels" in why(grade(made, answer, reference="Weather"))


@pytest.mark.parametrize(
    ("more", "answer", "reward"),
    [
        ({"pattern": r"\d{3}"}, "12 345", 1),
        ({"pattern": r"\d{3}", "mode": "match"}, "12 345", 0),
        ({"pattern": r"\d{3}", "mode": "full"}, "345", 1),
        ({"pattern": r"\d{3}", "negate": True}, "12 345", 0),
        ({"pattern": r"(?i)sorry", "negate": True}, "I am SORRY", 0),
        ({"pattern": "^{{item.start}}"}, "Dear Anna", 1),
        ({"pattern": "x", "input": "{{item.start}}"}, "x", 0),
    ],
)
def test_regex(more: dict[str, Json], answer: str, reward: float) -> None:
    made = grader("regex", **more)
    assert grade(made, answer, start="Dear").reward == reward and made.binary


@pytest.mark.parametrize("pattern", [r"(a|aa)+$", r"(?:a|a?)+$", r"(a*a*a*a*a*a*)*$"])
def test_a_catastrophic_pattern_ends(pattern: str) -> None:
    started = time.monotonic()
    graded = grade(grader("regex", pattern=pattern, mode="full"), "a" * 60 + "b")
    assert time.monotonic() - started < 10
    assert not graded.failed or "timeout" in why(graded)


def test_a_row_with_no_pattern_is_a_failure() -> None:
    graded = grade(grader("regex", pattern="{{item.pattern}}"), "x", pattern="(")
    assert "is no pattern" in why(graded)


@settings(max_examples=80, deadline=None)
@given(st.text(alphabet="ab(){}[]*+?|^$\\.0,19", max_size=12), st.text(alphabet="ab01", max_size=12))
def test_any_pattern_is_refused_or_works(pattern: str, text: str) -> None:
    try:
        made = grader("regex", pattern=pattern)
    except InvalidInput as error:
        assert error.param == "grader.pattern"
    else:
        assert not grade(made, text).failed


@pytest.mark.parametrize(
    ("answer", "reference", "reward"),
    [
        ("SELECT a FROM t WHERE b = 'x' ORDER BY a DESC", "SELECT a FROM t WHERE b = 'x'", 1),
        ("SELECT a FROM t;", "SELECT a FROM t WHERE b = 'x'", 0),
        ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a DESC", 0),
        ("SELECT a FROM t", "SELECT a FROM (SELECT a FROM t ORDER BY a DESC) -- ORDER BY", 1),
        ("SELECT a FROM t", "SELECT a, ' order by ' FROM t", 0),
        ("SELECT total(a) FROM t", "SELECT sum(a) FROM t", 1),
        ("```sql\nSELECT a FROM t\n```", "SELECT a FROM t", 1),
        ("SELECT a, b FROM t", "SELECT b, a FROM t", 0),
        ("SELECT a FROM t UNION ALL SELECT a FROM t", "SELECT a FROM t", 0),
        ("SELECT 1; SELECT 2", "SELECT a FROM t", 0),
        ("", "SELECT a FROM t", 0),
        ("DROP TABLE t", "SELECT a FROM t", 0),
        ("INSERT INTO t VALUES (1, 'z')", "SELECT a FROM t", 0),
        ("PRAGMA user_version", "SELECT a FROM t", 0),
        ("ATTACH 'x.db' AS x", "SELECT a FROM t", 0),
        ("VACUUM INTO 'x.db'", "SELECT a FROM t", 0),
        ("SELECT load_extension('x')", "SELECT a FROM t", 0),
        ("SELECT '\ud800'", "SELECT a FROM t", 0),
        ("SELECT 1 \0", "SELECT a FROM t", 0),
    ],
)
def test_sql_gives_the_rows_of_the_reference(answer: str, reference: str, reward: float) -> None:
    graded = grade(grader("sql", setup=SETUP, mode="equal"), answer, reference=reference)
    assert (graded.reward, graded.failed) == (reward, False)
    assert ("why" in graded.notes) == (reward == 0)


@pytest.mark.parametrize(
    ("answer", "reward"),
    [
        ("SELECT a FROM t WHERE b = 'X' AND a > 3", 1),
        ("SELECT t.a FROM t WHERE 3 < t.a AND t.b = 'X'", 1),
        ("SELECT a FROM t WHERE b = 'X' AND a >= 3", 0),
        ("SELECT a FROM t WHERE b = 'X'", 0),
        ("SELECT DISTINCT a FROM t WHERE b = 'X' AND a > 3", 0),
    ],
)
def test_sql_fills_a_database_without_rows(answer: str, reward: float) -> None:
    made = grader("sql", setup=EMPTY, mode="equal")
    for _ in range(2):
        assert grade(made, answer, reference="SELECT a FROM t WHERE b = 'X' AND a > 3").reward == reward
    joined = "SELECT t.a FROM t JOIN s ON s.id = t.a WHERE s.name = 'Z'"
    assert grade(made, joined, reference="SELECT a FROM t, s WHERE s.id = a AND name = 'Z'").reward == 1


@pytest.mark.parametrize(
    ("answer", "reward"), [("SELECT a FROM t", 1), ("SELECT c FROM t", 0), ("SELEC", 0), (";", 0), ("BEGIN", 0)]
)
def test_sql_prepares(answer: str, reward: float) -> None:
    assert grade(grader("sql", setup="{{item.setup}}"), answer, setup=EMPTY).reward == reward


@pytest.mark.parametrize(
    ("setup", "reference", "words"),
    [
        ("CREATE TABL", "SELECT 1", "the setup fails"),
        ("ATTACH 'x.db' AS x", "SELECT 1", "the setup fails"),
        (SETUP, "SELECT nothing", "the reference fails"),
        (SETUP, "SELECT a FROM t WHERE a = 99", "finds nothing"),
    ],
)
def test_sql_that_cannot_be_graded_is_a_failure(setup: str, reference: str, words: str) -> None:
    graded = grade(grader("sql", setup=setup, mode="equal"), "SELECT a FROM t WHERE a > 98", reference=reference)
    assert words in why(graded)


@pytest.mark.parametrize(
    "query",
    [
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c",
        "WITH RECURSIVE c(x) AS (SELECT hex(zeroblob(400000)) UNION ALL SELECT x FROM c) SELECT x FROM c",
        "SELECT zeroblob(1000000000)",
    ],
)
def test_sql_has_limits(query: str) -> None:
    started = time.monotonic()
    graded = grade(grader("sql", setup=SETUP, mode="equal"), query, reference="SELECT a FROM t")
    assert graded.reward == 0 and graded.notes["why"] and time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("said", "reward", "bias"),
    [
        (("A", "B"), 1, False),
        (("B", "A"), 0, False),
        (("A", "A"), 0.5, True),
        (("tie", "tie"), 0.5, False),
        (("A", "tie"), 0.5, False),
    ],
)
def test_pairwise_asks_in_both_orders(said: tuple[str, str], reward: float, bias: bool) -> None:
    judge = JudgeFake(*(orjson.dumps({"result": label}).decode() for label in said))
    made = grader("pairwise", model="m", ask=judge)
    graded = grade(made, "mine", input="which?", other="theirs")
    assert (graded.reward, graded.notes["position_bias"], graded.failed) == (reward, bias, False)
    first, second = (body["messages"][-1]["content"] for body in judge.bodies)
    assert first.index("mine") < first.index("theirs") and second.index("theirs") < second.index("mine")
    assert graded.usage["m"].invocation_count == 2 and not made.binary


def test_pairwise_does_not_ask_about_the_same_text() -> None:
    judge = JudgeFake('{"result": "A"}')
    assert grade(grader("pairwise", model="m", ask=judge), "same", input="", other="same").reward == 0.5
    assert judge.bodies == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (("potato",), "potato"),
        (("A", "{}"), "none of the labels"),
        ((EngineError("timed out"),), "timed out"),
    ],
)
def test_a_judge_that_talks_nonsense_or_is_silent_is_a_failure(said: tuple[Any, ...], words: str) -> None:
    graded = grade(grader("pairwise", model="m", ask=JudgeFake(*said)), "mine", input="q", other="theirs")
    assert graded.reward == 0 and words in why(graded)
    assert "'item.other'" in why(grade(grader("pairwise", model="m", ask=JudgeFake(*said)), "mine", input="q"))


def test_score_model_counts_from_the_other_end_when_swapped() -> None:
    judge = JudgeFake('{"result": 5}', '{"result": 2}')
    graded = read({**JUDGED, "type": "score_model", "range": [1, 5], "swap": True}, ask=judge).grade(
        {"other": "theirs"}, sample_of_text("mine")
    )
    assert (graded.reward, graded.notes) == (4.5, {"orders": [5.0, 4.0], "position_bias": False})
    assert [body["messages"][0]["content"].split("\n")[0] for body in judge.bodies] == ["mine", "theirs"]


def test_label_model_mirrors_its_labels_when_swapped() -> None:
    swapped = {**JUDGED, "type": "label_model", "labels": ["first", "second", "none"], "passing_labels": ["first"]}
    swapped |= {"swap": {"first": "second", "second": "first"}}
    for labels, reward in ((("first", "second"), 1), (("first", "first"), 0.5), (("none", "none"), 0)):
        judge = JudgeFake(*(orjson.dumps({"result": label}).decode() for label in labels))
        made = read(swapped, ask=judge)
        assert made.grade({"other": "theirs"}, sample_of_text("mine")).reward == reward and not made.binary


def test_human_waits_for_people() -> None:
    silent, kind = PeopleFake(), PeopleFake(1.0)
    waiting = grade(grader("human", people=silent), "hello", id="log_1", input="hi")
    assert why(waiting).startswith("pending") and waiting.reward == 0
    (question,) = silent.questions
    assert (question.shown, question.subject, question.labels) == (["hi", "hello"], "log_1", ["good", "bad"])
    assert grade(grader("human", people=kind), "hello").reward == 1
    assert kind.questions[0].shown == ["hello"]
    assert why(grade(grader("human"), "hello")).startswith("pending")


def test_what_people_may_say() -> None:
    people = PeopleFake()
    grade(grader("human", people=people, labels=["a", "b"], passing_labels=["b"]), "x")
    grade(grader("human", people=people, range=[1, 5]), "x")
    labels, scale = people.questions
    assert (labels.value("a"), labels.value("b"), scale.value(3)) == (0, 1, 3)
    for question, said in ((labels, "c"), (labels, 1), (scale, 9), (scale, "3"), (scale, True), (scale, None)):
        with pytest.raises(InvalidInput):
            question.value(said)


@pytest.mark.parametrize(
    ("kind", "more", "param"),
    [
        ("json", {"mode": "like"}, "mode"),
        ("json", {"mode": "schema"}, "schema"),
        ("json", {"schema": {"type": "thing"}}, "schema"),
        ("json", {"schema": {"patternProperties": {"a": {}}, "unevaluatedProperties": False}}, "schema"),
        ("json", {"input": 5}, "input"),
        ("json", {"mode": "exact", "reference": "{{x}}"}, "reference"),
        ("label", {"labels": []}, "labels"),
        ("label", {"labels": ["a", "A"]}, "labels"),
        ("regex", {}, "pattern"),
        ("regex", {"pattern": "("}, "pattern"),
        ("regex", {"pattern": "?{{"}, "pattern"),
        ("regex", {"pattern": "x" * 3000}, "pattern"),
        ("regex", {"pattern": "((a{1000}){1000}){1000}"}, "pattern"),
        ("regex", {"pattern": "a", "mode": "find"}, "mode"),
        ("regex", {"pattern": "a", "negate": "yes"}, "negate"),
        ("sql", {"mode": "same"}, "mode"),
        ("sql", {"setup": 1}, "setup"),
        ("pairwise", {}, "model"),
        ("pairwise", {"model": "m", "input": "x"}, "input"),
        ("human", {"labels": ["a"]}, "passing_labels"),
        ("human", {"range": [1, 1]}, "range"),
        ("human", {"question": "{{x}}"}, "question"),
        ("regex", {"pattern": "a", "calibration": []}, "calibration"),
        ("regex", {"pattern": "a", "calibration": {"judge": [0]}}, "calibration.people"),
        ("regex", {"pattern": "a", "calibration": {"judge": [0], "people": [0]}}, "calibration.judge"),
        ("regex", {"pattern": "a", "calibration": {"judge": [1, 0], "people": [0, 1]}}, "calibration.judge"),
    ],
)
def test_what_is_wrong_is_named(kind: str, more: dict[str, Json], param: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        grader(kind, **more)
    assert refused.value.param == f"grader.{param}"


@pytest.mark.parametrize("rows", [30, 200])
def test_a_calibration_brings_a_judge_onto_peoples_scale(rows: int) -> None:
    judge = [1 + 4 * index / rows for index in range(rows)]
    people = [float(score > 3) for score in judge]
    fitted = calibration.fit(judge, people)
    assert fitted["rows"] == rows and fitted["people"] == sorted(fitted["people"])
    low, high = (calibration.between(score, fitted["judge"], fitted["people"]) for score in (1.2, 4.8))
    assert 0 <= low < 0.3 and 0.7 < high <= 1
    asked = JudgeFake('{"result": 4.8}')
    graded = read({**JUDGED, "type": "score_model", "range": [1, 5], "calibration": fitted}, ask=asked).grade(
        {}, sample_of_text("x")
    )
    assert graded.reward == pytest.approx(high) and graded.notes["uncalibrated"] == 4.8


@pytest.mark.parametrize(
    ("judge", "people", "words"),
    [
        ([1.0] * 5, [1.0] * 5, "needs 20"),
        ([1.0] * 40, [0.0, 1.0] * 20, "the judge gave all 40 answers the same score"),
        ([0.0, 1.0] * 20, [1.0] * 40, "people gave all 40"),
        ([0.0, 1.0] * 20, [1.0, 0.0] * 20, "more than by chance"),
        ([0.0, 1.0] * 100, [1.0, 0.0] * 100, "more than by chance"),
    ],
)
def test_what_nothing_can_be_learnt_from_is_refused(judge: list[float], people: list[float], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        calibration.fit(judge, people)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 4)), min_size=20, max_size=150))
def test_a_calibration_never_falls_and_stays_on_the_scale(pairs: list[tuple[int, int]]) -> None:
    judge, people = [float(one) for one, _ in pairs], [float(other) for _, other in pairs]
    try:
        fitted = calibration.fit(judge, people)
    except InvalidInput:
        return
    mapped = [calibration.between(score / 2, fitted["judge"], fitted["people"]) for score in range(-2, 24)]
    assert mapped == sorted(mapped) and min(people) - 1e-9 <= mapped[0] and mapped[-1] <= max(people) + 1e-9
    read({**JUDGED, "type": "score_model", "calibration": fitted})
