"""Datasets: immutable rows under a name, made from logs by a filter or from a file, with every row accounted for.

A row keeps what people said of it when the dataset was made, so that one dataset serves every method of fine-tuning:
what is imitated (supervised), a correction beside the answer it corrects (dpo), thumbs up and down (kto).
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import orjson

from tuneloop import calls, filters
from tuneloop.errors import InvalidInput
from tuneloop.examples import FEW_EXAMPLES, MIN_EXAMPLES
from tuneloop.protocols import Method
from tuneloop.store import Store
from tuneloop.store.batches import batches
from tuneloop.store.datasets import Member
from tuneloop.store.ids import canonical, content_id
from tuneloop.types import SPLITS, Dataset, Example, Log, Message, Score, Split

#: what becomes of rows with a thumb down
_BAD = "rated bad"
#: ratings that are a thumb up or down; to Python true is 1 and false is 0
_THUMBS = {
    "good": True,
    "up": True,
    "true": True,
    1: True,
    "bad": False,
    "down": False,
    "false": False,
    0: False,
    -1: False,
}

Shares = tuple[float, float, float]
SHARES: Shares = (0.8, 0.1, 0.1)


class Candidate(NamedTuple):
    """What a source row became: an Example, or the reason why not."""

    example: Example | None
    #: "kept", "corrected", "rated bad" or "unusable: ..."
    outcome: str


def create(store: Store, name: str, *, where: str = "", shares: Shares = SHARES, salt: str = "") -> Dataset:
    """Make a dataset of the logs that match a filter: corrections replace answers, duplicates and unusable calls
    are left out and counted; rows rated bad are kept for kto alone. Raises InvalidInput when fewer than ten examples
    remain."""
    logs = store.logs.each(filters.given(filters.parse(where)))
    found = (_from_log(log, scores, shares, salt) for log, scores in _with_scores(store, logs))
    return write(store, name, found, origin=f"logs where {where}" if where else "all logs")


def import_rows(
    store: Store,
    name: str,
    rows: Iterable[Mapping[str, Any]],
    *,
    origin: str,
    shares: Shares = SHARES,
    split: Split | None = None,
    held_out: Iterable[Mapping[str, Any]] = (),
) -> Dataset:
    """Make a dataset of training rows in the format of any method; `split` puts them all in one split, `held_out` are
    rows for the test split. A held-out row that is among the others too stays there: a duplicate."""
    found = (_from_row(row, shares, split) for row in rows)
    for_test = (_from_row(row, shares, "test") for row in held_out)
    return write(store, name, itertools.chain(found, for_test), origin=origin)


def warnings(dataset: Dataset) -> list[str]:
    """What its owner should know before tuning on it."""
    total = sum(dataset.counts.values())
    found = []
    if total < FEW_EXAMPLES:
        found.append(f"{total} examples are few: 50 to 100 good ones is where results start to be good")
    if bad := dataset.account.get(_BAD):
        found.append(f"{bad} rows are rated bad: only the method kto learns from them")
    found += [f"no {split} rows" for split in SPLITS if not dataset.counts.get(split)]
    return found


def good(rows: Iterable[Example]) -> Iterator[Example]:
    """The rows worth imitating: all but those that people rated bad."""
    return (row for row in rows if row.label is not False)


def export(rows: Iterable[Example], method: Method = "supervised") -> Iterator[bytes]:
    """What a method learns from rows, as the JSON Lines of its training files (tuneloop.examples)."""
    for row in rows:
        for line in training_rows(row, method):
            yield orjson.dumps(line) + b"\n"


def training_rows(example: Example, method: Method) -> list[dict[str, Any]]:
    """What a method learns from one row: for supervised the row, for dpo a pair for each answer that it corrects, for
    kto the row with its label, and each answer that it corrects as a bad one, for reinforcement the prompt with the
    answer as `reference`; in each case perhaps nothing."""
    *prompt, target = example.messages
    call = ({"tools": list(example.tools)} if example.tools else {}) | dict(example.extra)
    if method == "kto":
        labelled = [] if example.label is None else [(target, example.label)]
        labelled += [(worse, False) for worse in example.rejected]
        return [{"messages": [*prompt, answer], **call, "label": label} for answer, label in labelled]
    if example.label is False:
        return []
    if method == "reinforcement":
        return [{**call, "messages": prompt, **_reference(target)}] if prompt[-1]["role"] == "user" else []
    if method == "dpo":
        asked = {"messages": prompt, **call}
        return [
            {"input": asked, "preferred_output": [target], "non_preferred_output": [worse]}
            for worse in example.rejected
        ]
    weight = {"weight": example.weight} if example.weight != 1.0 else {}
    return [{"messages": [*prompt, target], **call, **weight}]


def _reference(target: Message) -> dict[str, Any]:
    """An answer as a grader compares with it: `item.reference` with `sample.output_text`, and likewise the tools."""
    tools = {"reference_tools": target["tool_calls"]} if target.get("tool_calls") else {}
    return {"reference": calls.content_text(target.get("content")), **tools}


def check_enough(dataset: Dataset, rows: Iterable[Example], method: Method) -> None:
    """Raises InvalidInput when a method cannot learn from these rows of a dataset, and says what to do."""
    labels = Counter(line.get("label") for row in rows for line in training_rows(row, method))
    total = sum(labels.values())
    if total >= MIN_EXAMPLES and (method != "kto" or (labels[True] and labels[False])):
        return
    what = {
        "supervised": f"{total} to imitate, but supervised needs at least {MIN_EXAMPLES}. "
        "Score more calls or widen the filter",
        "dpo": f"{total} with a correction beside the answer it corrects, but dpo needs at least {MIN_EXAMPLES}. "
        "Correct more answers (tuneloop feedback LOG --correction TEXT)",
        "reinforcement": f"{total} prompts that end with the user's message, but reinforcement needs at least "
        f"{MIN_EXAMPLES}. Widen the filter",
        "kto": f"{labels[True]} good and {labels[False]} bad answers, but kto needs at least {MIN_EXAMPLES}, some of "
        "each. Rate more (tuneloop feedback LOG bad) and let the filter take both (score.rating in (good, bad) or "
        "corrected)",
    }[method]
    raise InvalidInput(
        f"dataset {dataset.name!r} has among its train rows {what}, then make the dataset anew",
        param="dataset",
        code="invalid_n_examples",
    )


def split_of(messages: Sequence[Message], tools: Sequence[Any], shares: Shares = SHARES, salt: str = "") -> Split:
    """The split of a row, by the hash of its input (all but the last message, and the tools): equal inputs never
    straddle, and a row stays where it is when the data grows."""
    digest = hashlib.sha256(salt.encode() + canonical([messages[:-1], tools])).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    return "train" if place < shares[0] else "validation" if place < shares[0] + shares[1] else "test"


def parse_shares(text: str) -> Shares:
    """'80/10/10' -> (0.8, 0.1, 0.1): train, validation and test in percent."""
    try:
        parts = [float(part) for part in text.split("/")]
    except ValueError:
        parts = []
    if len(parts) != 3 or min(parts) < 0 or abs(sum(parts) - 100) > 0.01 or parts[0] == 0:
        raise InvalidInput(f"the split must be three percentages that make 100, such as 80/10/10, not {text!r}")
    return parts[0] / 100, parts[1] / 100, parts[2] / 100


def parse_split(text: str, where: str) -> Split:
    """The split of this name; `where` is what named it. Raises InvalidInput."""
    for known in SPLITS:
        if known == text:
            return known
    raise InvalidInput(f"{where} must be one of {', '.join(SPLITS)}, not {text!r}")


def _name(name: str) -> str:
    if not name or len(name) > 200 or any(c in name for c in "/\\\n\t") or name != name.strip():
        raise InvalidInput(
            f"a dataset's name is 1 to 200 characters without / or line ends, not {name!r}", param="name"
        )
    return name


def _with_scores(store: Store, logs: Iterable[Log]) -> Iterator[tuple[Log, list[Score]]]:
    for batch in batches(logs):
        scores = store.scores.of([log.id for log in batch])
        for log in batch:
            yield log, scores[log.id]


def _from_log(log: Log, scores: Sequence[Score], shares: Shares, salt: str) -> Candidate:
    request = calls.parse(log.request)
    request = request if isinstance(request, dict) else {}
    try:
        messages, tools = calls.conversation(request) if log.endpoint != "/v1/embeddings" else ([], [])
    except InvalidInput as error:
        return Candidate(None, f"unusable: {error.message}")
    if not messages:
        return Candidate(None, "unusable: not a chat call")
    correction = next((score.correction for score in reversed(scores) if score.correction), None)
    answer = _target(calls.answer_of(log.response) or {"role": "assistant", "content": log.output_text})
    fault = _fault(log, answer)
    if fault and correction is None:
        return Candidate(None, f"unusable: {fault}")
    target = answer if correction is None else _target(correction)
    extra = {"parallel_tool_calls": v} if (v := request.get("parallel_tool_calls")) is not None else {}
    row = {"messages": [*messages, target], "tools": tools, **extra}
    example = replace(
        _example(row, split_of(row["messages"], tools, shares, salt), log.id),
        label=_thumb(scores) if correction is None else True,
        rejected=() if fault or answer == target else (answer,),
    )
    outcome = "corrected" if correction is not None else _BAD if example.label is False else "kept"
    return Candidate(example, outcome)


def _thumb(scores: Sequence[Score]) -> bool | None:
    """Whether the latest rating is a thumb up or a thumb down; None when nobody rated, or by another scale."""
    rating = next((score for score in reversed(scores) if score.name == "rating" and score.value is not None), None)
    return None if rating is None else thumb(rating)


def thumb(score: Score) -> bool | None:
    """Whether a rating is a thumb up or a thumb down; None for other scores and scales."""
    if score.name != "rating" or score.value is None:
        return None
    return _THUMBS.get(score.value.strip().lower() if isinstance(score.value, str) else score.value)


def _fault(log: Log, answer: Message) -> str | None:
    """Why an answer is not worth imitating, whatever people thought of it."""
    if log.status == 499:
        return "the client hung up"
    if log.status >= 400:
        return "the call failed"
    if log.finish_reason in ("length", "content_filter"):
        return f"the answer was cut off ({log.finish_reason})"
    said = answer.get("content") or answer.get("tool_calls") or answer.get("function_call")
    if not said or not log.output_text.strip() or log.output_text.strip() == "null":
        return "the answer is empty"
    return None


def _target(answer: Mapping[str, Any]) -> Message:
    """An answer as a message to train on: without what only responses have (refusal, annotations, null fields)."""
    kept = ("role", "content", "name", "tool_calls", "function_call", "weight")
    message = {key: answer[key] for key in kept if answer.get(key) is not None}
    return {"content": None, **message} if "content" not in message else message


def _from_row(row: Mapping[str, Any], shares: Shares, split: Split | None) -> Candidate:
    label, rejected = None, ()
    if "preferred_output" in row:
        label, rejected = True, tuple(row["non_preferred_output"])
        row = {**row["input"], "messages": [*row["input"]["messages"], *row["preferred_output"]]}
    elif isinstance(row.get("label"), bool):
        label = row["label"]
        row = {key: value for key, value in row.items() if key != "label"}
    place = split or split_of(row["messages"], row.get("tools") or [], shares)
    example = replace(_example(row, place, None), label=label, rejected=rejected)
    return Candidate(example, _BAD if label is False else "kept")


def _example(row: Mapping[str, Any], split: Split, log_id: str | None) -> Example:
    weight = 1.0 if row.get("weight") is None else float(row["weight"])
    tools = row.get("tools") or []
    extra = {key: value for key, value in row.items() if key not in ("messages", "tools", "weight")}
    content = [row["messages"], tools, extra, weight]
    return Example(
        id=content_id("ex_", content),
        messages=row["messages"],
        tools=tools,
        split=split,
        weight=weight,
        log_id=log_id,
        extra=extra,
    )


def candidate(
    row: Mapping[str, Any],
    *,
    outcome: str,
    split: Split | None = None,
    shares: Shares = SHARES,
    log_id: str | None = None,
    label: bool | None = None,
    rejected: Sequence[Message] = (),
) -> Candidate:
    """An example of a row {"messages", "tools", "weight", ...}, in the split of its input unless one is given."""
    place = split or split_of(row["messages"], row.get("tools") or [], shares)
    return Candidate(replace(_example(row, place, log_id), label=label, rejected=tuple(rejected)), outcome)


def write(store: Store, name: str, found: Iterable[Candidate], *, origin: str, report: Iterable[bytes] = ()) -> Dataset:
    """Write a dataset of candidates, duplicates once; `report` is a longer account of every row, to be kept with it.
    Raises InvalidInput when fewer than ten examples remain."""
    name = _name(name)
    account: Counter[str] = Counter(matched=0)
    members: dict[str, Member] = {}
    for batch in batches(found):
        fresh = []
        for example, outcome in batch:
            account["matched"] += 1
            if example is not None and example.id in members:
                outcome = "duplicate"
                members[example.id] = _with_said(members[example.id], example)
            elif example is not None:
                members[example.id] = Member(example.id, example.split, example.log_id, example.label, example.rejected)
                fresh.append(example)
            account[outcome] += 1
        store.datasets.add_examples(fresh)
    if len(members) < MIN_EXAMPLES:
        raise InvalidInput(
            f"only {len(members)} examples, but at least {MIN_EXAMPLES} are needed ({describe(account)}); "
            "score more calls or widen the filter",
            param="where",
            code="invalid_n_examples",
        )
    ordered = list(members.values())
    dataset = Dataset(
        # The name is part of the content: the same rows under another name are another dataset.
        id=content_id("ds_", [name, [_content(member) for member in ordered]]),
        name=name,
        created_at=time.time(),
        origin=origin,
        counts={split: n for split in SPLITS if (n := sum(m.split == split for m in ordered))},
        account=dict(account),
    )
    if existing := store.datasets.find(dataset.id):
        return existing
    return store.datasets.create(dataset, ordered, report)


def _with_said(member: Member, again: Example) -> Member:
    """A member with what was said of the same row elsewhere; of two labels the newer log's stays, which came first."""
    rejected = [*member.rejected, *(answer for answer in again.rejected if answer not in member.rejected)]
    return member._replace(label=again.label if member.label is None else member.label, rejected=rejected)


def _content(member: Member) -> list[Any]:
    """What makes a member differ from another; rows of which nothing was said are hashed as ever."""
    said = [member.label, list(member.rejected)] if member.label is not None or member.rejected else []
    return [member.example_id, member.split, *said]


def describe(account: Mapping[str, int]) -> str:
    """The account in words: '564 matched: 398 kept, 45 corrected, ...'."""
    parts = [f"{count} {outcome}" for outcome, count in account.items() if outcome != "matched"]
    return f"{account['matched']} matched" + (f": {', '.join(parts)}" if parts else "")
