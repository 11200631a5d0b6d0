"""What becomes of a row: every finding leads to one of kept, fixed and dropped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit import desk
from tuneloop.checks.findings import Finding
from tuneloop.checks.kinds import KINDS, finding
from tuneloop.checks.treatment import Plan, judge, read_plan, treat
from tuneloop.errors import InvalidInput


def outcome(*codes: str, corrected: bool = False, plan: Plan | None = None, **evidence: Any) -> tuple[Any, ...]:
    found = [finding(code, 1, "", evidence) for code in codes]
    made = judge(found, plan or Plan(), corrected=corrected)
    return made.outcome, tuple(made.reasons), tuple(made.fixes)


def test_what_becomes_of_a_row() -> None:
    assert outcome() == ("kept", (), ())
    assert outcome("empty_talk", "rare_label") == ("kept", (), ())
    assert outcome("exact_duplicate") == ("dropped", ("exact_duplicate",), ("keep_one",))
    assert outcome("empty") == ("dropped", ("empty",), ("drop",))
    assert outcome("empty", corrected=True) == ("fixed", ("empty",), ("take_correction",))
    assert outcome("pii_card", "pii_email") == ("fixed", ("pii_card", "pii_email"), ("mask",))
    assert outcome("pii_card", "prompt_injection")[0] == "dropped"
    assert outcome("format_violation", repaired="x") == ("fixed", ("format_violation",), ("repair",))
    assert outcome("format_violation") == ("dropped", ("format_violation",), ("drop",))


def test_a_repaired_answer_may_still_be_wrong() -> None:
    assert outcome("format_violation", "wrong_label", repaired="x") == ("dropped", ("wrong_label",), ("drop",))
    assert outcome("format_violation", "wrong_label", corrected=True)[0] == "fixed"


def test_a_bad_correction_is_not_taken() -> None:
    assert outcome("wrong_label", "bad_correction", corrected=True)[0] == "dropped"


def test_whoever_wins_a_contradiction_is_kept() -> None:
    assert outcome("contradictory", winner=True) == ("kept", (), ())
    assert outcome("contradictory", winner=False) == ("dropped", ("contradictory",), ("keep_majority",))


def test_a_plan_is_obeyed() -> None:
    plan = read_plan(["near_duplicate"], ["pii_email=drop", "wrong_label=drop"])
    assert outcome("near_duplicate", plan=plan) == ("kept", (), ())
    assert outcome("pii_email", plan=plan) == ("dropped", ("pii_email",), ("drop",))
    assert outcome("wrong_label", "truncated", corrected=True, plan=plan)[0] == "dropped"


@pytest.mark.parametrize(
    "leave, fixes", [(["nonsense"], []), ([], ["empty=mask"]), ([], ["empty"]), ([], ["drift=drop"])]
)
def test_a_plan_that_cannot_be(leave: list[str], fixes: list[str]) -> None:
    with pytest.raises(InvalidInput):
        read_plan(leave, fixes)


@given(st.lists(st.sampled_from(sorted(KINDS)), unique=True), st.booleans())
def test_every_row_has_one_outcome_with_its_reason(codes: list[str], corrected: bool) -> None:
    made, reasons, fixes = outcome(*codes, corrected=corrected)
    assert (made == "kept") == (not reasons) == (not fixes)
    assert set(reasons) <= set(codes)


def treated(codes: list[str], question: str, answer: str, **fields: Any) -> Any:
    row = desk.row(1, question, answer, **fields)
    evidence = {"repaired": "flat_tyre"} if "format_violation" in codes else {}
    found: list[Finding] = [finding(code, 1, "", evidence) for code in codes]
    made = judge(found, Plan(length=200), corrected=row.corrected)
    return treat(row, found, made, Plan(length=200))


def test_masks_are_the_same_for_the_same_value() -> None:
    text = "Write to ann@example.org or bob@example.org, not ann@example.org."
    row = treated(["pii_email"], text, "We write to ann@example.org.")
    assert row.messages[-1]["content"] == "Write to [EMAIL_1] or [EMAIL_2], not [EMAIL_1]."
    assert row.answer["content"] == "We write to [EMAIL_1]."
    assert row.messages[0]["content"] == desk.SYSTEM


def test_a_correction_is_taken_and_the_worse_answer_kept_beside_it() -> None:
    row = treated(["wrong_label"], "Hiss!", "lost_key", **desk.corrected("flat_tyre"))
    assert row.answer == {"role": "assistant", "content": "flat_tyre"}
    assert row.rejected == ({"role": "assistant", "content": "lost_key"},) and row.rating is True


def test_an_answer_is_repaired_and_a_giant_cut() -> None:
    assert treated(["format_violation"], "Hiss!", "It is flat_tyre.").answer["content"] == "flat_tyre"
    cut = treated(["overlong"], "begin " + "x" * 1000 + " end", "flat_tyre").messages[-1]["content"]
    assert len(cut) < 250 and cut.startswith("begin") and cut.endswith("end") and "[...]" in cut


def test_parts_and_calls_are_masked_too() -> None:
    row = desk.row(1, "", None)
    parts = [{"type": "text", "text": "Call +44 20 7946 0123"}]
    call = {"id": "c", "type": "function", "function": {"name": "dial", "arguments": '{"number": "+44 20 7946 0123"}'}}
    row = replace(
        row,
        messages=[{"role": "user", "content": parts}],
        answer={"role": "assistant", "content": None, "tool_calls": [call]},
    )
    found = [finding("pii_phone", 1, "")]
    made = treat(row, found, judge(found, Plan(), corrected=False), Plan())
    assert made is not None and made.answer is not None
    assert made.messages[0]["content"][0]["text"] == "Call [PHONE_1]"
    assert made.answer["tool_calls"][0]["function"]["arguments"] == '{"number": "[PHONE_1]"}'
