"""Small models that go round in circles inside a string or a number of JSON, and the way out.

No grammar ends a string for them, so the answer would be cut in the middle. When the same characters have come again
and again, the string is closed, and the rest is decoded from here, token by token, held to the same grammar.
"""

from __future__ import annotations

import codecs
from collections.abc import AsyncGenerator, Sequence
from functools import cached_property

from llguidance import LLMatcher, LLTokenizer

from tuneloop.chat import Chat
from tuneloop.engines.local.gaps import likeliest
from tuneloop.engines.local.generation import End, Llama, Piece

#: characters that repeat the ones before, in at least so many rounds, before it is a circle; rulers may be longer
_REPEATED, _RULER, _ROUNDS = 48, 200, 4
_LONGEST_ROUND = 100
#: digits of a number, and white space between values, that nobody needs
_MOST_OF: dict[str, int] = {"digits": 40, "space": 40}

#: what leads out of a string or a number; out of white space, whatever is none
_WAYS_OUT: dict[str, Sequence[str]] = {"string": ['"'], "digits": [",", "}", "]", "\n"]}
#: likeliest tokens among which the next one is looked for
_LOOKED_AT = 100


class CircleWatch:
    """Reads JSON as it comes, and says when it goes round in circles."""

    def __init__(self) -> None:
        self.text = ""
        self._escaped = False
        #: what is being written ("string", "digits", "space" or ""), and where it began
        self.kind = ""
        self._begin = 0

    def feed(self, text: str) -> bool:
        """Whether it does so, with `text`."""
        for position, character in enumerate(text, start=len(self.text)):
            self._follow(character, position)
        self.text += text
        if self.kind == "string":
            return _is_circle(self.text[self._begin :])
        return len(self.text) - self._begin > _MOST_OF.get(self.kind, len(self.text))

    def _follow(self, character: str, position: int) -> None:
        if self.kind == "string":
            ends = character == '"' and not self._escaped
            self._escaped = character == "\\" and not self._escaped
            if not ends:
                return
            kind = ""
        elif character == '"':
            kind, position = "string", position + 1
        else:
            kind = "digits" if character.isdigit() else "space" if character.isspace() else ""
        if kind != self.kind or not kind:
            self.kind, self._begin = kind, position


def _is_circle(text: str) -> bool:
    for size in range(1, _LONGEST_ROUND + 1):
        least = _REPEATED if any(map(str.isalnum, text[-size:])) else _RULER
        length = max(least, _ROUNDS * size)
        end = text[-length:]
        if len(end) == length and end[size:] == end[:-size]:
            return True
    return False


class Detours:
    """Finds ways out, for one model."""

    def __init__(self, chat: Chat, llama: Llama) -> None:
        self._chat = chat
        self._llama = llama

    def find(self, said: Piece, watch: CircleWatch, grammar: str) -> Detour | None:
        """The way out of an answer that `watch` has read, and whose last piece was `said`; None where the grammar has
        none."""
        matcher = LLMatcher(self._tokenizer, LLMatcher.grammar_from_lark(grammar), log_level=0)
        matcher.consume_tokens(self._tokenizer.tokenize_str(watch.text))
        detour = Detour(self._llama, self._tokenizer, matcher, watch, said)
        return detour if watch.kind == "space" or detour.way_out() is not None else None

    @cached_property
    def _tokenizer(self) -> LLTokenizer:
        return LLTokenizer(self._chat.tokenizer_json, eos_token=self._chat.end_token_id)


class Detour:
    """The rest of one answer, decoded from here, whose last piece was `said`."""

    def __init__(
        self, llama: Llama, tokenizer: LLTokenizer, matcher: LLMatcher, watch: CircleWatch, said: Piece
    ) -> None:
        self._llama = llama
        self._tokenizer = tokenizer
        self._matcher = matcher
        self._watch = watch
        self._said = said

    def way_out(self) -> int | None:
        """The token that leads out of a string or a number; None where the grammar allows none."""
        for way in _WAYS_OUT.get(self._watch.kind, ()):
            tokens = self._tokenizer.tokenize_str(way)
            if len(tokens) == 1 and self._matcher.validate_tokens(tokens):
                return tokens[0]
        return None

    async def pieces(self, prompt: Sequence[int], most: int | None) -> AsyncGenerator[Piece | End, None]:
        """What comes after the circles, with at most so many tokens in the whole answer."""
        choice, sampled = self._said.choice, self._said.sampled
        room = self._llama.context - len(prompt)
        limit = room if most is None else min(most, room)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        ids = [*prompt, *self._tokenizer.tokenize_str(self._watch.text)]
        token = self.way_out() or await self._next(ids, space=False)
        while token is not None and sampled < limit:
            self._matcher.consume_token(token)
            ids.append(token)
            sampled += 1
            text = decoder.decode(self._tokenizer.decode_bytes([token]))
            yield Piece(choice, text, sampled)
            lost = self._watch.feed(text)
            token = (self.way_out() if lost else None) or await self._next(ids, space=not lost)
        yield End(choice, "stop" if token is None else "length", sampled, 0)

    async def _next(self, ids: Sequence[int], *, space: bool) -> int | None:
        """The likeliest token that the grammar allows, white space only with `space`; None at the end of the answer."""
        if self._matcher.is_stopped():
            return None
        for one in await likeliest(self._llama, ids, _LOOKED_AT):
            if self._matcher.validate_tokens([one["id"]]) and (space or not bytes(one["bytes"]).isspace()):
                return None if one["id"] == self._tokenizer.eos_token else int(one["id"])
        mask = self._matcher.compute_bitmask()
        return next(8 * place + bit for place, byte in enumerate(mask) for bit in range(8) if byte >> bit & 1)
