import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.graders import (
    METRICS,
    Chrf,
    ExactMatch,
    JsonFields,
    JsonMatch,
    LabelAccuracy,
    Metric,
    RougeL,
    pick,
)
from tuneloop.graders.labels import normal, per_class

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("grader", METRICS.values(), ids=lambda g: g.name)
@given(answer=json_values, reference=json_values)
def test_scores_lie_between_0_and_1_and_the_reference_itself_has_1(
    grader: Metric, answer: object, reference: object
) -> None:
    said, meant = json.dumps(answer), json.dumps(reference)
    assert 0 <= grader.grade(said, meant) <= 1
    assert grader.grade(meant, meant) == pytest.approx(1)
    if grader.binary:
        assert grader.grade(said, meant) in (0, 1)


@pytest.mark.parametrize("grader", METRICS.values(), ids=lambda g: g.name)
def test_an_empty_answer_is_worth_nothing(grader: Metric) -> None:
    assert grader.grade("", '{"a": 1}') == 0


def test_exact_match_minds_everything_but_the_space_around() -> None:
    assert ExactMatch().grade(" refund\n", "refund") == 1
    assert ExactMatch().grade("Refund", "refund") == 0


@pytest.mark.parametrize(
    "answer",
    ["card_arrival", "Card Arrival", '"card-arrival".', "**CARD_ARRIVAL**", " `card_arrival`\n", "card　arrival"],
)
def test_the_same_label_in_other_clothes(answer: str) -> None:
    assert LabelAccuracy().grade(answer, "card_arrival") == 1


@pytest.mark.parametrize(
    ("answer", "reference"),
    [("The label is card_arrival", "card_arrival"), ("-1", "1"), ("c++", "c"), ("?", "!"), ("1.5", "15"), ("", "x")],
)
def test_labels_that_differ(answer: str, reference: str) -> None:
    assert LabelAccuracy().grade(answer, reference) == 0


def test_precision_recall_and_f1_of_each_class() -> None:
    table = per_class(["Spam", "spam", "ham", "eggs"], ["spam", "ham", "ham", "spam"])
    assert list(table) == ["ham", "spam"]
    assert table["ham"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}
    assert table["spam"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}
    assert per_class(["eggs"], ["ham"])["ham"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ('{"b": [1, {"c": null}], "a": true}', 1),
        ('```json\n{"a": true, "b": [1.0, {"c": null}]}\n```', 1),
        ('{"a": 1, "b": [1, {"c": null}]}', 0),
        ('{"a": true, "b": [{"c": null}, 1]}', 0),
        ('{"a": true, "b": [1, {"c": null}]', 0),
        ('Sure! {"a": true, "b": [1, {"c": null}]}', 0),
        ("[" * 5000, 0),
    ],
)
def test_json_match(answer: str, score: int) -> None:
    assert JsonMatch().grade(answer, '{"a": true, "b": [1, {"c": null}]}') == score


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        ('{"queue": "cards", "priority": 2}', 1.0),
        ('{"queue": "cards", "priority": "2"}', 1 / 2),
        ('{"queue": "cards"}', 1 / 2),
        ('{"queue": "cards", "priority": 2, "made_up": 1}', 2 / 3),
        ("{}", 0.0),
        ("cards", 0.0),
    ],
)
def test_json_fields(answer: str, share: float) -> None:
    assert JsonFields().grade(answer, '{"queue": "cards", "priority": 2}') == pytest.approx(share)


@pytest.mark.parametrize("grader", [JsonMatch(), JsonFields()])
def test_a_reference_that_is_no_json_cannot_be_graded(grader: Metric) -> None:
    with pytest.raises(ValueError):
        grader.grade("{}", "I am sorry")


def test_chrf_is_sacrebleus() -> None:
    # What `sacrebleu REFERENCE -i ANSWER -m chrf --sentence-level -w 4` prints, divided by 100.
    assert Chrf().grade("the cat sat on a mat", "the cat sat on the mat") == pytest.approx(0.659797, abs=1e-6)


def test_rouge_l_by_hand() -> None:
    # Lin 2004, section 3: LCS("police killed the gunman", "police kill the gunman") = 3 words of 4.
    assert RougeL().grade("Police kill the gunman.", "police killed the gunman") == 0.75
    assert RougeL().grade("the gunman kill police", "police killed the gunman") == 0.5
    assert RougeL().grade("a b", "a b c d e f") == 0.5
    assert (RougeL().grade("!", "!"), RougeL().grade("!", "?")) == (1, 0)


@pytest.mark.parametrize(
    ("metric", "answer", "reference", "score"),
    [
        # `echo ANSWER | sacrebleu REFERENCE -m bleu --sentence-level -w 4`, divided by 100
        ("bleu", "the cat sat on a mat", "the cat sat on the mat", 0.537285),
        # a, b and "a b" of six n-grams each
        ("gleu", "a b c", "a b d", 3 / 6),
        ("gleu", "a b c", "a", 1 / 6),
        ("fuzzy_match", "this is a test", "this is a test!", 1 - 1 / 29),
        ("rouge_1", "a b c d", "A, b: d", 2 * 3 / 7),
        ("rouge_2", "a b c d", "a b d", 2 * 1 / 5),
        ("rouge_3", "a b c d", "x a b c", 2 * 1 / 4),
        ("rouge_5", "a b", "a b", 1),
        ("rouge_5", "a b", "a c", 0),
        # P = 1, R = 2/3, one chunk of two matches: F = 20/29, penalty 1/16
        ("meteor", "the cat", "the cat sat", 20 / 29 * 15 / 16),
        # three chunks of six matches
        ("meteor", "on the mat sat the cat", "the cat sat on the mat", 1 - 0.5 / 8),
        # equal stems
        ("meteor", "Cats, sitting!", "cat sits", 1),
        ("meteor", "dogs bark", "the cat sat", 0),
    ],
)
def test_metrics_by_hand(metric: str, answer: str, reference: str, score: float) -> None:
    assert METRICS[metric].grade(answer, reference) == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize(
    ("references", "primary"),
    [
        (['{"a": 1}', '{"b": 2}'], "json_match"),
        (['[{"name": "f"}]'] * 2, "json_match"),
        (['{"a": 1}'] * 39 + ["I am sorry"], "json_match"),
        (['{"a": 1}'] * 4 + ["I am sorry"], "label_accuracy"),
        (["refund", "card_arrival"] * 3, "label_accuracy"),
        (["1", "2", "1", "2"], "label_accuracy"),
        (
            ["refund"] * 39 + ["I am sorry, as a language model I cannot possibly tell which queue it is."],
            "label_accuracy",
        ),
        (["Paris", "Rome", "Oslo"], "chrf"),
        (["A long answer that is given to many customers, word for word, every day."] * 9, "chrf"),
        (["one\ntwo"] * 9, "chrf"),
        ([], "chrf"),
    ],
)
def test_the_graders_follow_from_the_references(references: list[str], primary: str) -> None:
    graders = pick(references)
    assert graders.primary.name == graders.all[0].name == primary
    assert len({g.name for g in graders.all}) == len(graders.all) > 1


def test_normal_is_idempotent_on_labels() -> None:
    for label in ["Card_Arrival", "-1", "c++", "out of scope", "ÄRGER", "🙂"]:
        assert normal(normal(label)) == normal(label)


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("select  Name\nfrom T where X = 'Ann';", "SELECT name FROM t WHERE x='Ann'", 1),
        ("SELECT name FROM t WHERE x = 'ann'", "SELECT name FROM t WHERE x = 'Ann'", 0),
        ('SELECT "Name" FROM t', 'SELECT "name" FROM t', 0),
        ("SELECT a FROM t WHERE b >= 1;", "SELECT a FROM t WHERE b > = 1;", 0),
        ("SELECT 'it''s; ok' FROM t", "select 'it''s; ok' from t ; ", 1),
        ("I cannot do that", "SELECT 1", 0),
    ],
)
def test_queries_are_compared_as_sql(answer: str, reference: str, score: float) -> None:
    assert METRICS["sql_match"].grade(answer, reference) == score


def test_queries_are_graded_as_sql() -> None:
    assert pick([f"SELECT a FROM t WHERE b = {n};" for n in range(20)]).primary.name == "sql_match"
    assert pick([f"With rain number {n} comes the sea." for n in range(9)] + ["Hello."]).primary.name == "chrf"
