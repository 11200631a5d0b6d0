"""The shape of an eval's data as JSON Schema: what its rows must fit, and what its graders can count on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuneloop.errors import InvalidInput
from tuneloop.types import Json

#: what a model's answer brings, as OpenAI describes it
_SAMPLE: Mapping[str, Json] = {
    "type": "object",
    "properties": {
        "model": {"type": "string"},
        "choices": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "index": {"type": "integer"},
                    "message": {
                        "type": "object",
                        "properties": {
                            "role": {"type": "string", "enum": ["assistant"]},
                            "content": {"type": ["string", "array", "null"]},
                            "refusal": {"type": ["string", "null"]},
                            "tool_calls": {"type": ["array", "null"], "items": {"type": "object"}},
                        },
                        "required": ["role"],
                    },
                    "finish_reason": {"type": ["string", "null"]},
                },
                "required": ["index", "message"],
            },
        },
        "output_text": {"type": "string"},
        "output_json": {"type": ["object", "array", "string", "number", "boolean", "null"]},
        "output_tools": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["output_text", "choices"],
}
_ANY_OBJECT: Mapping[str, Json] = {"type": "object"}


def shown(config: Mapping[str, Json]) -> dict[str, Json]:
    """An eval's data_source_config as answers have it: `schema` in place of what it was made from."""
    if config["type"] == "custom":
        item, with_sample = config["item_schema"], bool(config.get("include_sample_schema"))
    else:
        item, with_sample = _ANY_OBJECT, True
    properties = {"item": item, "sample": _SAMPLE} if with_sample else {"item": item}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    kept = {"metadata": config.get("metadata")} if config["type"] != "custom" else {}
    return {"type": config["type"], **kept, "schema": schema}


def check(schema: Mapping[str, Any], param: str) -> None:
    """Raises InvalidInput unless this is a JSON Schema (draft 2020-12)."""
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
        # A reference that leads nowhere, or out of the schema, shows at the first row only.
        misfit(schema)({})
    except SchemaError as error:
        raise InvalidInput(f"Invalid '{param}': {_place(error)}{error.message}", param=param) from None
    except InvalidInput as error:
        raise InvalidInput(f"Invalid '{param}': {error.message}", param=param) from None


def misfit(schema: Mapping[str, Any]) -> Callable[[Json], str | None]:
    """A function that says how a row's item does not fit the schema; None when it does. Raises InvalidInput where the
    schema refers to another that is not in it: nothing is fetched."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    validator = Draft202012Validator(schema, registry=Registry())

    def explain(item: Json) -> str | None:
        try:
            error = best_match(validator.iter_errors(item))
        except (Unresolvable, RecursionError) as problem:
            raise InvalidInput(f"the schema refers to what is not in it: {problem}") from None
        return None if error is None else f"{_place(error)}{error.message[:300]}"

    return explain


def _place(error: Any) -> str:
    path = ".".join(map(str, error.absolute_path))
    return f"{path}: " if path else ""
