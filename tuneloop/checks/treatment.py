"""What becomes of each examined row: kept, fixed or dropped, and why. Nothing is changed in place: a treated row is a
new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tuneloop.checks import privacy
from tuneloop.checks.findings import FIXES, Finding, FixName, Outcome
from tuneloop.checks.kinds import KINDS
from tuneloop.checks.rows import Row
from tuneloop.checks.texts import clip
from tuneloop.errors import InvalidInput
from tuneloop.types import Message

#: the fixes that give a row another answer, and the findings that are settled by it: all that speak of the answer where
#: a person gave it; a repaired one says what it said
_SETTLED: Mapping[FixName, frozenset[str]] = {
    "take_correction": frozenset(
        {"failed_call", "empty", "truncated", "wrong_label", "wrong_answer", "rated_bad", "misrated_good", "refusal"}
        | {"format_violation", "broken_json", "schema_violation", "unknown_label", "pii_in_answer", "rating_conflict"}
        | {"contradictory", "wrong_language"}
    ),
    "repair": frozenset({"format_violation", "broken_json", "pii_in_answer"}),
}
_DROPPING: frozenset[FixName] = frozenset({"drop", "keep_one", "keep_majority"})
#: characters that are left of a giant, so that it is none any more
LENGTH = 1400


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Which fix is made for which kind of finding, where it is not the suggested one; None leaves the row as it is."""

    fixes: Mapping[str, FixName | None] = field(default_factory=dict)
    #: characters of a message that is cut
    length: int = LENGTH

    def fix(self, found: Finding) -> FixName | None:
        """What is done about a finding."""
        return self.fixes[found.code] if found.code in self.fixes else found.fix


@dataclass(frozen=True, kw_only=True, slots=True)
class Treated:
    """What became of a row."""

    outcome: Outcome
    #: the first code that it was dropped for, or the codes that were fixed
    reasons: Sequence[str] = ()
    fixes: Sequence[FixName] = ()


def read_plan(leave: Sequence[str] | None, fixes: Sequence[str] | None, length: int = LENGTH) -> Plan:
    """A plan from codes to leave alone and from CODE=FIX. Raises InvalidInput that names what there is."""
    chosen: dict[str, FixName | None] = {}
    for code in leave or ():
        chosen[_code(code)] = None
    for text in fixes or ():
        code, _, fix = text.partition("=")
        possible = KINDS[_code(code)].fixes
        if fix not in possible:
            known = ", ".join(possible) if possible else "nothing: it can only be left"
            raise InvalidInput(f"{code} can be fixed by {known}, not by {fix!r}", param="fix")
        chosen[code] = next(name for name in FIXES if name == fix)
    return Plan(fixes=chosen, length=length)


def only(plan: Plan, code: str) -> Plan:
    """The plan that does what this one does about one kind of finding, and leaves everything else as it is."""
    others: dict[str, FixName | None] = {other: None for other in KINDS if other != code}
    chosen: dict[str, FixName | None] = {code: plan.fixes[code]} if code in plan.fixes else {}
    return replace(plan, fixes=others | chosen)


def _code(code: str) -> str:
    if code not in KINDS:
        raise InvalidInput(f"there is no finding {code!r}; there are {', '.join(sorted(KINDS))}", param="code")
    return code


def judge(found: Sequence[Finding], plan: Plan, *, corrected: bool) -> Treated:
    """What becomes of a row with these findings; `corrected` says that somebody gave a better answer."""
    corrected = corrected and not any(one.code == "bad_correction" and plan.fix(one) for one in found)
    wanted = [(one, fix) for one in found if (fix := plan.fix(one)) is not None and not _is_won(one)]
    answer = _new_answer(wanted, corrected)
    fixes: dict[str, FixName] = {}
    for one, fix in wanted:
        if answer is not None and one.code in _SETTLED[answer] and plan.fixes.get(one.code) not in _DROPPING:
            fixes[one.code] = answer
        elif fix in _DROPPING or fix in _SETTLED:
            return Treated(outcome="dropped", reasons=(one.code,), fixes=(fix if fix in _DROPPING else "drop",))
        else:
            fixes[one.code] = fix
    if not fixes:
        return Treated(outcome="kept")
    return Treated(outcome="fixed", reasons=tuple(fixes), fixes=tuple(dict.fromkeys(fixes.values())))


def _new_answer(wanted: Sequence[tuple[Finding, FixName]], corrected: bool) -> FixName | None:
    """The fix that gives a row another answer: a person's before one that was made from its own."""
    fixes = {fix for _, fix in wanted}
    if corrected and fixes & _SETTLED.keys():
        return "take_correction"
    if any(fix == "repair" and "repaired" in one.evidence for one, fix in wanted):
        return "repair"
    return None


def _is_won(one: Finding) -> bool:
    """Whether a row has the answer that a contradiction is settled by."""
    return one.code == "contradictory" and one.evidence.get("winner") is True


def treat(row: Row, found: Sequence[Finding], treated: Treated, plan: Plan) -> Row | None:
    """The row as it is kept; None when it is dropped."""
    if treated.outcome == "dropped":
        return None
    if treated.outcome == "kept":
        return row
    for fix in treated.fixes:
        row = _FIXES[fix](row, found, plan) if fix in _FIXES else row
    return row


def _take_correction(row: Row, found: Sequence[Finding], plan: Plan) -> Row:
    if row.correction is None:
        return row
    worse = (row.answer,) if row.answer is not None and row.answer_text.strip() else ()
    answer: Message = {"role": "assistant", **row.correction}
    return replace(row, answer=answer, ratings=(True,), rejected=(*row.rejected, *worse))


def _repair(row: Row, found: Sequence[Finding], plan: Plan) -> Row:
    repaired = next((one.evidence["repaired"] for one in found if "repaired" in one.evidence), None)
    if repaired is None:
        return _take_correction(row, found, plan)
    return replace(row, answer={**(row.answer or {"role": "assistant"}), "content": repaired})


def _mask(row: Row, found: Sequence[Finding], plan: Plan) -> Row:
    """Each value becomes a placeholder, the same one wherever it stands in the row: [EMAIL_1]."""
    names: dict[str, str] = {}
    public = row.instructions

    def masked(text: str) -> str:
        for one in sorted(privacy.pii(text, public), key=lambda one: one.start, reverse=True):
            kind = one.kind.upper()
            number = 1 + sum(name.startswith(f"[{kind}_") for name in names.values())
            name = names.setdefault(" ".join(one.value.split()), f"[{kind}_{number}]")
            text = text[: one.start] + name + text[one.end :]
        return text

    messages = [m if m["role"] in ("system", "developer") else _rewritten(m, masked) for m in row.messages]
    return replace(row, messages=messages, answer=None if row.answer is None else _rewritten(row.answer, masked))


def _cut(row: Row, found: Sequence[Finding], plan: Plan) -> Row:
    """Every message of the user's is cut to its beginning and its end."""

    def shorter(text: str) -> str:
        if len(text) <= plan.length:
            return text
        return f"{text[: plan.length * 3 // 4]}\n[...]\n{text[-plan.length // 4 :]}"

    return replace(row, messages=[_rewritten(m, shorter) if m["role"] == "user" else m for m in row.messages])


def _move(row: Row, found: Sequence[Finding], plan: Plan) -> Row:
    return replace(row, split="train")


_FIXES: Mapping[FixName, Any] = {
    "take_correction": _take_correction,
    "repair": _repair,
    "mask": _mask,
    "cut": _cut,
    "move": _move,
}


def _rewritten(message: Message, change: Any) -> Message:
    """A message with all its text changed: content, parts, and the arguments of calls."""
    content = message.get("content")
    if isinstance(content, str):
        message = {**message, "content": change(content)}
    elif isinstance(content, list):
        parts = [{**p, "text": change(p["text"])} if isinstance(p.get("text"), str) else p for p in content]
        message = {**message, "content": parts}
    if message.get("tool_calls"):
        message = {**message, "tool_calls": [_rewritten_call(call, change) for call in message["tool_calls"]]}
    return message


def _rewritten_call(call: dict[str, Any], change: Any) -> dict[str, Any]:
    function = call.get("function") or {}
    if not isinstance(function.get("arguments"), str):
        return call
    return {**call, "function": {**function, "arguments": change(function["arguments"])}}


def preview(before: Row, after: Row) -> str:
    """What a fix changes, on one line."""
    if before.answer != after.answer:
        return f"{clip(before.answer_text)!r} -> {clip(after.answer_text)!r}"
    return f"{clip(before.question)!r} -> {clip(after.question)!r}"
