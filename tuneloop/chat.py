"""Chat to tokens, in one place: for training, and for the gate that compares training with serving.

Uses the `tokenizers` library and the model's own Jinja template as transformers does (same settings, same result),
without importing transformers, which brings in torch and takes seconds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tuneloop.calls import content_text
from tuneloop.chat_templates import ChatTemplate, read_template
from tuneloop.errors import InvalidInput
from tuneloop.examples import Row
from tuneloop.tool_calls import HERMES, PROBE_ARGUMENTS, PROBES, CallFormat, format_of
from tuneloop.types import Json, Message, Tool

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class Rendered:
    """Tokens of a row and, for each of them, the weight of the loss on it (0 where nothing is to be learnt)."""

    token_ids: list[int]
    weights: list[float]


@dataclass(frozen=True, slots=True)
class _Turn:
    """A supervised answer in the text of a chat: its characters [start, end), end-of-turn token included."""

    start: int
    end: int
    weight: float


def load_chat(model_dir: Path, template: ChatTemplate | None = None) -> Chat:
    """The chat of what is tuned on the model in `model_dir` (tokenizer.json, config.json, template), or of what is
    served with another `template`.

    Raises InvalidInput when a file is missing.
    """
    from tokenizers import Tokenizer

    tokenizer_file = model_dir / "tokenizer.json"
    if not tokenizer_file.is_file():
        raise InvalidInput(f"{model_dir} has no tokenizer.json", param="model")
    config_file = model_dir / "config.json"
    config = json.loads(config_file.read_bytes()) if config_file.is_file() else {}
    return Chat(
        Tokenizer.from_file(str(tokenizer_file)),
        template or read_template(model_dir),
        context=int(config.get("max_position_embeddings", 0)) or None,
    )


class Chat:
    """Turns messages into token ids exactly as serving does."""

    def __init__(self, tokenizer: Tokenizer, template: ChatTemplate, context: int | None) -> None:
        self._tokenizer = tokenizer
        self.template = template
        self.context = context

    def prompt_text(self, messages: Sequence[Message], tools: Sequence[Tool] | None = None) -> str:
        """The text that asks for the next answer. Raises InvalidInput when the template refuses the messages."""
        return self._text(messages, tools, ask=True)

    def prompt_ids(self, messages: Sequence[Message], tools: Sequence[Tool] | None = None) -> list[int]:
        """The tokens that ask for the next answer. Raises InvalidInput when the template refuses the messages."""
        return self._encode(self.prompt_text(messages, tools))

    def count(self, chats: Sequence[tuple[Sequence[Message], Sequence[Tool]]]) -> list[int | None]:
        """How many tokens whole conversations have, with the definitions of their tools; None for those that the
        template refuses."""
        texts: list[str | None] = []
        for messages, tools in chats:
            try:
                texts.append(self._text(messages, tools))
            except InvalidInput:
                texts.append(None)
        counts = iter(self.count_texts([text for text in texts if text is not None]))
        return [None if text is None else next(counts) for text in texts]

    def count_texts(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each of the texts has."""
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def text_ids(self, text: str) -> list[int]:
        """The tokens of a text that is no chat, after those that begin every text."""
        return list(self._tokenizer.encode(text, add_special_tokens=True).ids)

    @cached_property
    def calls(self) -> CallFormat:
        """How the model writes calls of tools, in training and in answers."""
        return self._own_calls or HERMES

    @property
    def tokenizer_json(self) -> str:
        """The tokenizer, as its file has it."""
        return str(self._tokenizer.to_str())

    @cached_property
    def special_tokens(self) -> Mapping[str, int]:
        """The tokens that are no text, and their ids."""
        added = self._tokenizer.get_added_tokens_decoder()
        return {token.content: token_id for token_id, token in added.items() if token.special}

    def decode(self, token_ids: Sequence[int], *, special: bool = True) -> str:
        """The text of tokens, with or without the special ones."""
        return str(self._tokenizer.decode(list(token_ids), skip_special_tokens=not special))

    def render(self, row: Row) -> Rendered:
        """Tokens and loss weights of a row: the prompt as served, then the answer and its end-of-turn token.

        Earlier answers are learnt too, each with its own `weight`. Nothing is cut: compare with `context`. Raises
        InvalidInput when the template refuses the messages or does not keep prefixes.
        """
        try:
            return self._render(row)
        except InvalidInput as error:
            raise InvalidInput(f"Example {row.line}: {error.message}", param=error.param) from None

    def faults(self) -> list[str]:
        """What the template keeps this model from learning as it is served, a sentence for each kind of conversation.

        Other kinds can be learnt all the same. Templates that keep prefixes have no fault.
        """
        found = []
        for kind, messages in _PROBES.items():
            try:
                rendered = self._render(Row(line=0, messages=messages, tools=[_TOOL] if _CALLING in messages else []))
            except InvalidInput as error:
                found.append(f"{kind}: {error.message}")
                if kind == _SIMPLEST:
                    break
                continue
            pairs = zip(rendered.token_ids, rendered.weights, strict=True)
            learnt = self.decode([token for token, weight in pairs if weight])
            if lost := [word for word in _PROBE_WORDS if word in json.dumps(messages) and word not in learnt]:
                found.append(f"{kind}: the model's chat template leaves out the {', '.join(lost)} of an answer")
        return found

    def plain_messages(self, messages: Sequence[Message], tools: Sequence[Tool] | None = None) -> list[Message]:
        """Messages as the template can show them: text content, known roles, tool calls in text where it knows none.

        A template without tools gets them in the way of Hermes: definitions in the system message, calls as
        <tool_call>{"name": ..., "arguments": ...}</tool_call>, results as <tool_response> of the user.
        """
        plain: list[Message] = []
        for message in messages:
            if message["role"] in ("tool", "function") and not self.template.shows_results:
                _add_result(content_text(message.get("content")), plain)
            else:
                plain.append(self._plain_message(message))
        if tools and not self._shows_tools:
            definitions = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
            text = _TOOLS_PROMPT.format(definitions=definitions)
            if plain and plain[0]["role"] == "system":
                plain[0]["content"] = f"{plain[0]['content']}\n\n{text}"
            else:
                plain.insert(0, {"role": "system", "content": text})
        return plain

    def _plain_message(self, message: Message) -> Message:
        role, text = message["role"], content_text(message.get("content"))
        if role == "developer" and not self.template.has("<|channel|>"):  # as llama.cpp does it
            role = "system"
        if role == "function":
            role = "tool"
        plain: Message = {"role": role, "content": text}
        optional = ("name", "tool_call_id", "reasoning_content")
        plain.update({key: message[key] for key in optional if message.get(key) is not None})
        calls = [_plain_call(call, self.template.arguments or dict) for call in _calls(message)]
        if calls and self._own_calls:
            plain["tool_calls"] = calls
        elif calls:
            written = HERMES.write([(call["function"]["name"], call["function"]["arguments"]) for call in calls])
            plain["content"] = f"{text}\n{written}" if text else written
        return plain

    @property
    def _shows_tools(self) -> bool:
        """Whether the template shows definitions of tools, and calls for them can be read."""
        return self.template.shows_tools and (self.template.arguments is None or self._own_calls is not None)

    @cached_property
    def _own_calls(self) -> CallFormat | None:
        """The template's way of writing calls, if it has one that can be read."""
        if self.template.arguments is None:
            return None
        functions = [({"name": name, "arguments": PROBE_ARGUMENTS}, call_id) for name, call_id in PROBES]
        calls = [_plain_call({"function": one, "id": call_id}, self.template.arguments) for one, call_id in functions]
        one, two = self._probed(calls[:1]), self._probed(calls)
        return format_of(one, two) if one is not None else None

    def _probed(self, calls: list[dict[str, Json]]) -> str | None:
        """What the template writes for an answer with calls, or None where it refuses them."""
        messages: list[Message] = [_QUESTION, {"role": "assistant", "content": "", "tool_calls": calls}]
        try:
            prompt = self.template.render(messages[:1], [_plain_tool(_TOOL)], ask=True)
            whole = self.template.render(messages, [_plain_tool(_TOOL)])
            end = self._end_of_turn(whole, len(prompt)) - len(self._end_token)
            return whole[len(prompt) : end] if whole.startswith(prompt) else None
        except InvalidInput:
            return None

    def _render(self, row: Row) -> Rendered:
        prompt = self.prompt_text(row.messages[:-1], row.tools)
        whole = self._text(row.messages, row.tools)
        encoding = self._tokenizer.encode(prompt, add_special_tokens=False)
        token_ids, weights = list(encoding.ids), [0.0] * len(encoding.ids)
        for turn in self._turns(row, prompt, whole):
            if turn.start == len(prompt):
                answer_ids = self._answer_ids(prompt, encoding.ids, whole[turn.start : turn.end])
                token_ids += answer_ids
                weights += [turn.weight] * len(answer_ids)
            else:
                for index, (start, end) in enumerate(encoding.offsets):
                    if turn.start <= start and end <= turn.end:
                        weights[index] = turn.weight
        return Rendered(token_ids, weights)

    def _turns(self, row: Row, prompt: str, whole: str) -> Iterator[_Turn]:
        """The supervised answers of a row, the last of which begins where `prompt` ends in the `whole` text."""
        last = len(row.messages) - 1
        for index, message in enumerate(row.messages):
            weight = float(1.0 if (given := message.get("weight")) is None else given) * row.weight
            if message["role"] != "assistant" or weight == 0 or index == 0:
                continue
            before = prompt if index == last else self.prompt_text(row.messages[:index], row.tools)
            through = whole if index == last else self._text(row.messages[: index + 1], row.tools)
            if not through.startswith(before):
                raise _rewritten(f"the prompt of message {index + 1}", before, through, "the answer", _OTHER_MODEL)
            end = self._end_of_turn(through, len(before))
            if index != last and not prompt.startswith(through[:end]):
                raise _rewritten(f"message {index + 1}", through[:end], prompt, "later messages", _LAST_ONLY)
            yield _Turn(len(before), end, weight)

    def _answer_ids(self, prompt: str, prompt_ids: Sequence[int], answer: str) -> list[int]:
        """The tokens of the last answer, which continue the prompt's, as they do when they are generated."""
        if self._adds_space:
            together = self._encode(prompt + answer)
            if together[: len(prompt_ids)] == prompt_ids:
                return together[len(prompt_ids) :]
        # White space at its start must not become one token with the prompt's end.
        return self._encode(answer)

    @cached_property
    def _adds_space(self) -> bool:
        """Whether text gets a space before its first word, as Llama 2's does; an answer is not the first."""
        return str(self._tokenizer.id_to_token(self._encode("a")[0])).startswith("\u2581")

    def _end_of_turn(self, text: str, start: int) -> int:
        """Where the end-of-turn token ends that closes the answer which begins at `start`."""
        found = text.rfind(self._end_token, start)
        if found < 0:
            raise InvalidInput(
                f"the model's chat template does not end this answer with {self._end_token!r}", param="model"
            )
        return found + len(self._end_token)

    @property
    def end_token_id(self) -> int:
        """The token that ends an answer."""
        return int(self._tokenizer.token_to_id(self._end_token) or 0)

    @cached_property
    def _end_token(self) -> str:
        """The special token after an answer; a template may write more (line ends, the end of the text) behind it."""
        text = self.template.render(
            [{"role": "user", "content": "question"}, {"role": "assistant", "content": "answer"}]
        )
        rest = text.rpartition("answer")[2]
        added = self._tokenizer.get_added_tokens_decoder().values()
        special = [token.content for token in added if token.special and token.content in rest]
        if not special:
            raise InvalidInput("the model's chat template does not end an answer with a special token", param="model")
        return min(special, key=rest.index)

    def _text(self, messages: Sequence[Message], tools: Sequence[Tool] | None, ask: bool = False) -> str:
        shown = [_plain_tool(tool) for tool in tools] if tools and self._shows_tools else ()
        return self.template.render(self.plain_messages(messages, tools), shown, ask=ask)

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)


_TOOLS_PROMPT = """\
You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{definitions}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""


def _add_result(text: str, plain: list[Message]) -> None:
    """A tool's result as the user's words; results of one answer share a message, for turns must alternate."""
    response = f"<tool_response>\n{text}\n</tool_response>"
    if plain and plain[-1]["role"] == "user" and plain[-1]["content"].startswith("<tool_response>"):
        plain[-1]["content"] += f"\n{response}"
    else:
        plain.append({"role": "user", "content": response})


def _plain_tool(tool: Tool) -> Tool:
    """A definition with the fields that llama.cpp hands to templates."""
    function = tool.get("function") or {}
    details = {"description": function.get("description") or "", "parameters": function.get("parameters") or {}}
    return {"type": "function", "function": {"name": function.get("name"), **details}}


def _calls(message: Message) -> list[Mapping[str, Json]]:
    calls = list(message.get("tool_calls") or ())
    if message.get("function_call"):
        calls.append({"function": message["function_call"]})
    return calls


def _plain_call(call: Mapping[str, Json], kind: type) -> dict[str, Json]:
    """A call whose arguments are of the kind that the template wants, an object or its JSON."""
    arguments = call["function"].get("arguments") or {}
    if kind is dict and isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except json.JSONDecodeError:
            pass
    elif kind is str and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    plain = {"type": "function", "function": {"name": call["function"]["name"], "arguments": arguments}}
    return plain | ({"id": call["id"]} if call.get("id") else {})


_LAST_ONLY = 'Give earlier answers "weight": 0, so that the last alone is learnt, or make an example of each'
_OTHER_MODEL = "Choose another model, or mend the chat_template.jinja in its folder"


def _rewritten(what: str, first: str, later: str, followed_by: str, way_out: str) -> InvalidInput:
    """The complaint, with a few words from where the two texts part."""
    begin = max(0, len(os.path.commonprefix([first, later])) - 20)
    shown, shown_later = first[begin : begin + 60], later[begin : begin + 60]
    return InvalidInput(
        f"the model's chat template writes {what} as {shown!r}, but as {shown_later!r} with {followed_by} after it, "
        f"so that it cannot be learnt as it is served. {way_out}",
        param="model",
    )


_PROBE_WORDS = ("Answer", "reasoning", "lookup", "Bonn")
_TOOL: Tool = {"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}
_CALL = {"id": "call00001", "type": "function", "function": {"name": "lookup", "arguments": '{"city": "Bonn"}'}}
_SYSTEM: Message = {"role": "system", "content": "Be brief."}
_QUESTION: Message = {"role": "user", "content": "Question"}
_ANSWER: Message = {"role": "assistant", "content": "Answer"}
_THOUGHT: Message = {"role": "assistant", "content": "<think>\nreasoning\n</think>\n\nAnswer"}
_CALLING: Message = {"role": "assistant", "content": None, "tool_calls": [_CALL]}
_RESULT: Message = {"role": "tool", "name": "lookup", "tool_call_id": "call00001", "content": "result"}
#: the kind without which there is nothing to learn at all
_SIMPLEST = "A single answer"
_PROBES: Mapping[str, Sequence[Message]] = {
    _SIMPLEST: [_QUESTION, _ANSWER],
    "A system message": [_SYSTEM, _QUESTION, _ANSWER],
    "Several answers": [_SYSTEM, _QUESTION, _ANSWER, _QUESTION, _ANSWER],
    "Answers with <think>": [_QUESTION, _THOUGHT, _QUESTION, _THOUGHT],
    "Tool calls": [_SYSTEM, _QUESTION, _CALLING, _RESULT, _ANSWER, _QUESTION, _CALLING],
}
