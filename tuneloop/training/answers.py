"""What a model has written, as a client is given it: without thoughts, calls of tools as calls."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

import orjson

from tuneloop.calls import text_of
from tuneloop.chat import Chat
from tuneloop.training.decoder import Decoder
from tuneloop.types import Message

_CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)


def answer_message(chat: Chat, token_ids: Sequence[int]) -> Message:
    """The assistant's message that tokens are."""
    text = chat.decode(token_ids, special=False).rpartition("</think>")[2].strip()
    try:
        calls = [orjson.loads(call) for call in _CALL.findall(text)]
        called = [
            {
                "id": f"call_{number}",
                "type": "function",
                "function": {"name": call["name"], "arguments": orjson.dumps(call["arguments"]).decode()},
            }
            for number, call in enumerate(calls)
        ]
    except (ValueError, LookupError, TypeError):
        called = []  # no calls that a server could read
    if called:
        return {"role": "assistant", "content": None, "tool_calls": called}
    return {"role": "assistant", "content": text}


def answer_text(chat: Chat, token_ids: Sequence[int]) -> str:
    """The text that graders compare: of calls their JSON."""
    return text_of(answer_message(chat, token_ids))


def end_tokens(decoder: Decoder) -> set[int]:
    """The tokens at which any server ends an answer of the model."""
    ends = cast("int | list[int] | None", decoder.config.eos_token_id)
    return set(ends) if isinstance(ends, list) else set() if ends is None else {ends}
