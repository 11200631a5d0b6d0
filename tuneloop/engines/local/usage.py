"""What a call has used: tokens of the prompt, which counts once, and of all answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tuneloop.engines.local.fields import Fields
from tuneloop.engines.local.generation import End


@dataclass(kw_only=True, slots=True)
class Usage:
    """Counts while answers end."""

    prompt: int
    completion: int = 0
    #: tokens of the prompt that were remembered from earlier calls
    cached: int = 0
    #: tokens of thoughts
    reasoning: int = 0

    def add(self, end: End, reasoning: int = 0) -> None:
        """Count an answer that has ended."""
        self.completion += end.tokens
        self.cached = max(self.cached, min(end.cached, self.prompt))
        self.reasoning += min(reasoning, end.tokens)

    def told(self) -> dict[str, Any]:
        """As OpenAI tells it."""
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": self.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


def wants_usage(asked: Fields, *, stream: bool) -> bool:
    """Whether a stream is to end with a chunk that says what was used. Raises InvalidInput."""
    options = asked.object("stream_options")
    if options is None:
        return False
    if not stream:
        raise asked.error(
            "stream_options",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "invalid_value",
        )
    return options.boolean("include_usage") is True
