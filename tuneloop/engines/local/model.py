"""What is served: how it reads chats, and the llama.cpp that has it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from tuneloop.chat import Chat
from tuneloop.engines.local.circles import Detours
from tuneloop.engines.local.generation import Llama
from tuneloop.engines.local.grammars import Grammars
from tuneloop.engines.local.messages import without_oldest
from tuneloop.engines.local.thoughts import BEGIN, Thoughts
from tuneloop.errors import ContextTooLong
from tuneloop.types import Message, Tool


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model in a llama.cpp."""

    chat: Chat
    llama: Llama
    #: number of its tokens
    vocabulary: int
    #: the same where the same seed gives the same answer
    fingerprint: str
    #: whether it was tuned, or is as its makers left it
    tuned: bool = False

    async def prompt(self, messages: Sequence[Message], tools: Sequence[Tool], room: int = 0) -> list[int]:
        """The tokens that ask for an answer, as in training. Raises InvalidInput, and ContextTooLong.

        With `room`, the oldest messages are left out until that many tokens are free for the answer.
        """
        ids = await asyncio.to_thread(self.chat.prompt_ids, messages, tools)
        while room and len(ids) > self.llama.context - room and (messages := without_oldest(messages)):
            ids = await asyncio.to_thread(self.chat.prompt_ids, messages, tools)
        self.check_room(len(ids), "messages")
        return ids

    async def text_ids(self, text: str | list[int]) -> list[int]:
        """The tokens of a text without a chat around it, or token ids as they are. Raises ContextTooLong."""
        ids = text if isinstance(text, list) else await asyncio.to_thread(self.chat.text_ids, text)
        self.check_room(len(ids), "prompt")
        return ids or [self.chat.end_token_id]

    def text(self, text: str | list[int]) -> str:
        """A text, or that of token ids."""
        return text if isinstance(text, str) else self.chat.decode(text)

    def check_room(self, tokens: int, param: str) -> None:
        """Raises ContextTooLong where that many tokens leave no room for an answer."""
        if tokens >= self.llama.context:
            raise ContextTooLong(
                f"This model's maximum context length is {self.llama.context} tokens. However, your {param} resulted "
                f"in {tokens} tokens. Please reduce the length of the {param}.",
                param=param,
            )

    @cached_property
    def thoughts(self) -> Thoughts:
        """Whether it thinks before it answers, as far as its template says so."""
        asking = self.chat.prompt_text([{"role": "user", "content": "question"}])
        if asking.rstrip().endswith(BEGIN):
            return "open"
        return "possible" if self.chat.template.has(BEGIN) else "none"

    @cached_property
    def special(self) -> dict[int, str]:
        """The tokens that are no text, by their ids."""
        return {token_id: text for text, token_id in self.chat.special_tokens.items()}

    @cached_property
    def detours(self) -> Detours:
        """Ways out for answers that go round in circles."""
        return Detours(self.chat, self.llama)

    @cached_property
    def grammars(self) -> Grammars:
        """What its answers may be held to."""
        return Grammars(self.chat.calls, self.chat.special_tokens, self.thoughts, tuned=self.tuned)

    @cached_property
    def preserved_tokens(self) -> list[str]:
        """Tokens that are no text and yet have to be seen, for calls are known by them."""
        form = self.chat.calls
        written = form.first + form.between + (form.more or "") + form.last
        return [token for token in self.chat.special_tokens if token in written]
