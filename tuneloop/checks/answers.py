"""Answers by themselves: none, cut off, refused, padded, broken JSON, calls that break their tool's schema."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from statistics import median
from typing import Any

import orjson

from tuneloop.checks.findings import Finding
from tuneloop.checks.kinds import finding
from tuneloop.checks.refusals import refusal
from tuneloop.checks.repairs import mended
from tuneloop.checks.rows import Row
from tuneloop.checks.survey import Facts, Survey
from tuneloop.checks.texts import clip, plain
from tuneloop.types import Json

_NOTHING = frozenset({"null", "undefined"})
#: no letter, digit or sign that means something, or a word in brackets for nothing
_BLANK = re.compile(
    r"[\s.…,;:\"'`\u00ad\u200b-\u200f\u2060\ufeff]*|```\w*|[<(\[{]\s*(?:empty|blank|none|null|n/?a|"
    r"no (?:answer|response|output|content|reply|completion|text))\s*[>)\]}]",
    re.IGNORECASE,
)
#: answers that say nothing where the others say something
_HARDLY = frozenset("n/a na none nan nil - -- – — ? ?? ??? todo tbd tba xxx error".split())
_FENCE = re.compile(r"^\s*```[\w-]*\s*\n?(.*?)\n?\s*```\s*$", re.DOTALL)
_FENCES = re.compile(r"^\s*```", re.MULTILINE)

_TALK = re.compile(
    r"^\W*(?:sure(?: thing)?[!,.]|certainly[!,.]|of course[!,.]|absolutely[!,.]|great question|good question|"
    r"i(?:'|’)?d be happy to|happy to help|thank you for (?:your question|asking|reaching out)|"
    r"here(?:'|’)?s (?:the|your|an?) answer)"
    r"|(?:i hope (?:this|that) helps|let me know if (?:you|there)|feel free to (?:ask|reach)|"
    r"is there anything else i can)[^.!?]*[.!?]?\W*$",
    re.IGNORECASE,
)

#: rows of a task from which on its answers have a manner, words of an answer in sentences, and the share that makes it
FEWEST, _WORDS, _MOST = 20, 4, 0.9
#: a way to end that so few answers have is none
_RARE = 0.01
_FAULTY = frozenset({"empty", "failed_call", "truncated", "broken_json", "refusal"})
_STOPS = frozenset(".!?…。！？؟।:;|>—–")
#: words that no sentence ends with
_LINKS = frozenset(
    "the a an of and or with for from as that which whose your our my their if because than into der die das und oder "
    "mit ein eine einen zu für le la les de du et ou avec un une des el los y con para una il lo e di che com".split()
)
_ITEM = re.compile(r"\s*(?:[-*+•#|>]|\d{1,3}[.)]|[a-z]\)) ?")
_GOODBYES = frozenset({"kind regards", "best regards", "regards", "many thanks", "thanks", "best", "cheers"})


def check(row: Row) -> Iterator[Finding]:
    """What is wrong with a row's answer, whatever the others say."""
    if row.status >= 400:
        what = "the client hung up" if row.status == 499 else f"status {row.status}"
        yield finding("failed_call", row.number, f"the call failed: {what}", status=row.status)
        return
    text = row.answer_text.strip()
    if _is_nothing(text):
        yield finding("empty", row.number, f"the answer is {text!r}" if text else "the answer is empty", answer=text)
        return
    if row.finish_reason in ("length", "content_filter", "error", "max_tokens"):
        message = f"the answer ends in the middle ({row.finish_reason}): {_end(text)!r}"
        yield finding("truncated", row.number, message, finish_reason=row.finish_reason, end=_end(text))
        return
    if text.startswith("```") and len(_FENCES.findall(text)) % 2:
        yield finding("truncated", row.number, f"the block of code ends in the middle: {_end(text)!r}", end=_end(text))
        return
    yield from _calls(row)
    yield from _json(row, text)
    if phrase := refusal(text):
        yield finding("refusal", row.number, f"the answer refuses: {clip(text)!r}", phrase=clip(phrase))
    elif match := _TALK.search(text):
        yield finding("empty_talk", row.number, f"{clip(match.group(), 40)!r} says nothing", phrase=clip(match.group()))


def check_all(survey: Survey) -> Iterator[Finding]:
    """Answers that say nothing, or end in the middle of a sentence, where the others of their task do not."""
    for rows in survey.each_task(FEWEST):
        texts = [facts for facts in rows if not facts.codes & _FAULTY]
        if len(texts) < FEWEST:
            continue
        usual = median(len(facts.answer.split()) for facts in texts)
        json = sum(facts.answer[:1] in ("{", "[") for facts in texts)
        for facts in texts:
            hollow = facts.answer in ("{}", "[]") and json < 0.1 * len(texts)
            if hollow or (usual >= _WORDS and facts.answer.lower() in _HARDLY):
                yield finding("empty", facts.number, f"the answer is {facts.answer!r}", answer=facts.answer)
        if usual < _WORDS:
            continue
        yield from _cut([facts for facts in texts if len(facts.answer.split()) >= _WORDS])


def _cut(rows: Sequence[Facts]) -> Iterator[Finding]:
    """Answers that end in the middle of a sentence, where nearly all end with one."""
    ends = {facts.number: end for facts in rows if (end := _odd_end(facts.answer))}
    if len(ends) > (1 - _MOST) * len(rows):
        return
    counts = Counter(ends.values())
    words = Counter(word for facts in rows for word in set(plain(facts.answer).split()))
    for facts in rows:
        kind = ends.get(facts.number)
        if kind and (counts[kind] <= max(1, _RARE * len(rows)) or (kind == "word" and _is_open(facts.answer, words))):
            end = _end(facts.answer)
            message = f"the answer ends in the middle of a sentence, which the others do not: {end!r}"
            yield finding("truncated", facts.number, message, end=end)


def _odd_end(text: str) -> str | None:
    """With what a text ends that is no end of a sentence: "word", or a sign; None where it has one or needs none."""
    last = text.rstrip("\"'”’»)]}*_`~ ")[-1:]
    line = text.rsplit("\n", 1)[-1]
    if not last or last in _STOPS or unicodedata.category(last)[0] in "SC" or "://" in line.rsplit(" ", 1)[-1]:
        return None
    if "\n" in text and (_ITEM.match(line) or _signed(line)):
        return None
    return "word" if last.isalnum() else last


def _is_open(text: str, words: Counter[str]) -> bool:
    """Whether the last word of a text calls for another, or is the beginning of one."""
    last = (plain(text).split() or [""])[-1]
    cut = words[last] <= 1 and len(last) >= 3 and any(word.startswith(last) and word != last for word in words)
    return last in _LINKS or cut


def _signed(line: str) -> bool:
    """Whether a line looks like the name under a letter."""
    words = line.split()
    return len(words) <= 4 and line[:1].isupper() and (words[-1][:1].isupper() or line.lower() in _GOODBYES)


def _is_nothing(text: str) -> bool:
    return text.lower() in _NOTHING or (len(text) < 40 and _BLANK.fullmatch(text) is not None)


def parsed(text: str) -> tuple[Json, bool]:
    """The JSON object or list that an answer is, and whether it stands alone; (None, False) where there is none."""
    for candidate, alone in ((text, True), (match.group(1) if (match := _FENCE.match(text)) else "", False)):
        if candidate[:1] in ("{", "["):
            try:
                return orjson.loads(candidate), alone
            except orjson.JSONDecodeError:
                continue
    return None, False


def schema_errors(value: Json, schema: Mapping[str, Json]) -> list[str]:
    """How a value breaks a JSON schema, the first three ways; a schema that is none breaks nothing."""
    validator = _validator(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))
    if validator is None:
        return []
    found = []
    try:
        for error in itertools.islice(validator.iter_errors(value), 3):
            where = ".".join(str(step) for step in error.absolute_path)
            found.append(clip(f"{where}: {error.message}" if where else error.message, 160))
    except Exception:  # schemas are strangers' work: circles, references to nowhere, patterns that are none
        return []
    return found


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Any:
    import jsonschema
    from referencing.jsonschema import EMPTY_REGISTRY

    parsed_schema = orjson.loads(schema)
    try:
        kind = jsonschema.validators.validator_for(parsed_schema, default=jsonschema.Draft202012Validator)
        kind.check_schema(parsed_schema)
    except Exception:  # not a SchemaError alone: "$schema" may be anything
        return None
    return kind(parsed_schema, registry=EMPTY_REGISTRY)  # which fetches nothing


def _end(text: str) -> str:
    return text if len(text) <= 40 else f"…{text[-40:]}"


def _calls(row: Row) -> Iterator[Finding]:
    """Calls of tools that are not offered, or whose arguments break the tool's schema."""
    answer = row.answer or {}
    functions = [call.get("function") or {} for call in answer.get("tool_calls") or ()]
    functions += [answer["function_call"]] if answer.get("function_call") else []
    offered = {(tool.get("function") or {}).get("name"): (tool.get("function") or {}) for tool in row.tools}
    for function in functions:
        name, arguments = function.get("name"), function.get("arguments")
        if offered and name not in offered:
            message = f"the answer calls {name!r}, which is not among the row's tools"
            yield finding("schema_violation", row.number, message, called=name, tools=sorted(map(str, offered))[:20])
            continue
        try:
            value = orjson.loads(arguments or "{}") if isinstance(arguments, str | None) else arguments
        except orjson.JSONDecodeError as error:
            message = f"the arguments of {name!r} are not JSON: {error}"
            yield finding("broken_json", row.number, message, arguments=clip(str(arguments)))
            continue
        if errors := schema_errors(value, offered.get(name, {}).get("parameters") or {}):
            message = f"the arguments of {name!r} break its schema: {errors[0]}"
            yield finding("schema_violation", row.number, message, errors=errors)


def _json(row: Row, text: str) -> Iterator[Finding]:
    """JSON that is cut or broken, or not what the request's schema says."""
    value, alone = parsed(text)
    schema = ((row.response_format or {}).get("json_schema") or {}).get("schema")
    wanted = (row.response_format or {}).get("type") in ("json_object", "json_schema")
    if value is None:
        if row.answer is not None and row.answer.get("tool_calls"):
            return
        if (wanted or _OPENED.match(text)) and is_cut(text):
            yield finding("truncated", row.number, f"the JSON ends in the middle: {_end(text)!r}", end=_end(text))
        elif wanted or _meant_as_json(text):
            message = f"not JSON, though {'asked for' if wanted else 'it begins so'}: {clip(text)!r}"
            yield finding("broken_json", row.number, message, _repaired(text, schema), answer=clip(text))
    elif isinstance(schema, dict) and (errors := schema_errors(value, schema)):
        yield finding("schema_violation", row.number, f"the answer breaks the schema: {errors[0]}", errors=errors)
    elif wanted and not alone:
        message = f"more than the JSON alone: {clip(text)!r}"
        yield finding("format_violation", row.number, message, _repaired(text, schema), answer=clip(text))


def _repaired(text: str, schema: Json) -> dict[str, Json]:
    """The evidence of what an answer was meant to be, where that can be told and fits the schema."""
    found = mended(text, lambda value: not (isinstance(schema, dict) and schema_errors(value, schema)))
    return {} if found is None else {"repaired": found}


#: how JSON begins, whole or cut
_OPENED = re.compile(r"\{\s*(?:\"|'|$)|\[\s*(?:\{\s*[\"']|\"[^\"]*\"\s*,)")
_MEANT = re.compile(r"\{\s*[\"'\w]+\s*:|\[\s*\{")


def _meant_as_json(text: str) -> bool:
    inner = match.group(1) if (match := _FENCE.match(text)) else text
    return inner.rstrip()[-1:] in ("}", "]") and _MEANT.match(inner) is not None


def is_cut(text: str) -> bool:
    """Whether brackets or a text are still open at the end of what would be JSON."""
    depth, inside, escaped = 0, False, False
    for character in text:
        if escaped:
            escaped = False
        elif inside:
            escaped, inside = character == "\\", character != '"'
        elif character == '"':
            inside = True
        else:
            depth += (character in "{[") - (character in "}]")
    return inside or depth > 0
