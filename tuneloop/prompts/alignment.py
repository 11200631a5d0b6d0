"""What several texts made from one template have in common, as that template. Pure functions."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import count, groupby, islice

from tuneloop.errors import InvalidInput
from tuneloop.prompts.templates import Piece, Variable, write

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_WORD = re.compile(r"\w")
#: what holds the parts of one word together: 2026-01-31, name@host.example, 3.5
_JOINTS = frozenset("-/._@+")
#: what a place is called by the text before it: "Customer: {{customer}}", "order_id={{order_id}}"
_LABEL = re.compile(r"([^\W\d]\w*(?: \w+)?)[\"'*_]{0,3}\s*[:=]\s*[\"'`<(\[]?$")
#: texts that share less are not made from one template; more places than these, and it is no template to read
_LEAST_SHARED = 0.5
_MOST_VARIABLES = 8
#: tokens compared of each text: the time grows with their square
_MOST_TOKENS = 8_000

#: a place in which texts differ
_GAP = None
Token = str | None


def template(texts: Sequence[str], taken: Sequence[str] = ()) -> str:
    """The template of which each text is one filling; where they are all the same, that text. Names of variables are
    taken from the labels before them, else `variable_1` and so on, and are none of `taken`.

    Raises InvalidInput where the texts have too little in common to tell.
    """
    tokens: list[Token] = list(_TOKEN.findall(texts[0]))
    for text in dict.fromkeys(texts[1:]):
        tokens = _shared(tokens, _TOKEN.findall(text))
    tokens = _widened(list(_without_islands(tokens)))
    _check(tokens, min(texts, key=len))
    return write(list(_named(tokens, taken)))


def frame(texts: Sequence[str], name: str) -> str:
    """The template around a whole text that differs: {{name}}, with what stands before and after it in every text. Only
    whole lines, and beginnings that end with a colon, are taken for a template's own."""
    before = _common(texts)
    before = before[: max(before.rfind("\n") + 1, _after_colon(before))]
    rest = [text[len(before) :] for text in texts]
    after = _common([text[::-1] for text in rest])[::-1]
    after = after[after.find("\n") :] if "\n" in after else ""
    return write([before, Variable(name), after])


def _shared(tokens: Sequence[Token], others: Sequence[str]) -> list[Token]:
    """The tokens that both have, in order, with gaps where one has more."""
    if len(tokens) > _MOST_TOKENS or len(others) > _MOST_TOKENS:
        raise InvalidInput("the messages are too long to be compared: import one Log.", param="logs")
    made: list[Token] = []
    here = there = 0
    # Spaces are everywhere, and say nothing of where one belongs.
    for block in SequenceMatcher(lambda token: token == " ", tokens, others, autojunk=False).get_matching_blocks():
        if block.a > here or block.b > there:
            made.append(_GAP)
        made += tokens[block.a : block.a + block.size]
        here, there = block.a + block.size, block.b + block.size
    return made


def _widened(tokens: Sequence[Token]) -> list[Token]:
    """The same with each gap as wide as the word it is in: not 2026-01-{{day}}."""
    made: list[Token] = []
    ahead = deque(tokens)
    while ahead:
        token = ahead.popleft()
        if token is _GAP and made and made[-1] is _GAP:
            continue
        if token is _GAP:
            while made and _is_word(made[-1], made[-2:-1]):
                made.pop()
            while ahead and _is_word(ahead[0], list(islice(ahead, 1, 2))):
                ahead.popleft()
        made.append(token)
    return made


def _is_word(token: Token, beyond: Sequence[Token]) -> bool:
    """Whether a token beside a gap is of one word with it: a word, or what joins it to one beyond."""
    if token is None:
        return False
    joins = token in _JOINTS and bool(beyond) and beyond[0] is not None and bool(_WORD.match(beyond[0]))
    return joins or bool(_WORD.match(token))


def _without_islands(tokens: Sequence[Token]) -> Iterator[Token]:
    """One gap in place of two with next to nothing between them: a single word that two values happen to share."""
    pending: list[Token] = []
    in_gap = False
    for is_gap, group in groupby(tokens, lambda token: token is _GAP):
        shared = [] if is_gap else list(group)
        if is_gap and in_gap and not _is_land(pending):
            pending = []
        elif is_gap:
            yield from pending
            yield _GAP
            pending, in_gap = [], True
        else:
            pending = shared
    yield from pending


def _is_land(tokens: Sequence[Token]) -> bool:
    words = sum(bool(token and _WORD.match(token)) for token in tokens)
    return words >= 2 or any(token is not None and ("\n" in token or token in ":=") for token in tokens)


def _check(tokens: Sequence[Token], shortest: str) -> None:
    shared = sum(len(token) for token in tokens if token is not None)
    gaps = sum(token is _GAP for token in tokens)
    if gaps and (shared < _LEAST_SHARED * len(shortest) or gaps > _MOST_VARIABLES):
        raise InvalidInput(
            "these Logs do not look as if one prompt had made them: their system messages differ in too much. Import "
            "one of them, or choose Logs of one prompt.",
            param="logs",
        )


def _named(tokens: Sequence[Token], taken: Sequence[str]) -> Iterator[Piece]:
    names = list(taken)
    numbers = count(1)
    before = ""
    for token in tokens:
        if token is not None:
            before += token
            yield token
            continue
        name = _free(_label(before) or f"variable_{next(numbers)}", names)
        names.append(name)
        before = ""
        yield Variable(name)


def _label(before: str) -> str | None:
    match = _LABEL.search(before[-60:])
    return None if match is None else match[1].lower().replace(" ", "_")


def _free(name: str, taken: Sequence[str]) -> str:
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _common(texts: Sequence[str]) -> str:
    """The longest beginning that all have."""
    low, high = min(texts), max(texts)
    at = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return low[:at]


def _after_colon(text: str) -> int:
    match = re.search(r".*:[ \t]*[\"'`]?", text, re.DOTALL)
    return 0 if match is None else match.end()
