"""Which rows of a report are looked at."""

from __future__ import annotations

from typing import Any

from tests.unit.sample_report import sample_report
from tuneloop.reports.numbers import Scale
from tuneloop.reports.rows import gap, row, scores
from tuneloop.reports.selection import Wanted, Which, group, select

REPORT = sample_report(120)
CANDIDATE = REPORT["candidate"]


def ids(which: Which = "all", **more: Any) -> list[str]:
    return [result["id"] for result in select(REPORT, Wanted(which=which, **more))]


def right(result: dict[str, Any], arm: str) -> float:
    return float(result["answers"][arm]["scores"]["label_accuracy"])


def test_where_arms_disagree_the_losses_come_first() -> None:
    found = select(REPORT, Wanted())
    expected = {r["id"] for r in REPORT["results"] if len({right(r, arm) for arm in r["answers"]}) > 1}
    assert {result["id"] for result in found} == expected
    changes = [gap(REPORT, scores(Scale(REPORT), result)) for result in found]
    assert changes[0] == -1.0 and changes.index(1.0) > changes.index(-1.0) and changes[-1] == 0.0


def test_where_the_candidate_is_wrong_worse_or_better() -> None:
    results = REPORT["results"]
    assert set(ids("wrong")) == {r["id"] for r in results if right(r, CANDIDATE) == 0}
    worse = {r["id"] for r in results if right(r, CANDIDATE) < right(r, "as logged")}
    assert set(ids("worse")) == worse and not worse & set(ids("better"))
    assert len(ids("all")) == 120 and len(ids("failed")) == 1


def test_a_graded_answer_is_wrong_below_a_half() -> None:
    report = {**REPORT, "primary": "chrf"}
    found = {result["id"] for result in select(report, Wanted(which="wrong"))}
    assert found == {r["id"] for r in REPORT["results"] if r["answers"][CANDIDATE]["scores"]["chrf"] < 0.5}


def test_a_group_and_a_text() -> None:
    assert len(ids(by="label", value="card_lost")) == 20
    chat = ids(by="metadata.channel", value="chat")
    assert 0 < len(chat) < 120 and len(ids(by="metadata.channel", value="fax")) == 0
    assert ids(text=" WALLET ") == ids(by="label", value="card_lost")
    assert ids("wrong", text="wallet") == [one for one in ids("wrong") if one in ids(text="wallet")]
    assert group(REPORT["results"][0], "metadata.nothing") == ""


def test_any_part_of_a_report_may_be_missing() -> None:
    assert select({}, Wanted()) == [] and select({"results": [{}, 3]}, Wanted(which="failed")) == []
    assert len(select({"results": [{"id": "a"}]}, Wanted(which="all"))) == 1
    assert row({}, {"id": "a"}).tone == "plain"
