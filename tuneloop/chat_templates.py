"""Chat templates: the Jinja with which a model reads a conversation, and repairs of those that rewrite its past.

A template keeps prefixes when what it writes of a message stays as it is once more messages follow. Only then can all
answers of a conversation be learnt as they are served. `repaired` mends the known templates that do not; the tuned
model is served with the repaired one, its base with its own. docs/chat_templates.md says what changes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tuneloop.errors import InvalidInput
from tuneloop.types import Json, Message, Tool

if TYPE_CHECKING:
    import jinja2

TEMPLATE_FILE = "chat_template.jinja"

#: a template that asks for the day gets this one, which Llama 3 writes where there is no clock
_DAY = date(2024, 7, 26)


class ChatTemplate:
    """A template, and what it can show."""

    def __init__(self, source: str, special_tokens: Mapping[str, str]) -> None:
        self.source = source
        self._special_tokens = special_tokens

    def render(self, messages: Sequence[Message], tools: Sequence[Tool] = (), *, ask: bool = False) -> str:
        """The text of a conversation; with `ask`, up to where the next answer begins. Variables are llama.cpp's.

        Raises InvalidInput when the template refuses the messages.
        """
        import jinja2

        given = {"tools": list(tools)} if tools else {}
        try:
            return self._jinja.render(
                messages=messages, add_generation_prompt=ask, enable_thinking=True, **given, **self._special_tokens
            )
        except (jinja2.TemplateError, TypeError, ValueError, LookupError) as error:
            raise InvalidInput(f"the model's chat template refuses the messages: {error}", param="messages") from None

    def has(self, word: str) -> bool:
        """Whether the word stands anywhere in the template."""
        return word in self.source

    @cached_property
    def shows_system(self) -> bool:
        """Whether a system message is neither refused nor left out."""
        return self._shows("instructions", [{"role": "system", "content": "instructions"}, _USER])

    @cached_property
    def shows_tools(self) -> bool:
        """Whether definitions of tools appear."""
        return self._shows("call_name", [_USER], [_TOOL])

    @cached_property
    def arguments(self) -> type | None:
        """What the arguments of a tool call have to be, dict or str; None when calls are refused or left out."""
        for kind, arguments in ((dict, {"key": "call_value"}), (str, '{"key": "call_value"}')):
            if self._shows("call_value", [_USER, _calling(arguments)]):
                return kind
        return None

    @cached_property
    def shows_results(self) -> bool:
        """Whether messages of the role "tool" are neither refused nor left out."""
        arguments: Json = {"key": "value"} if self.arguments is dict else '{"key": "value"}'
        said = _calling(arguments) if self.arguments else {"role": "assistant", "content": "call"}
        result = {"role": "tool", "name": "call_name", "tool_call_id": _CALL_ID, "content": "result_value"}
        return self._shows("result_value", [_USER, said, result])

    def _shows(self, word: str, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> bool:
        try:
            return word in self.render(messages, tools, ask=True)
        except InvalidInput:
            return False

    @cached_property
    def _jinja(self) -> jinja2.Template:
        return _environment().from_string(self.source)

    @property
    def special_tokens(self) -> Mapping[str, str]:
        """Texts of bos_token and its like, which templates refer to by these names."""
        return self._special_tokens


_USER: Message = {"role": "user", "content": "question"}
_CALL_ID = "call00001"  # Mistral wants nine characters
_TOOL: Tool = {"type": "function", "function": {"name": "call_name", "description": "", "parameters": {}}}


def _calling(arguments: Json) -> Message:
    function = {"name": "call_name", "arguments": arguments}
    call = {"type": "function", "function": function, "id": _CALL_ID}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


def read_template(model_dir: Path) -> ChatTemplate:
    """The template that a model tuned on the one in `model_dir` is trained and served with. Raises InvalidInput."""
    return repaired(served_template(model_dir, None))


def served_template(model_dir: Path, trained: Path | None) -> ChatTemplate:
    """The template that a model is served with: the file `trained` that its training left, which may be a repaired
    version of that in `model_dir`, or None for a base model, which has its own. Raises InvalidInput."""
    config = _read_json(model_dir / "tokenizer_config.json")
    tokens = {key: value for key, value in config.items() if key.endswith("_token") and value}
    texts = {key: value["content"] if isinstance(value, dict) else value for key, value in tokens.items()}
    special_tokens = {key: text for key, text in texts.items() if isinstance(text, str)}
    source = _source(model_dir, config) if trained is None else trained.read_text(encoding="utf-8")
    return ChatTemplate(source, special_tokens)


def _source(model_dir: Path, config: dict[str, Json]) -> str:
    file = model_dir / TEMPLATE_FILE
    if file.is_file():
        return file.read_text(encoding="utf-8")
    template = config.get("chat_template")
    if isinstance(template, list):
        template = {item["name"]: item["template"] for item in template}.get("default")
    if not template:
        raise InvalidInput(f"the model in {model_dir} has no chat template: choose an instruct model", param="model")
    return str(template)


def _read_json(path: Path) -> dict[str, Json]:
    if not path.is_file():
        return {}
    value: dict[str, Json] = json.loads(path.read_text(encoding="utf-8"))
    return value


def repaired(template: ChatTemplate) -> ChatTemplate:
    """The template with what is known to rewrite earlier messages replaced; one that needs nothing comes back as it is.

    A prompt of one turn stays as the base model knows it, but for the day.
    """
    source = template.source
    for pattern, replacement in _REPAIRS:
        source = re.sub(pattern, replacement, source)
    source = _with_fixed_day(_with_thoughts_kept(source))
    mended = ChatTemplate(source, template.special_tokens)
    if not mended.shows_system:
        with_system = ChatTemplate(_SYSTEM_BEFORE_USER + source, template.special_tokens)
        mended = with_system if with_system.shows_system else mended
    return mended if mended.source != template.source else template


_REPAIRS = (
    # Qwen3: thoughts, be they empty, are kept in every answer, not in those after the last question only.
    (r"loop\.index0 > ns\.last_query_index", "true"),
    (r"loop\.last or \(not loop\.last and reasoning_content\)", "true"),
    # Mistral: system message and tools stand before the first question, not before the latest.
    (r"loop\.last and system_message is defined", "loop.first and system_message is defined"),
    (r"message == user_messages\[-1\]", "loop.first"),
    # Mistral: ids of calls made elsewhere, OpenAI's "call_..." say, are cut to nine characters, not refused.
    (r" or (tool_call\.id|message\.tool_call_id)\|length (?:!=|<) 9", ""),
    (r"\+ (tool_call\.id|message\.tool_call_id)(?:\[-9:\])? \+", r"+ ('00000000' + \1)[-9:] +"),
    # Gemma 3: content in parts comes joined, as other templates get it; this one forgets all but the first of a system
    # message, and runs the words of the others together.
    (r"elif message\['content'\] is iterable", "elif false"),
)

#: DeepSeek's distilled models: takes the thoughts out of every answer
_THOUGHTS_DROPPED = re.compile(
    r"\{%-?\s*if '</think>' in content\s*-?%\}\s*"
    r"\{%-?\s*set content = content\.split\('</think>'\)\[-1\]\s*-?%\}\s*\{%-?\s*endif\s*-?%\}"
)
_ASKS_FOR_THOUGHTS = re.compile(r"<think>\\n'\s*-?\}\}")
_THOUGHTS_FIRST = (
    "{%- set thoughts = content.split('</think>')[0].split('<think>')[-1] if '</think>' in content else '' %}"
    "{%- set content = '<think>\\n' + thoughts.strip('\\n') + '\\n</think>\\n\\n'"
    " + content.split('</think>')[-1].lstrip('\\n') %}"
)

_FIXED_DAY = f'{{#- always the same day -#}}{{%- set date_string = "{_DAY:%d %b %Y}" %}}'

#: as Gemma 3 does it, for templates that know no system message
_SYSTEM_BEFORE_USER = (
    "{%- if messages|length > 1 and messages[0]['role'] == 'system' and messages[1]['role'] == 'user' %}"
    "{%- set first = messages[0]['content'] + '\\n\\n' + messages[1]['content'] %}"
    "{%- set messages = [{'role': 'user', 'content': first}] + messages[2:] %}"
    "{%- endif %}"
)


def _with_thoughts_kept(source: str) -> str:
    """Answers as they were generated: the prompt of newer templates opens the thoughts, so each answer has some."""
    kept = _THOUGHTS_FIRST if _ASKS_FOR_THOUGHTS.search(source) else ""
    return _THOUGHTS_DROPPED.sub(lambda _: kept, source)


def _with_fixed_day(source: str) -> str:
    """Today's date would not be that of the training, nor the same on both sides of midnight. llama.cpp hands
    `date_string` to every template and knows `strftime_now`."""
    source = re.sub(r"strftime_now\(\s*(['\"])(.*?)\1\s*\)", lambda found: json.dumps(_DAY.strftime(found[2])), source)
    return source if "date_string" not in source or _FIXED_DAY in source else _FIXED_DAY + source


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
