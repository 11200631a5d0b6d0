"""The rows of a run: files of messages, read as token rows, pairs of them, and prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np

from tuneloop.chat import Chat
from tuneloop.errors import InvalidData, InvalidInput
from tuneloop.examples import (
    FilePurpose,
    PromptRow,
    Row,
    read_examples,
    read_labelled,
    read_preferences,
    read_prompts,
)
from tuneloop.protocols import Method
from tuneloop.training.objectives import Pair
from tuneloop.training.tree import TokenRow, Unit
from tuneloop.types import Json

#: rows that an error names one by one
_NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """What an answer is drawn to, and what a grader is told beside it."""

    #: in its file, counted from 1
    line: int
    #: none of its tokens is learnt
    row: TokenRow
    item: Mapping[str, Json]

    @property
    def rows(self) -> Sequence[TokenRow]:
        """The prompt alone."""
        return (self.row,)


def read_units(
    chat: Chat, method: Method, path: Path, param: FilePurpose, seed: int, *, room: int = 0
) -> Sequence[Unit]:
    """What a run learns from, or is measured on: a TokenRow for each line, a Pair for DPO and KTO, a Prompt for
    reinforcement, which needs `room` for so many tokens of an answer.

    `seed` decides which answers KTO exchanges. Raises InvalidInput, in most cases InvalidData that names the lines.
    """
    try:
        reader = _Reader(chat, room)
        units = reader.read(method, path, param, seed)
    except InvalidData as error:
        if error.param is None:
            error.param, error.code = param, f"invalid_{param}"
        raise
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}", param=param) from None
    if method != "reinforcement" and not any(row.weights[1:].any() for unit in units for row in unit.rows):
        raise InvalidData(f"{path.name}: every message has weight 0, there is nothing to learn", param=param)
    return units


@dataclass(slots=True)
class _Reader:
    """Reads the rows of one file, and remembers which of them are too long."""

    chat: Chat
    room: int
    #: line, and number of tokens
    too_long: list[tuple[int, int]] = field(default_factory=list)

    def read(self, method: Method, path: Path, param: FilePurpose, seed: int) -> Sequence[Unit]:
        units: Sequence[Unit]
        if method == "dpo":
            pairs = read_preferences(path, param)
            units = [Pair(rows=(self.row(pair.preferred), self.row(pair.rejected))) for pair in pairs]
        elif method == "kto":
            labelled = [(self.row(one.row), one.label) for one in read_labelled(path, param)]
            units = _with_foreign_answers(labelled, self.chat.context, seed)
        elif method == "reinforcement":
            units = [self.prompt(row) for row in read_prompts(path, param)]
        else:
            units = [self.row(row) for row in read_examples(path, param)]
        if self.too_long:
            self.refuse()
        return units

    def row(self, row: Row) -> TokenRow:
        rendered = self.chat.render(row)
        return self.checked(row.line, rendered.token_ids, rendered.weights)

    def prompt(self, row: PromptRow) -> Prompt:
        try:
            token_ids = self.chat.prompt_ids(row.messages, row.tools)
        except InvalidInput as error:
            raise InvalidInput(f"Example {row.line}: {error.message}", param=error.param) from None
        return Prompt(line=row.line, row=self.checked(row.line, token_ids, [0.0] * len(token_ids)), item=row.item)

    def checked(self, line: int, token_ids: Sequence[int], weights: Sequence[float]) -> TokenRow:
        if self.chat.context is not None and len(token_ids) + self.room > self.chat.context:
            self.too_long.append((line, len(token_ids)))
        return TokenRow(np.array(token_ids), np.array(weights, dtype=np.float32))

    def refuse(self) -> NoReturn:
        named = ", ".join(f"example {line} has {tokens}" for line, tokens in self.too_long[:_NAMED])
        others = len(self.too_long) - _NAMED
        raise InvalidData(
            f"{len(self.too_long)} row(s) have more tokens than the model's context of {self.chat.context}"
            + (f" less an answer's {self.room}" if self.room else "")
            + f": {named}"
            + (f", and {others} more are too long" if others > 0 else "")
            + ". Shorten them, leave them out, or choose a model with a longer context"
            + (", or a smaller max_completion_tokens" if self.room else "")
        )


def _with_foreign_answers(labelled: Sequence[tuple[TokenRow, bool]], context: int | None, seed: int) -> list[Pair]:
    """Each row beside its prompt with the answer of another row, which is the one before it in a random order.

    The same for a whole run, as in TRL, so that the reference has to see each of them once only. An answer that would
    be too long below the other prompt is cut: it only shows how far the model has moved.
    """
    order = np.random.default_rng([seed % 2**64, 0]).permutation(len(labelled))
    answer_of = dict(zip(order, np.roll(order, 1), strict=True))
    pairs = []
    for index, (row, good) in enumerate(labelled):
        foreign, _ = labelled[answer_of[index]]
        prompt, answer = row.tokens[row.weights == 0], foreign.tokens[foreign.weights != 0]
        tokens = np.concatenate([prompt, answer])[:context]
        weights = (np.arange(len(tokens)) >= len(prompt)).astype(np.float32)
        pairs.append(Pair(rows=(row, TokenRow(tokens, weights)), good=good))
    return pairs
