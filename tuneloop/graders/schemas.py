"""JSON Schemas of strangers: other documents are not fetched, and patterns have a limit of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tuneloop.graders import patterns
from tuneloop.graders.grading import GradingFailed
from tuneloop.types import Json

#: what is wrong with a value, or None
Check = Callable[[Json], str | None]


def checker(schema: Json) -> Check:
    """How values are checked; by draft 2020-12 where the schema does not say. Raises ValueError for what is none."""
    from jsonschema import Draft202012Validator, SchemaError, validators
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import EMPTY_REGISTRY

    if not isinstance(schema, Mapping | bool):
        raise ValueError("it is neither an object nor true or false")
    kind = validators.validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise ValueError(error.message) from None
    written = str(schema)
    if "unevaluatedProperties" in written and "patternProperties" in written:
        raise ValueError("unevaluatedProperties beside patternProperties is not supported")
    ours = {"pattern": _pattern, "patternProperties": _of_patterns, "additionalProperties": _additional}
    validator = validators.extend(kind, ours)(schema, registry=EMPTY_REGISTRY)

    def check(value: Json) -> str | None:
        try:
            error = best_match(validator.iter_errors(value))
        except (Unresolvable, RecursionError) as problem:
            raise GradingFailed("other_error", f"the schema cannot be followed: {problem}") from None
        return None if error is None else f"{error.json_path}: {error.message}"

    return check


# jsonschema's own keywords search with `re`, which some patterns keep busy for ever.


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if isinstance(instance, str) and not patterns.find(pattern, instance, "search"):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _of_patterns(validator: Any, schemas: Mapping[str, Json], instance: Any, _schema: Any) -> Iterator[Any]:
    for pattern, schema in schemas.items() if isinstance(instance, dict) else ():
        for name in [name for name in instance if patterns.find(pattern, name, "search")]:
            yield from validator.descend(instance[name], schema, path=name, schema_path=pattern)


def _additional(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    known, named = schema.get("patternProperties", ()), schema.get("properties", ())
    for name in [name for name in instance if name not in named] if isinstance(instance, dict) else ():
        if any(patterns.find(pattern, name, "search") for pattern in known):
            continue
        if allowed is False:
            yield ValidationError(f"there is no property {name!r}")
        else:
            yield from validator.descend(instance[name], allowed, path=name)
