"""Grammars that decoding is held to: an answer in a schema, calls of tools in the model's way, text without calls.

They are written in llguidance's dialect of Lark, which llama.cpp knows by its first line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from tuneloop.engines.local.schemas import arguments_schema, on_one_line
from tuneloop.engines.local.thoughts import BEGIN, END, Thoughts
from tuneloop.engines.local.tools import ToolUse
from tuneloop.tool_calls import ID, CallFormat
from tuneloop.types import Json

#: calls in one answer
_MOST_CALLS = 16


class Grammars:
    """Writes grammars for one model: `special` are its tokens that are no text, `thoughts` says whether it thinks.

    A tuned model writes JSON with the white space that it has learnt. Others write it on one line, for small ones lose
    themselves in white space.
    """

    def __init__(
        self, calls: CallFormat, special: Mapping[str, int], thoughts: Thoughts, *, tuned: bool = False
    ) -> None:
        self._tuned = tuned
        self._calls = calls
        self._special = special
        self._thoughts = thoughts

    def write(self, use: ToolUse, schema: Json) -> str | None:
        """The grammar of an answer, None where anything goes. Raises InvalidInput for parameters that are no schema."""
        answers = [*self._content(use, schema), *self._called(use, schema)]
        if not answers:
            return None
        rules = [f"start: {' | '.join(answers)}", *self._thought_rules(), *self._call_rules(use)]
        if schema is not None:
            rules.append(f"json: %json {json.dumps(schema if self._tuned else on_one_line(schema))}")
        rules.append("ANY: /(?s:.*)/")
        if "TEXT" in answers:
            rules.append(f"TEXT: ANY & ~(ANY {json.dumps(self._calls.opening)} ANY)")
        return "\n".join(["%llguidance {}", *rules])

    def _content(self, use: ToolUse, schema: Json) -> Iterator[str]:
        """What an answer without calls may be."""
        opening = self._calls.opening
        if use.mode == "required":
            return
        if schema is not None:
            yield f"{self._thinking} json"
        elif use.tools and opening in self._special:
            yield "ANY"
        elif use.tools and opening:
            yield "TEXT"
        elif use.mode == "auto":
            yield r"/([^\s{\[](?s:.*))?/"

    def _called(self, use: ToolUse, schema: Json) -> Iterator[str]:
        """What may stand before calls, and the calls."""
        opening = self._calls.opening
        if use.mode == "none":
            return
        if use.mode == "required" or schema is not None or not opening:
            yield f"{self._thinking} {self._literal(self._calls.first)} calls"
        else:
            before = f"ANY {self._literal(opening)}" if opening in self._special else "opening"
            yield f"{before} {self._literal(self._calls.first.strip().removeprefix(opening))} calls"

    @property
    def _thinking(self) -> str:
        return {"open": "thoughts", "possible": "thoughts?", "none": ""}[self._thoughts]

    def _thought_rules(self) -> Iterator[str]:
        if self._thoughts != "none":
            opening = "" if self._thoughts == "open" else f"{json.dumps(BEGIN)} "
            yield f"thoughts: {opening}thinking /\\s*/"
            yield f"thinking[lazy]: ANY {json.dumps(END)}"

    def _call_rules(self, use: ToolUse) -> Iterator[str]:
        if use.mode == "none":
            return
        if self._calls.opening and self._calls.opening not in self._special:
            yield f"opening[lazy]: ANY {json.dumps(self._calls.opening)}"
        more, last = self._calls.more, self._literal(self._calls.last)
        several = f"({self._literal(more)} call){{0,{_MOST_CALLS - 1}}} " if use.parallel and more is not None else ""
        yield f"calls: call {several}{last}"
        yield f"call: {' | '.join(f'call_{index}' for index in range(len(use.allowed)))}"
        for index, tool in enumerate(use.allowed):
            head = self._literal(tool["function"]["name"] + self._calls.between)
            param = f"tools[{use.tools.index(tool)}].function.parameters"
            yield f"call_{index}: {head} %json {json.dumps(on_one_line(arguments_schema(tool, param)))}"

    def _literal(self, text: str) -> str:
        """Text in a rule: special tokens by their number, ids as what the model makes up."""
        parts = re.split("|".join(map(re.escape, [ID, *self._special])).join("()"), text)
        return " ".join(self._part(part) for part in parts if part)

    def _part(self, part: str) -> str:
        if part == ID:
            return "/[A-Za-z0-9]{9}/"
        return f"<[{self._special[part]}]>" if part in self._special else json.dumps(part)
