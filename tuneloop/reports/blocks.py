"""What a report is made of, whether it becomes a page or Markdown: headings, sentences, tables, plots, rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

#: how something is meant: said in a word too, never by its colour alone
Tone = Literal["good", "bad", "warn", "plain"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A value, and smaller beneath it what goes with it."""

    text: str
    detail: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The verdict: one word and one sentence, and the reasons."""

    word: str
    sentence: str
    tone: Tone
    reasons: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """The few numbers that are read first, each under its name."""

    cells: Sequence[tuple[str, Cell]]


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; a `note` is for those who look closely."""

    text: str
    tone: Tone = "plain"
    note: bool = False


@dataclass(frozen=True, slots=True)
class Bullets:
    """Sentences one below the other."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headers; the first column names the row."""

    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plot:
    """A picture as SVG, its title, and in a sentence what it shows."""

    title: str
    svg: str
    caption: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """One text and those who gave it."""

    #: the names of arms, and what the text scored for each
    arms: Sequence[tuple[str, Cell]]
    text: str
    #: whether there is no text because the call failed; the text is then the error
    failed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A row that arms answered differently."""

    id: str
    question: str
    reference: str
    said: Sequence[Said]
    tone: Tone = "plain"


Block = Answer | Figures | Text | Bullets | Table | Plot | Row


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a heading; the first of a report has the report's own title."""

    title: str
    blocks: Sequence[Block]
