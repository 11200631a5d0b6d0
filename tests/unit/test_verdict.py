from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.sample_report import sample_report
from tuneloop import statistics
from tuneloop.evaluations.verdict import judge

Score = float | None


def made(
    arms: Mapping[str, Sequence[Score]],
    *,
    margin: float = 0.05,
    binary: bool = True,
    references: Sequence[str] = (),
    metadata: Sequence[Mapping[str, Any]] = (),
    **head: Any,
) -> dict[str, Any]:
    """A report before it is judged; the first arm is the baseline, the last the candidate."""
    names, rows = list(arms), len(next(iter(arms.values())))
    return {
        "rows": rows,
        "primary": "quality",
        "graders": [{"name": "quality", "type": "python", "binary": binary}, {"name": "other", "binary": False}],
        "baseline": names[0],
        "candidate": names[-1],
        "margin": margin,
        "level": 0.95,
        "arms": [{"name": name, "model": name, "kind": "prompted", "errors": 0, "timeouts": 0} for name in names],
        "skipped": [],
        "results": [
            {
                "id": str(row),
                "reference": references[row] if references else "",
                "metadata": metadata[row] if metadata else {},
                "answers": {
                    name: {"text": "", "error": None, "scores": {"quality": arms[name][row]}} for name in names
                },
            }
            for row in range(rows)
        ],
        **head,
    }


def verdict(*args: Any, **options: Any) -> dict[str, Any]:
    return dict(judge(made(*args, **options))["verdict"])


def right(share: float, rows: int = 100) -> list[float]:
    """The first `share` of the rows right."""
    return [1.0] * round(share * rows) + [0.0] * (rows - round(share * rows))


def test_a_gain_is_a_yes_that_says_how_much_and_how_sure() -> None:
    found = verdict({"prompted": right(0.12), "tuned": right(0.74)})
    assert (found["answer"], found["non_inferior"], found["superior"]) == ("yes", True, True)
    assert re.fullmatch(
        r"Yes: tuned may take over from prompted\. It answers 74 % of 100 unseen calls right, prompted 12 %: "
        r"\+62 points \(95 % interval 5\d to 7\d\)\.",
        found["sentence"],
    )
    assert found["reasons"] == [f"The gain is more than chance: {_interval(found['sentence'])}, p below 0.0001."]
    assert (found["rows_needed"], found["margin"]) == (None, 0.05)


def _interval(sentence: str) -> str:
    return str(re.findall(r"\((95 % interval [^)]*)\)", sentence)[0])


def test_speed_and_cost_are_said_where_they_are_known() -> None:
    report = made({"prompted": right(0.5), "tuned": right(0.9)})
    for arm, milliseconds, dollars in zip(report["arms"], (640.0, 88.0), (0.0654, 0.0021), strict=True):
        arm |= {"latency_ms": {"p50": milliseconds, "p95": None}, "cost_per_1000": dollars}
    assert judge(report)["verdict"]["sentence"].endswith(
        "), in 88 ms instead of 640, for $0.0021 per 1,000 calls instead of $0.0654."
    )


def test_equal_arms_are_a_yes_within_a_margin_and_say_what_may_still_be_lost() -> None:
    found = verdict({"logged": right(0.8, 400), "tuned": right(0.8, 400)}, margin=0.02)
    assert (found["answer"], found["non_inferior"], found["superior"]) == ("yes", True, False)
    assert found["sentence"].endswith("It may still lose up to 0.9 points: less than the 2.0 points that you accept.")
    assert found["reasons"][0].startswith("Chance may explain the difference: 95 % interval -0.9 to 0.9, p = 1.")


def test_equal_arms_on_few_rows_need_more() -> None:
    found = verdict({"logged": right(0.8, 40), "tuned": right(0.8, 40)})
    assert (found["answer"], found["non_inferior"]) == ("needs_more", False)
    assert 33 <= found["rows_needed"] <= 40
    assert found["sentence"].startswith("Not yet: 40 rows cannot tell whether tuned may take over from logged. ")
    assert found["sentence"].endswith(
        f"If it is as it seems, about {found['rows_needed']} rows more would likely show it."
    )
    assert found["reasons"][1] == "The interval still allows a loss of 9 points; you accept up to 5 points."


def test_a_proven_loss_is_a_no_and_a_small_one_is_not_if_it_is_accepted() -> None:
    arms = {"logged": right(0.9), "tuned": right(0.6)}
    found = verdict(arms)
    assert found["answer"] == "no" and found["sentence"].endswith("It loses more than the 5 points that you accept.")
    assert found["sentence"].startswith("No: tuned should not take over from logged. It answers 60 % of 100")
    assert found["reasons"][0].startswith("The loss is more than chance")
    assert verdict(arms, margin=0.5)["answer"] == "yes"
    assert verdict(arms, margin=0.0)["sentence"].endswith("the loss that you accept, which is none.")


def test_a_loss_of_about_the_margin_is_beyond_any_number_of_rows() -> None:
    found = verdict({"logged": right(0.9), "tuned": right(0.8)}, margin=0.1)
    assert (found["answer"], found["rows_needed"]) == ("needs_more", None)
    assert found["sentence"].endswith("more rows would hardly make it a yes.")


def test_graded_scores_are_judged_by_their_mean() -> None:
    rng = np.random.default_rng(0)
    before = rng.uniform(0.3, 0.6, 150).tolist()
    after = [score + gain for score, gain in zip(before, rng.uniform(-0.1, 0.3, 150), strict=True)]
    report = judge(made({"prompted": before, "tuned": after}, binary=False, margin=0.02))
    found, difference = report["verdict"], report["arms"][1]["difference"]
    assert found["answer"] == "yes"
    assert re.search(r"It scores 0\.5\d\d \(quality\) on 150 unseen calls, prompted 0\.4\d\d: \+0\.", found["sentence"])
    assert difference["test"] == "sign_flip"
    assert difference["low"] == statistics.bootstrap(before, after).low
    assert report["arms"][0]["interval"]["low"] < sum(before) / 150 < report["arms"][0]["interval"]["high"]


def test_intervals_and_differences_are_filled_in_and_p_values_corrected() -> None:
    arms = {"logged": right(0.5), "a": right(0.6), "b": right(0.7), "tuned": right(0.58)}
    report = made(arms)
    before = copy.deepcopy(report)
    judged = judge(report)
    assert report == before, "the given report is left as it is"
    assert judged["arms"][0]["difference"] is None
    assert judged["arms"][0]["interval"] == pytest.approx({"low": 0.4038, "high": 0.5962}, abs=1e-4)
    found = [arm["difference"] for arm in judged["arms"][1:]]
    assert [d["p_adjusted"] for d in found] == statistics.holm([d["p_value"] for d in found])
    assert [(d["better"], d["worse"], d["rows"], d["test"]) for d in found][0] == (10, 0, 100, "mcnemar")
    assert json.loads(json.dumps(judged)) == judged


def test_a_better_alternative_is_named_and_that_there_were_many() -> None:
    reasons = verdict({"logged": right(0.3), "5 examples": right(0.9), "big": right(0.5), "tuned": right(0.8)})[
        "reasons"
    ]
    assert any(one.startswith("5 examples scores higher than tuned: +10 points (95 % interval ") for one in reasons)
    assert any(one.startswith("3 arms were compared with logged") for one in reasons)


def test_a_gain_among_many_arms_may_be_chance() -> None:
    # One arm of six with p = 0.04 is no surprise.
    arms = {"logged": right(0.5), **{str(n): right(0.5) for n in range(4)}, "tuned": right(0.56)}
    found = judge(made(arms))
    difference = found["arms"][-1]["difference"]
    assert difference["p_value"] < 0.05 < difference["p_adjusted"]
    assert found["verdict"]["answer"] == "yes" and not found["verdict"]["superior"]


LANGUAGES = [{"language": "de" if row % 5 == 0 else "en", "ticket": row} for row in range(200)]


def test_a_loss_in_a_small_group_is_not_hidden_by_the_mean() -> None:
    before = [float(row % 2 == 0 or row % 5 == 0) for row in range(200)]
    after = [float(row % 5 != 0) for row in range(200)]
    report = judge(made({"logged": before, "tuned": after}, metadata=LANGUAGES))
    german, english = report["segments"]
    assert (german["by"], german["value"], german["rows"], german["flag"]) == ("metadata.language", "de", 40, "worse")
    assert german["means"] == {"logged": 1.0, "tuned": 0.0} and german["difference"]["high"] < -0.7
    assert english["flag"] == "better" and english["difference"]["level"] == 0.975
    found = report["verdict"]
    assert (found["answer"], found["superior"], found["non_inferior"]) == ("no", True, True)
    assert "But where language is de it is worse: -100.0 points on 40 rows (97.5 % interval -1" in found["sentence"]
    assert any(reason.startswith("Where language is de it is worse: -100.0 points") for reason in found["reasons"])


def test_a_striking_loss_on_a_handful_of_rows_is_told_but_decides_nothing() -> None:
    before, after = right(0.5, 200), right(0.95, 200)
    groups = [{"tier": "gold" if row in (0, 1, 2, 190, 191) else "free"} for row in range(200)]
    after[0] = after[1] = 0.0
    report = judge(made({"logged": before, "tuned": after}, metadata=groups))
    assert [one["flag"] for one in report["segments"]] == ["better", None]
    assert report["verdict"]["answer"] == "yes"
    assert any(
        "Where tier is gold it may be worse, too few rows to be sure: -40.0 points on 5 rows" in reason
        for reason in report["verdict"]["reasons"]
    )


def test_a_label_that_was_given_to_everything_is_not_lost() -> None:
    references = ["allowed"] * 100 + ["blocked"] * 100
    before = right(0.5, 200)
    after = [float(row % 5 != 0) for row in range(200)]
    report = made({"prompted": before, "tuned": after}, references=references)
    report["arms"][0]["classes"] = {"allowed": {"f1": 0.667}, "blocked": {"f1": 0.0}}
    report["arms"][1]["classes"] = {"allowed": {"f1": 0.8}, "blocked": {"f1": 0.8}}
    judged = judge(report)
    assert [(one["by"], one["value"], one["flag"]) for one in judged["segments"]] == [
        ("label", "allowed", "worse"),
        ("label", "blocked", "better"),
    ]
    assert judged["verdict"]["answer"] == "yes"
    assert any("its F1 did not fall" in reason for reason in judged["verdict"]["reasons"])
    report["arms"][1]["classes"]["allowed"]["f1"] = 0.6
    found = judge(report)["verdict"]
    assert found["answer"] == "no" and "But where label is allowed it is worse" in found["sentence"]
    assert not any("its F1 did not fall" in reason for reason in found["reasons"])


def test_groups_are_labels_and_keys_with_few_values() -> None:
    metadata = [
        {
            "id": str(row),
            "one": "same",
            "flag": row % 2 == 0,
            "rare": "x" if row < 3 else "y",
            "list": [row],
            "n": row % 3,
        }
        for row in range(60)
    ]
    report = judge(made({"a": right(0.5, 60), "b": right(0.5, 60)}, metadata=metadata, references=["q"] * 60))
    found = {(one["by"], one["value"]) for one in report["segments"]}
    assert found == {
        ("metadata.flag", "True"),
        ("metadata.flag", "False"),
        ("metadata.rare", "y"),
        ("metadata.n", "0"),
        ("metadata.n", "1"),
        ("metadata.n", "2"),
    }


def test_failed_calls_refuse_the_candidate() -> None:
    report = made({"logged": right(0.2), "tuned": right(0.9)})
    for row in report["results"][90:]:
        row["answers"]["tuned"] |= {"error": "timeout", "scores": {"quality": None}}
    report["arms"][1] |= {"errors": 10, "timeouts": 10}
    found = judge(report)["verdict"]
    assert found["answer"] == "no"
    assert found["sentence"].endswith("10 of 100 calls to tuned failed (10 without an answer in time).")
    assert "10 of 100 calls to tuned failed (10 without an answer in time)." in found["reasons"]


def test_a_few_failed_calls_count_as_wrong_and_are_named() -> None:
    report = made({"logged": right(0.2), "tuned": right(0.9)})
    report["results"][0]["answers"]["tuned"] |= {"error": "500", "scores": {"quality": None}}
    del report["arms"][1]["errors"]
    judged = judge(report)
    assert judged["arms"][1]["difference"]["rows"] == 100 and judged["arms"][1]["difference"]["mean"] == 0.69
    assert judged["verdict"]["answer"] == "yes"
    assert "1 of 100 calls to tuned failed." in judged["verdict"]["reasons"]


def test_a_baseline_that_failed_is_no_gain_of_the_candidate() -> None:
    report = made({"logged": right(0.2), "tuned": right(0.9)})
    report["arms"][0]["errors"] = 30
    found = judge(report)["verdict"]
    assert found["answer"] is None
    assert found["sentence"].startswith(
        "No verdict: 30 of 100 calls to logged failed, so what answers today is not known"
    )


def test_a_grader_that_fails_often_decides_nothing_and_seldom_is_named() -> None:
    often: list[Score] = [None] * 10 + right(0.9, 90)
    found = verdict({"logged": right(0.2), "tuned": often})
    assert found["answer"] is None
    assert found["sentence"].startswith("No verdict: 10 rows of 100 could not be graded; repair the grader")
    assert "10 answers of tuned could not be graded and were left out." in found["reasons"]
    seldom: list[Score] = [None, *right(0.9, 99)]
    found = verdict({"logged": right(0.2), "tuned": seldom})
    assert found["answer"] == "yes" and "of 99 unseen calls" in found["sentence"]
    assert "1 answer of tuned could not be graded and was left out." in found["reasons"]


def test_malformed_rows_are_named() -> None:
    found = verdict({"a": right(0.2), "b": right(0.9)}, skipped=[{"id": "x", "reason": "empty"}])
    assert "1 malformed row was left out for every arm." in found["reasons"]


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({}, "no two arms"),
        (made({"only": right(0.5)}), "no two arms"),
        (made({"a": right(0.5), "b": right(0.6)}, candidate=None), "no two arms"),
        (made({"a": right(0.5), "b": right(0.6)}, candidate="c"), "no two arms"),
        (made({"a": [None] * 20, "b": right(0.6, 20)}), "no row could be graded for both arms"),
        (made({"a": right(0.5), "b": right(0.6)}, results=None), "no row could be graded for both arms"),
    ],
)
def test_without_two_arms_there_is_no_verdict(report: dict[str, Any], said: str) -> None:
    found = judge(report)["verdict"]
    assert found["answer"] is None and found["sentence"].startswith("No verdict: ") and said in found["sentence"]
    assert (found["non_inferior"], found["superior"], found["rows_needed"]) == (False, False, None)


def test_the_candidate_that_is_judged_is_the_one_named() -> None:
    report = sample_report(120)
    assert (
        "Yes: tuned may take over from 5 examples."
        in judge({**report, "baseline": "5 examples", "candidate": "tuned"})["verdict"]["sentence"]
    )


def test_a_wrong_yes_is_as_rare_as_stated() -> None:
    """The candidate loses exactly the margin on average; 400 experiments, at most 2.5 % of them may say yes."""
    rng = np.random.default_rng(7)
    answers = []
    for _ in range(400):
        chance = rng.random(60)
        before = [float(c < 0.9) for c in chance]
        after = [float(c < 0.75 or c > 0.95) for c in chance]
        answers.append(verdict({"logged": before, "tuned": after}, margin=0.1)["answer"])
    # Binomial(400, 0.025) is above 19 once in 200 times; the seed is fixed.
    assert answers.count("yes") <= 19


scores = st.one_of(st.none(), st.sampled_from([0.0, 1.0]), st.floats(), st.booleans(), st.text(max_size=2))
words = st.one_of(st.none(), st.text(max_size=3), st.integers(), st.booleans())
answer = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"scores": st.dictionaries(st.sampled_from(["quality", "x"]), scores)}, optional={"error": words}
    ),
)
result = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "reference": words,
            "metadata": st.one_of(st.none(), st.dictionaries(st.sampled_from(["a", "b"]), words)),
            "answers": st.dictionaries(st.sampled_from(["a", "b", "c"]), answer),
        },
    ),
)
arm: st.SearchStrategy[dict[str, Any] | None] = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.sampled_from(["a", "b", "c", None, 3]),
            "errors": st.one_of(st.none(), st.integers(0, 5)),
            "timeouts": st.one_of(st.none(), st.integers(0, 5)),
            "classes": st.one_of(st.none(), st.just({"x": {"f1": 0.5}}), st.just([])),
            "latency_ms": st.one_of(st.none(), st.just({"p50": 3.0})),
            "cost_per_1000": st.one_of(st.none(), st.floats()),
        },
    ),
)
reports = st.fixed_dictionaries(
    {},
    optional={
        "rows": st.one_of(st.none(), st.integers(0, 500)),
        "primary": st.sampled_from(["quality", "x", None]),
        "graders": st.sampled_from([None, [], [{"name": "quality", "binary": True}], [{"name": "x"}]]),
        "baseline": st.sampled_from(["a", "b", "z", None, 3]),
        "candidate": st.sampled_from(["a", "b", "z", None, 3]),
        "margin": st.one_of(st.none(), st.floats()),
        "level": st.one_of(st.none(), st.floats()),
        "arms": st.one_of(st.none(), st.lists(arm, max_size=4)),
        "skipped": st.one_of(st.none(), st.lists(st.just({"id": "x"}), max_size=2)),
        "results": st.one_of(st.none(), st.lists(result, max_size=8)),
    },
)


@settings(max_examples=150, deadline=None)
@given(reports)
def test_the_oddest_report_is_judged(report: dict[str, Any]) -> None:
    found = judge(report)["verdict"]
    assert found["answer"] in ("yes", "no", "needs_more", None)
    assert found["sentence"] and all(isinstance(reason, str) and reason for reason in found["reasons"])
    assert judge(report)["verdict"] == found


@pytest.mark.parametrize(
    ("right", "kind", "answer"),
    [
        (0, "knowledge", "no"),
        (40, "knowledge", "no"),
        (60, "knowledge", "yes"),
        (40, "suitable", "yes"),
        (40, None, "yes"),
    ],
)
def test_facts_that_were_not_learnt_are_no_skill(right: int, kind: str | None, answer: str) -> None:
    arms = {"prompted": [0.0] * 100, "tuned": [1.0] * right + [0.0] * (100 - right)}
    found = verdict(arms, suitability=kind and {"kind": kind, "message": "91% of the answers have facts"})
    assert found["answer"] == answer
    if answer == "no":
        assert found["sentence"].startswith("No: this is knowledge, not a skill.")
        assert f"91% of the answers have facts; it gets {right}% of the rows right" in found["sentence"]


def test_knowledge_is_no_matter_of_likeness() -> None:
    arms = {"prompted": [0.2, 0.3] * 30, "tuned": [0.8, 0.9] * 30}
    found = verdict(arms, binary=False, suitability={"kind": "knowledge", "message": "facts"})
    assert found["answer"] == "no" and "no grader says how many it gets right" in found["sentence"]


def test_the_candidate_is_set_against_every_arm() -> None:
    scores = {"prompted": [0.0] * 90 + [1.0] * 10, "examples": [0.0] * 50 + [1.0] * 50, "tuned": [1.0] * 100}
    report = judge(made(scores))
    leads = [arm["lead"] for arm in report["arms"]]
    assert leads[2] is None and [lead["mean"] for lead in leads[:2]] == [0.9, 0.5]
    assert leads[1]["low"] > 0.35 and leads[1]["p_adjusted"] < 1e-9
    assert any(r.startswith("tuned is ahead of examples: +50 points") for r in report["verdict"]["reasons"])
