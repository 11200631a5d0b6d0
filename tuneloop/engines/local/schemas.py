"""JSON Schemas that answers and arguments are held to while they are decoded, by llguidance inside llama.cpp.

llama.cpp takes a schema that llguidance cannot read for none at all, so each is tried here first. What llguidance does
not know (`not`, `if`, `uniqueItems`, unheard-of formats) is left out; `oneOf` counts as `anyOf`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson
from llguidance import LLMatcher

from tuneloop.engines.local.fields import Fields
from tuneloop.errors import InvalidInput
from tuneloop.types import Json, Tool

_NAMED = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems", "items")
_SINGLE = ("items", "additionalProperties", "contains", "not", "if", "then", "else")
#: with one of these beside it, `properties` does not say all that an object may have
_OPENING = ("additionalProperties", "unevaluatedProperties", "patternProperties", "allOf", "anyOf", "oneOf", "$ref")
_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "enum", "const")
_EXACT = 2**53 - 1  # RFC 8259, section 6

ANY_OBJECT = {"type": "object"}
_ONE_LINE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_NOTHING = {"type": "object", "properties": {}, "additionalProperties": False}


def read_response_format(asked: Fields) -> Json:
    """The schema that the field `response_format` holds an answer to; None for plain text. Raises InvalidInput."""
    given = asked.object("response_format")
    if given is None:
        return None
    kind = given.choice("type", ("text", "json_object", "json_schema"))
    if kind is None:
        raise given.missing("type")
    if kind != "json_schema":
        return ANY_OBJECT if kind == "json_object" else None
    described = given.object("json_schema")
    if described is None:
        raise given.missing("json_schema")
    name = described.text("name")
    if not name:
        raise described.missing("name")
    described.text("description")
    described.boolean("strict")
    schema = described.mapping("schema")
    try:
        return enforceable(orjson.dumps(ANY_OBJECT if schema is None else schema))
    except ValueError as error:
        raise InvalidInput(f"Invalid schema for response_format '{name}': {error}", param="response_format") from None


def arguments_schema(tool: Tool, param: str) -> Json:
    """The schema of a tool's arguments. Raises InvalidInput."""
    function = tool["function"]
    schema = function.get("parameters")
    try:
        return enforceable(orjson.dumps(_NOTHING if not schema else {"type": "object", **schema}))
    except ValueError as error:
        raise InvalidInput(
            f"Invalid schema for function '{function['name']}': {error}",
            param=param,
            code="invalid_function_parameters",
        ) from None


def on_one_line(schema: Json) -> Json:
    """The schema of JSON in Python's usual form, {"a": [1, 2]}, as calls of tools have it in training."""
    return {**schema, "x-guidance": {**schema.get("x-guidance", {}), **_ONE_LINE}}


@lru_cache(maxsize=256)
def enforceable(schema: bytes) -> Json:
    """The schema (as JSON) with which it is enforced. Raises ValueError that says what is wrong with it.

    Where it does not say otherwise, an object has no other properties than those that are named, and a whole number is
    one that every reader of JSON holds exactly: a small model would not come to an end.
    """
    given = orjson.loads(schema)
    fault = ""
    for candidate in (_bounded(given), given):
        lenient = {**candidate, "x-guidance": {"lenient": True}}
        fault = LLMatcher.validate_grammar(LLMatcher.grammar_from_json_schema(orjson.dumps(lenient).decode()))
        if not fault:
            return lenient
    raise ValueError(fault)


def _bounded(schema: Json, *, close: bool = True) -> Json:
    """The schema with bounds where it has none. Parts of `allOf` stay open, for each has to let the others' through."""
    if not isinstance(schema, dict):
        return schema
    bounded: dict[str, Any] = dict(schema)
    for key, value in schema.items():
        if key in _NAMED and isinstance(value, dict):
            bounded[key] = {name: _bounded(one) for name, one in value.items()}
        elif key in _LISTS and isinstance(value, list):
            bounded[key] = [_bounded(one, close=key != "allOf") for one in value]
        elif key in _SINGLE:
            bounded[key] = _bounded(value)
    if close and isinstance(schema.get("properties"), dict) and not any(key in schema for key in _OPENING):
        bounded["additionalProperties"] = False
    if schema.get("type") in ("integer", ["integer", "null"]) and not any(key in schema for key in _LIMITS):
        bounded |= {"minimum": -_EXACT, "maximum": _EXACT}
    return bounded
