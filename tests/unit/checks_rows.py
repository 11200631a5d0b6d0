"""Rows and surveys for the tests of the checks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tuneloop.checks.rows import Row
from tuneloop.checks.survey import Survey


def row(question: str, answer: str = "", *, number: int = 1, role: str = "", text: str = "", **more: Any) -> Row:
    """A row of one question and its answer, with one more message behind the question where its role is given."""
    system = more.pop("system", "")
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": question})
    if role:
        messages.append({"role": role, "content": text})
    return Row(
        number=number, id=f"line {number}", messages=messages, answer={"role": "assistant", "content": answer}, **more
    )


def survey(pairs: Iterable[tuple[str, str]], *, system: str = "Help the customer.", **more: Any) -> Survey:
    """A survey of questions and answers of one task."""
    made = Survey()
    for number, (question, answer) in enumerate(pairs, start=1):
        made.add(row(question, answer, number=number, system=system, **more))
    return made


def table(name: str) -> list[str]:
    """The texts of a table, one a line, with \\n and \\t for what they stand for. Keys have a "~" in them, so that
    nobody takes them for real ones."""
    lines = (Path(__file__).parent / "checks_tables" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    signs = {"\\n": "\n", "\\t": "\t", "\\\\": "\\", "~": ""}
    return [re.sub(r"\\[nt\\]|~", lambda match: signs[match.group()], line) for line in lines]
