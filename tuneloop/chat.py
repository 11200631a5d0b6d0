"""Chat to tokens, in one place: for training, and for the gate that compares training with serving.

Uses the `tokenizers` library and the model's own Jinja template as transformers does (same settings, same result),
without importing transformers, which brings in torch and takes seconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tuneloop.calls import content_text
from tuneloop.errors import InvalidData, InvalidInput
from tuneloop.examples import Row
from tuneloop.types import Json, Message, Tool

if TYPE_CHECKING:
    import jinja2
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


def load_chat(model_dir: Path) -> Chat:
    """The chat of the model in `model_dir` (tokenizer.json, config.json, template). Raises InvalidInput."""
    from tokenizers import Tokenizer

    tokenizer_file = model_dir / "tokenizer.json"
    if not tokenizer_file.is_file():
        raise InvalidInput(f"{model_dir} has no tokenizer.json", param="model")
    config = _read_json(model_dir / "tokenizer_config.json")
    return Chat(
        Tokenizer.from_file(str(tokenizer_file)),
        _template_source(model_dir, config),
        _special_tokens(config),
        context=int(_read_json(model_dir / "config.json").get("max_position_embeddings", 0)) or None,
    )


class Chat:
    """Turns messages into token ids exactly as serving does."""

    def __init__(
        self, tokenizer: Tokenizer, template: str, special_tokens: dict[str, str], context: int | None
    ) -> None:
        self._tokenizer = tokenizer
        self._source = template
        self._special_tokens = special_tokens
        self.context = context

    def prompt_text(self, messages: Sequence[Message], tools: Sequence[Tool] | None = None) -> str:
        """The text that asks for the next answer. Raises InvalidInput when the template refuses the messages."""
        return self._text(messages, tools, ask=True)

    def prompt_ids(self, messages: Sequence[Message], tools: Sequence[Tool] | None = None) -> list[int]:
        """The tokens that ask for the next answer. Raises InvalidInput when the template refuses the messages."""
        return self._encode(self.prompt_text(messages, tools))

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of tokens, special ones included."""
        return str(self._tokenizer.decode(list(token_ids), skip_special_tokens=False))

    def render(self, row: Row) -> Rendered:
        """Tokens and loss weights of a row: the prompt as served, then the answer and its end-of-turn token.

        Earlier answers are learnt too, each with its own `weight`. Raises InvalidInput when the template does not
        keep prefixes, InvalidData when the row is longer than the context.
        """
        last = len(row.messages) - 1
        prompt = self.prompt_text(row.messages[:last], row.tools)
        encoding = self._tokenizer.encode(prompt, add_special_tokens=False)
        token_ids, weights = list(encoding.ids), [0.0] * len(encoding.ids)
        for turn in self._turns(row, prompt):
            if turn.start == len(prompt):
                # The last answer continues the prompt's tokens, as it does when it is generated.
                answer_ids = self._encode(self._text(row.messages, row.tools)[turn.start : turn.end])
                token_ids += answer_ids
                weights += [turn.weight] * len(answer_ids)
            else:
                for index, (start, end) in enumerate(encoding.offsets):
                    if turn.start <= start and end <= turn.end:
                        weights[index] = turn.weight
        if self.context is not None and len(token_ids) > self.context:
            raise InvalidData(
                f"Example {row.line} has {len(token_ids)} tokens, more than the model's context of {self.context}"
            )
        return Rendered(token_ids, weights)

    def plain_messages(self, messages: Sequence[Message], tools: Sequence[Tool] | None = None) -> list[Message]:
        """Messages as the template can show them: text content, known roles, tool calls in text where it knows none.

        A template without tools gets them in the way of Hermes: definitions in the system message, calls as
        <tool_call>{"name": ..., "arguments": ...}</tool_call>.
        """
        plain = [self._plain_message(message) for message in messages]
        if tools and not self._knows("tools"):
            definitions = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
            text = _TOOLS_PROMPT.format(definitions=definitions)
            if plain and plain[0]["role"] == "system":
                plain[0]["content"] = f"{plain[0]['content']}\n\n{text}"
            else:
                plain.insert(0, {"role": "system", "content": text})
        return plain

    def _plain_message(self, message: Message) -> Message:
        role, text = message["role"], content_text(message.get("content"))
        if role == "developer" and not self._knows("developer"):
            role = "system"
        if role == "function":
            role = "tool"
        plain: Message = {"role": role, "content": text}
        plain.update({key: message[key] for key in ("name", "tool_call_id") if message.get(key) is not None})
        calls = _tool_calls(message)
        if calls and self._knows("tool_calls"):
            plain["tool_calls"] = [{"type": "function", "function": call} for call in calls]
        elif calls:
            lines = [f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>" for call in calls]
            plain["content"] = "\n".join([text, *lines] if text else lines)
        return plain

    def _turns(self, row: Row, prompt: str) -> list[_Turn]:
        """The supervised answers of a row, the last of which begins where `prompt` ends."""
        last = len(row.messages) - 1
        turns = []
        for index, message in enumerate(row.messages):
            weight = float(1.0 if (given := message.get("weight")) is None else given) * row.weight
            if message["role"] != "assistant" or weight == 0 or index == 0:
                continue
            before = prompt if index == last else self.prompt_text(row.messages[:index], row.tools)
            through = self._text(row.messages[: index + 1], row.tools)
            end = self._end_of_turn(through)
            if not through.startswith(before) or not (index == last or prompt.startswith(through[:end])):
                raise InvalidInput(
                    f"Example {row.line}, message {index + 1}: the model's chat template writes earlier messages "
                    "differently once later ones follow, so that a conversation cannot be trained as it is served",
                    param="model",
                )
            turns.append(_Turn(len(before), end, weight))
        return turns

    def _end_of_turn(self, text: str) -> int:
        """Where the end-of-turn token ends with which `text` closes; white space may follow it."""
        stripped = text.rstrip()
        if not any(stripped.endswith(token) for token in self._special_texts):
            raise InvalidInput("the model's chat template does not end an answer with a special token", param="model")
        return len(stripped)

    def _text(self, messages: Sequence[Message], tools: Sequence[Tool] | None, ask: bool = False) -> str:
        import jinja2

        try:
            return self._template.render(
                messages=self.plain_messages(messages, tools),
                tools=list(tools) if tools else None,
                documents=None,
                add_generation_prompt=ask,
                **self._special_tokens,
            )
        except jinja2.TemplateError as error:
            raise InvalidInput(f"the model's chat template refuses the messages: {error}", param="messages") from None

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _knows(self, word: str) -> bool:
        return word in self._source

    @cached_property
    def _special_texts(self) -> tuple[str, ...]:
        added = self._tokenizer.get_added_tokens_decoder().values()
        return tuple(token.content for token in added if token.special)

    @cached_property
    def _template(self) -> jinja2.Template:
        return _environment().from_string(self._source)


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


def _tool_calls(message: Message) -> list[dict[str, Json]]:
    """Calls as {"name", "arguments"}, the arguments' JSON text read, as templates expect it."""
    functions = [call["function"] for call in message.get("tool_calls") or ()]
    if message.get("function_call"):
        functions.append(message["function_call"])
    return [{"name": function["name"], "arguments": _arguments(function.get("arguments"))} for function in functions]


def _arguments(arguments: Json) -> Json:
    if not isinstance(arguments, str):
        return arguments or {}
    try:
        return json.loads(arguments or "{}")
    except json.JSONDecodeError:
        return arguments


def _read_json(path: Path) -> dict[str, Json]:
    if not path.is_file():
        return {}
    value: dict[str, Json] = json.loads(path.read_text(encoding="utf-8"))
    return value


def _template_source(model_dir: Path, config: dict[str, Json]) -> str:
    file = model_dir / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    template = config.get("chat_template")
    if isinstance(template, list):
        template = {item["name"]: item["template"] for item in template}.get("default")
    if not template:
        raise InvalidInput(f"the model in {model_dir} has no chat template: choose an instruct model", param="model")
    return str(template)


def _special_tokens(config: dict[str, Json]) -> dict[str, str]:
    """Texts of bos_token and its like, which templates refer to by these names."""
    tokens = {key: value for key, value in config.items() if key.endswith("_token") and value}
    texts = {key: value["content"] if isinstance(value, dict) else value for key, value in tokens.items()}
    return {key: text for key, text in texts.items() if isinstance(text, str)}


def _environment() -> jinja2.Environment:
    """Jinja set up as transformers does it (utils/chat_template_utils.py)."""
    import jinja2
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """{% generation %} marks what the assistant says; here it only lets its content through."""

        tags = {"generation"}

        def parse(self, parser: Parser) -> list[jinja2.nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def raise_exception(message: str) -> NoReturn:
        raise jinja2.TemplateError(message)

    def tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)

    def strftime_now(format: str) -> str:
        return datetime.now().strftime(format)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals.update(raise_exception=raise_exception, strftime_now=strftime_now)
    return environment
