"""json: an answer is JSON, fits a schema, or says what its reference says, whole or field by field."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson

from tuneloop.errors import InvalidInput
from tuneloop.graders import fields, templates
from tuneloop.graders.grading import GradingFailed, Score, Verdict
from tuneloop.graders.json_match import field_name, leaves, parse
from tuneloop.graders.schemas import Check, checker
from tuneloop.types import Json

MODES = ("valid", "schema", "exact", "fields")
#: fields whose own scores are told
_MOST_TOLD = 200


def json_check(grader: Mapping[str, Json], param: str) -> Score:
    """valid: 1 for JSON; schema: 1 for JSON that fits `schema` (JSON Schema, an object or a template that gives one);
    exact: 1 for the reference's JSON, order of keys aside; fields: the share of right fields, and each as a sub-reward
    under its path. A Markdown fence around the answer is taken off. Raises InvalidInput."""
    given = templates.text(grader, "input", param)
    mode = mode_of(grader)
    fields.choice({"mode": mode}, "mode", param, MODES)
    if mode in ("exact", "fields"):
        return _comparing(given, templates.text(grader, "reference", param), mode)
    check = _schema(grader.get("schema"), f"{param}.schema") if mode == "schema" else None

    def score(item: Mapping[str, Json], sample: Mapping[str, Json]) -> Verdict:
        try:
            value = parse(templates.fill(given, item, sample))
        except ValueError as error:
            return Verdict(notes={"why": f"not JSON: {error}"})
        why = check(item, sample)(value) if check else None
        return Verdict(reward=float(why is None), notes={} if why is None else {"why": why})

    return score


def mode_of(grader: Mapping[str, Json]) -> Json:
    """The mode that is asked for, else what follows from what the grader has: a schema, a reference, neither."""
    if grader.get("mode") is not None:
        return grader["mode"]
    if grader.get("schema") is not None:
        return "schema"
    return "fields" if grader.get("reference") is not None else "valid"


def _comparing(given: str, reference: str, mode: str) -> Score:
    def score(item: Mapping[str, Json], sample: Mapping[str, Json]) -> Verdict:
        answer, wanted = (templates.fill(text, item, sample) for text in (given, reference))
        try:
            right = leaves(parse(wanted))
        except ValueError as error:
            raise GradingFailed("other_error", f"the reference is not JSON: {error}") from None
        try:
            said = leaves(parse(answer))
        except ValueError as error:
            return Verdict(notes={"why": f"not JSON: {error}"})
        if mode == "exact":
            return Verdict(reward=float(said == right))
        equal = {path: path in right and right[path] == said.get(path) for path in (*right, *(said.keys() - right))}
        told = {field_name(path): float(same) for path, same in list(equal.items())[:_MOST_TOLD]}
        return Verdict(reward=sum(equal.values()) / len(equal), sub_rewards=told)

    return score


def _schema(schema: Json, param: str) -> Callable[[Mapping[str, Json], Mapping[str, Json]], Check]:
    """How the check of a row is found: always the same one, or a row's own. Raises InvalidInput."""
    if isinstance(schema, str):
        template = schema
        templates.check(template, param)

        def of_row(item: Mapping[str, Json], sample: Mapping[str, Json]) -> Check:
            try:
                return checker(orjson.loads(templates.fill(template, item, sample)))
            except ValueError as error:
                raise GradingFailed("other_error", f"the schema is none: {error}") from None

        return of_row
    given = fields.mapping(schema, param)
    try:
        check = checker(given)
    except ValueError as error:
        raise InvalidInput(f"'{param}' is no JSON Schema: {error}", param=param) from None
    return lambda item, sample: check
