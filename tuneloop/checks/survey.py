"""What is kept of each row for the checks that look at all of them together: about a kilobyte a row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tuneloop.checks.rows import Row, text_of
from tuneloop.checks.texts import digest
from tuneloop.types import Split

#: characters of a question and of an answer that are kept; equality is told by fingerprints of the whole
_QUESTION, _ANSWER = 1000, 400


@dataclass(kw_only=True, slots=True)
class Facts:
    """One row, as the checks of all rows together see it."""

    number: int
    id: str
    #: the number of its instructions in Survey.instructions
    instructions: int
    question: str
    answer: str
    #: fingerprints of the whole question and answer
    asked: bytes
    answered: bytes
    correction: str | None = None
    rating: bool | None = None
    split: Split | None = None
    status: int = 200
    finish_reason: str | None = None
    user: str | None = None
    created_at: float | None = None
    #: characters of the messages before the answer, and of the answer
    question_length: int = 0
    answer_length: int = 0
    #: fingerprint of the conversation's first question and its answer, and how many answers are before this one
    conversation: bytes = b""
    turns: int = 0
    #: tokens of the whole row and of what is learnt of it, where a tokenizer is at hand
    tokens: int | None = None
    learnt: int | None = None
    #: codes of what was found in the row by itself
    codes: set[str] = field(default_factory=set)


class Survey:
    """All rows that could be read, in order."""

    def __init__(self) -> None:
        self.rows: list[Facts] = []
        self.instructions: list[str] = []
        self._known: dict[str, int] = {}

    def add(self, row: Row, codes: Iterable[str] = ()) -> Facts:
        """Keep what matters of a row, and the codes of what was found in it."""
        question, answer, instructions = row.question, row.answer_text.strip(), row.instructions
        key = self._known.setdefault(instructions, len(self.instructions))
        if key == len(self.instructions):
            self.instructions.append(instructions)
        facts = Facts(
            number=row.number,
            id=row.id,
            instructions=key,
            question=_kept(question, _QUESTION),
            answer=_kept(answer, _ANSWER),
            asked=digest(question),
            answered=digest(answer),
            correction=None if row.correction is None else text_of(row.correction).strip(),
            rating=row.rating,
            split=row.split,
            status=row.status,
            finish_reason=row.finish_reason,
            user=row.user,
            created_at=row.created_at,
            question_length=len(question),
            answer_length=len(answer),
            conversation=_conversation(row),
            turns=sum(message["role"] == "assistant" for message in row.messages),
            codes=set(codes),
        )
        self.rows.append(facts)
        return facts

    @cached_property
    def tasks(self) -> list[list[Facts]]:
        """The rows of each task, the largest first: rows whose instructions ask for the same kind of answers.

        Instructions are of one task when they are equal but for numbers, when one is what is said in most rows, or
        when their answers are the same few.
        """
        found: dict[str, list[Facts]] = defaultdict(list)
        for facts in self.rows:
            found[_skeleton(self.instructions[facts.instructions])].append(facts)
        groups = sorted(found.values(), key=len, reverse=True)
        merged: list[tuple[Counter[bytes], list[Facts]]] = []
        for group in groups:
            said = Counter(facts.answered for facts in group)
            for answers, members in merged:
                if _alike(answers, said):
                    answers.update(said)
                    members += group
                    break
            else:
                merged.append((said, group))
        return [sorted(members, key=lambda facts: facts.number) for _, members in merged]

    def each_task(self, least: int) -> Iterator[Sequence[Facts]]:
        """The tasks with so many rows."""
        return (task for task in self.tasks if len(task) >= least)


def _kept(text: str, most: int) -> str:
    """A text, or its beginning and its end."""
    return text if len(text) <= most else f"{text[: most * 3 // 4]} {text[-most // 4 :]}"


def _skeleton(instructions: str) -> str:
    """Instructions without what is filled in: numbers, and all but the beginning of long ones."""
    return "".join("0" if character.isdigit() else character for character in instructions[:200].lower())


def _alike(answers: Counter[bytes], others: Counter[bytes]) -> bool:
    """Whether the same few answers are given in both."""
    shared = sum(count for answer, count in others.items() if answer in answers)
    return shared >= 0.6 * others.total() and len(others) <= 0.8 * others.total()


def _conversation(row: Row) -> bytes:
    """How a conversation began, up to its first answer."""
    texts = []
    for message in (*row.messages, *([row.answer] if row.answer else [])):
        texts.append(text_of(message).strip())
        if message["role"] == "assistant":
            break
    return digest("\n".join(texts))
