"""A log of a made-up help desk, with what is planted in it: rows for tests of checks that look at all of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from tuneloop.checks.rows import Row
from tuneloop.checks.survey import Survey

SYSTEM = "Route the ticket of the bicycle shop. Answer with one label."
#: words that tickets of a label are made of
TOPICS = {
    "flat_tyre": "tyre puncture flat wheel air pump tube nail hiss rubber",
    "late_parcel": "parcel delivery late courier tracking waiting shipped doorstep depot arrive",
    "refund_money": "refund money back return paid invoice cancelled amount credited charge",
    "gear_noise": "gear chain grinding noise shifting derailleur click rattle pedalling squeak",
    "lost_key": "key lock lost spare locked cylinder copy broken stuck open",
}
_FILLER = "my the it is since yesterday please and with a for on what can do you how when still again really".split()


def row(number: int, question: str, answer: str | None, **fields: Any) -> Row:
    """A row of the desk."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    said = None if answer is None else {"role": "assistant", "content": answer}
    return Row(number=number, id=f"r{number}", messages=messages, answer=said, **fields)


def corrected(answer: str) -> dict[str, Any]:
    """The fields of a row that somebody corrected."""
    return {"ratings": (False,), "corrections": ({"role": "assistant", "content": answer},)}


def question(label: str, chance: random.Random, words: int = 9) -> str:
    """A ticket of a label."""
    said = chance.choices(TOPICS[label].split(), k=words // 2 + 1) + chance.choices(_FILLER, k=words // 2)
    chance.shuffle(said)
    return " ".join(said).capitalize() + "?"


def tickets(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Questions and their labels, each label as often as the others."""
    chance = random.Random(seed)
    labels = list(TOPICS)
    return [(question(labels[i % len(labels)], chance), labels[i % len(labels)]) for i in range(count)]


def survey(rows: Sequence[Row]) -> Survey:
    """What is kept of rows."""
    made = Survey()
    for one in rows:
        made.add(one)
    return made
