"""What decoding is held to: schemas, calls in the model's way, text without calls."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from llguidance import LLMatcher, LLTokenizer

from tuneloop.engines.local.grammars import Grammars
from tuneloop.engines.local.schemas import arguments_schema, enforceable, on_one_line
from tuneloop.engines.local.thoughts import Thoughts
from tuneloop.engines.local.tools import ToolUse
from tuneloop.errors import InvalidInput
from tuneloop.tool_calls import HERMES, CallFormat
from tuneloop.types import Json

BYTES = LLTokenizer("byte")
LOOKUP = {
    "type": "function",
    "function": {
        "name": "lookup",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
NOW = {"type": "function", "function": {"name": "now"}}
CALL = '<tool_call>\n{"name": "lookup", "arguments": {"city": "Bonn"}}\n</tool_call>'
NO_ARGUMENTS = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
LLAMA = CallFormat(first='{"name": "', between='", "parameters": ', more=None, last="}")
SCHEMA = enforceable(b'{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}')


def accepts(grammar: str, text: str) -> bool:
    """Whether an answer may be exactly this."""
    matcher = LLMatcher(BYTES, LLMatcher.grammar_from_lark(grammar), log_level=0)
    assert not matcher.get_error() or matcher.is_stopped(), matcher.get_error()
    data = list(text.encode())
    return matcher.try_consume_tokens(data) == len(data) and matcher.is_accepting()


def follows(schema: Json, text: str) -> bool:
    return accepts(f"%llguidance {{}}\nstart: %json {json.dumps(enforceable(orjson.dumps(schema)))}", text)


def grammar(mode: Any, schema: Json = None, thoughts: Thoughts = "none", **others: Any) -> str:
    use = ToolUse(tools=[LOOKUP, NOW], mode=mode, **{"allowed": [LOOKUP, NOW], **others})
    written = Grammars(HERMES, {}, thoughts).write(use, schema)
    assert written is not None
    return written


def test_text_and_calls_where_both_may_be() -> None:
    auto = grammar("auto")
    for text in ("", "Hello.", "a <tool", CALL, f"Let me look.\n{CALL}", f"{CALL}\n{NO_ARGUMENTS}"):
        assert accepts(auto, text), text
    for text in (f"{CALL} and", "a <tool_call> b", CALL.replace("lookup", "other"), CALL.replace('"Bonn"', "3")):
        assert not accepts(auto, text), text


def test_a_call_that_has_to_be() -> None:
    required = grammar("required")
    assert accepts(required, CALL) and accepts(required, f"{CALL}\n{NO_ARGUMENTS}")
    assert not accepts(required, "Hello.") and not accepts(required, f"Hello. {CALL}")
    one = grammar("required", allowed=[NOW], parallel=False)
    assert accepts(one, NO_ARGUMENTS)
    assert not accepts(one, CALL) and not accepts(one, f"{NO_ARGUMENTS}\n{NO_ARGUMENTS}")


def test_calls_that_may_not_be() -> None:
    none = grammar("none")
    assert accepts(none, "Hello <b>.") and not accepts(none, CALL) and not accepts(none, f"Hello. {CALL}")
    assert Grammars(HERMES, {}, "none").write(ToolUse(), None) is None
    assert Grammars(LLAMA, {}, "none").write(ToolUse(tools=[NOW]), None) is None


def test_an_answer_in_a_schema() -> None:
    assert accepts(grammar("none", SCHEMA), '{"a": 1}') and not accepts(grammar("none", SCHEMA), CALL)
    both = grammar("auto", SCHEMA)
    assert accepts(both, '{"a": 1}') and accepts(both, CALL) and not accepts(both, "Hello.")


def test_a_tuned_model_has_its_own_white_space() -> None:
    for tuned, others in ((False, False), (True, True)):
        written = Grammars(HERMES, {}, "none", tuned=tuned).write(ToolUse(), SCHEMA)
        assert written is not None and accepts(written, '{"a": 1}')
        assert accepts(written, '{\n  "a": 1\n}') == accepts(written, '{"a":1}') == others


def test_thoughts_come_before_what_is_constrained() -> None:
    for thoughts, said in (("possible", "<think>\nHm {.\n</think>\n\n"), ("open", "Hm {.\n</think>\n\n")):
        for mode, schema, answer in (("none", SCHEMA, '{"a": 1}'), ("required", None, CALL)):
            written = grammar(mode, schema, thoughts)  # type: ignore[arg-type]
            assert accepts(written, said + answer)
            assert accepts(written, answer) == (thoughts == "possible")
            assert not accepts(written, said)


def test_calls_that_begin_as_json_does() -> None:
    call = '{"name": "lookup", "parameters": {"city": "Bonn"}}'
    for mode, text in (("auto", True), ("required", False)):
        use = ToolUse(tools=[LOOKUP], allowed=[LOOKUP], mode=mode)  # type: ignore[arg-type]
        written = Grammars(LLAMA, {}, "none").write(use, None)
        assert written is not None and accepts(written, call)
        assert accepts(written, "Hello.") == accepts(written, "") == text
        assert not accepts(written, '{"x": 1}') and not accepts(written, call + call)


def test_special_tokens_stand_by_their_numbers() -> None:
    form = CallFormat(first='[CALLS] [{"name": "', between='", "arguments": ', more=None, last=', "id": "\0"}]')
    use = ToolUse(tools=[NOW], allowed=[NOW], mode="required")
    written = Grammars(form, {"[CALLS]": 7}, "none").write(use, None)
    assert written is not None and '<[7]> " [{\\"name\\": \\""' in written
    matcher = LLMatcher(BYTES, LLMatcher.grammar_from_lark(written), log_level=0)
    tokens = [7, *b' [{"name": "now", "arguments": {}, "id": "a1B2c3D4e"}]']
    assert matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"enum": ["a", 1, None, [1]]}, ['"a"', "1", "null", "[1]"], ['"b"', "2"]),
        ({"const": {"a": 1}}, ['{"a":1}'], ['{"a":2}']),
        ({"type": ["string", "null"]}, ['"x"', "null"], ["1"]),
        ({"type": "boolean"}, ["true"], ["1"]),
        ({"type": "array", "items": {"const": 1}, "minItems": 2, "maxItems": 3}, ["[1, 1]"], ["[1]", "[1,1,1,1]"]),
        ({"type": "integer", "minimum": 0, "maximum": 9}, ["9"], ["10", "-1", "1.5"]),
        ({"type": "string", "minLength": 1, "maxLength": 2}, ['"é☃"'], ['""', '"abc"']),
        ({"type": "string", "pattern": "^[A-Z]{2}$"}, ['"AB"'], ['"ab"']),
        ({"type": "string", "format": "date"}, ['"2024-02-01"'], ['"today"']),
        (
            {
                "$defs": {
                    "node": {
                        "type": "object",
                        "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
                        "required": ["next"],
                        "additionalProperties": False,
                    }
                },
                "$ref": "#/$defs/node",
            },
            ['{"next": {"next": null}}'],
            ['{"next": 1}', "{}"],
        ),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, ['{"a": 1, "b": 2}'], ['{"a": "b"}']),
        ({"type": "object"}, ['{"a": [{}, null]}'], ["[]"]),
        ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, ["1", '"a"'], ["null"]),
    ],
)  # fmt: skip
def test_schemas_are_followed(schema: Json, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not follows(schema, text)] == []
    assert [text for text in bad if follows(schema, text)] == []


def test_objects_end_with_the_properties_that_are_named() -> None:
    properties = {"a": {"type": "integer"}, "b": {"type": "object", "properties": {"c": {"type": "integer"}}}}
    assert follows({"type": "object", "properties": properties}, '{"a": 1, "b": {"c": 2}}')
    assert not follows({"type": "object", "properties": properties}, '{"a": 1, "d": 2}')
    assert not follows({"type": "object", "properties": properties}, '{"b": {"d": 2}}')
    assert follows({"type": "object", "properties": properties, "additionalProperties": True}, '{"a": 1, "d": 2}')
    both = [{"type": "object", "properties": {name: {"type": "integer"}}, "required": [name]} for name in "ab"]
    assert follows({"allOf": both}, '{"a": 1, "b": 2}')


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "integer"}, "uniqueItems": True},
        {"type": "integer", "not": {"const": 3}},
        {"type": "integer", "format": "unheard-of"},
        {"title": "A number", "description": "x", "default": 3, "examples": [1], "type": "integer", "$comment": "x"},
    ],
)
def test_what_cannot_be_enforced_is_left_out(schema: Json) -> None:
    assert follows(schema, "[1, 1]" if schema["type"] == "array" else "3")


def test_whole_numbers_are_exact() -> None:
    schema = {"type": "object", "properties": {"a": {"type": ["integer", "null"]}}}
    assert follows(schema, f'{{"a": {2**53 - 1}}}') and follows(schema, '{"a": null}')
    assert not follows(schema, f'{{"a": {2**53}}}')
    assert follows({"type": "integer", "minimum": 2**53}, str(2**60))


def test_arguments_are_written_as_in_training() -> None:
    arguments = {"city": "Köln", "days": [1, 2]}
    properties = {"city": {"type": "string"}, "days": {"type": "array", "items": {"type": "integer"}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": properties}}}
    written = f"%llguidance {{}}\nstart: %json {json.dumps(on_one_line(arguments_schema(tool, 'p')))}"
    assert accepts(written, json.dumps(arguments, ensure_ascii=False))
    assert not accepts(written, json.dumps(arguments, indent=1))


def test_parameters_that_are_no_schema_are_named() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "banana"}}}
    with pytest.raises(InvalidInput, match="Invalid schema for function 'f': Invalid type: banana") as raised:
        Grammars(HERMES, {}, "none").write(ToolUse(tools=[NOW, tool], allowed=[tool], mode="auto"), None)
    assert raised.value.param == "tools[1].function.parameters"
