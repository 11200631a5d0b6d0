import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tuneloop.errors import EngineError, InvalidInput
from tuneloop.evaluations import (
    Answer,
    Arm,
    Ask,
    answer_limit,
    choose_examples,
    prompt,
    rows_for_table,
    run,
    sentence,
    text_of,
)
from tuneloop.graders import Chrf, ExactMatch, LabelAccuracy, Metrics, pick
from tuneloop.types import Example, Message

LABELS = Metrics(primary=LabelAccuracy(), others=(ExactMatch(),))


def row(number: int, answer: str = "refund", question: str = "") -> Example:
    messages: list[Message] = [
        {"role": "system", "content": "Name the queue."},
        {"role": "user", "content": question or f"question {number}"},
        {"role": "assistant", "content": answer, "weight": 1},
    ]
    return Example(id=f"row-{number:03}", messages=messages)


ROWS = [row(n, "refund" if n % 2 else "cards") for n in range(40)]
PROMPTED, TUNED = Arm(name="prompted", model="base"), Arm(name="tuned", model="ft:base", kind="tuned")


def knows(share: float, text: Callable[[str], str] = str.title) -> Callable[[int], str]:
    """Answers the first `share` of ROWS right, the others with nonsense."""
    return lambda n: text("refund" if n % 2 else "cards") if n < share * len(ROWS) else "no idea"


def models(**answers: Callable[[int], str]) -> Ask:
    async def ask(model: str, messages: list[Message], params: dict[str, Any]) -> Answer:
        await asyncio.sleep(0)
        number = int(messages[-1]["content"].split()[-1])
        text = answers[model.replace("ft:", "ft_")](number)
        return Answer(text=text, latency_ms=10.0 + number, prompt_tokens=100, completion_tokens=5)

    return ask


async def compared(before: float, after: float, **options: Any) -> dict[str, Any]:
    ask = models(base=knows(before), ft_base=knows(after))
    return await run([PROMPTED, TUNED], ROWS, ask, graders=LABELS, **options)


async def test_report_of_a_gain() -> None:
    report = await compared(0.25, 0.9, price=lambda model, answer, seconds: 0.002 if model == "base" else 0.0005)
    prompted, tuned = report["arms"]
    assert report["rows"] == 40 and report["primary"] == "label_accuracy"
    assert report["graders"] == [{"name": "label_accuracy", "binary": True}, {"name": "exact_match", "binary": True}]
    assert prompted["metrics"] == {"label_accuracy": 0.25, "exact_match": 0.0}
    assert tuned["metrics"]["label_accuracy"] == 0.9
    assert prompted["difference"] is None
    difference = tuned["difference"]
    assert difference["mean"] == pytest.approx(0.65)
    assert 0.4 < difference["low"] < 0.65 < difference["high"] < 0.9
    assert difference["p_value"] == pytest.approx(2 * 0.5**26)
    assert (difference["better"], difference["worse"]) == (26, 0)
    assert tuned["latency_ms"] == {"p50": 29.5, "p95": pytest.approx(47.05)}
    assert (tuned["prompt_tokens"], tuned["completion_tokens"]) == (100, 5)
    assert (prompted["cost_per_1000"], tuned["cost_per_1000"]) == (pytest.approx(2.0), pytest.approx(0.5))
    assert tuned["tokens_per_second"] == pytest.approx(200 / tuned["seconds"])
    assert tuned["classes"]["cards"]["support"] == 20
    assert [r["id"] for r in report["results"]] == [r.id for r in ROWS]
    first = report["results"][0]
    assert (first["input"], first["reference"]) == ("question 0", "cards")
    assert first["answers"]["tuned"]["text"] == "Cards"
    assert first["answers"]["tuned"]["scores"] == {"label_accuracy": 1.0, "exact_match": 0.0}
    assert json.loads(json.dumps(report)) == report


async def test_sentence_of_a_gain() -> None:
    report = await compared(0.25, 0.9, price=lambda model, answer, seconds: 0.002 if model == "base" else 0.0005)
    text = sentence(report)
    assert text.startswith("tuned answers 90 % of 40 unseen calls right, prompted 25 %: +65 points (95 % interval ")
    assert text.endswith(", in 30 ms instead of 30, for $0.5000 per 1,000 calls instead of $2.0000.")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (0.9, 0.25, "prompted 90 %: -65 points"),
        (0.5, 0.5, "no difference that these 40 rows can show, +0 points (95 % interval 0 to 0)"),
        (0.50, 0.55, "no difference that these 40 rows can show, +5 points"),
        # The bootstrap's interval excludes zero, but four rows of forty could be chance: p = 0.125.
        (0.0, 0.1, "no difference that these 40 rows can show, +10 points"),
    ],
)
async def test_sentence_is_honest(before: float, after: float, said: str) -> None:
    assert said in sentence(await compared(before, after))


async def test_sentence_about_prose_a_better_arm_and_failed_calls() -> None:
    async def ask(model: str, messages: list[Message], params: dict[str, Any]) -> Answer:
        if model == "base" and messages[-1]["content"] == "question 3":
            raise EngineError("it broke")
        return Answer(text={"base": "x", "ft:base": "the card is late", "big": "the card is here"}[model])

    arms = [PROMPTED, Arm(name="big", model="big"), TUNED]
    rows = [row(n, "the card is here") for n in range(10)]
    report = await run(arms, rows, ask, graders=Metrics(primary=Chrf()))
    text = sentence(report)
    assert text.startswith("tuned scores 0.62") and "(chrf) on 10 unseen calls, prompted 0.0" in text
    assert text.endswith("; big has a higher score; 1 of 10 calls to prompted failed.")
    assert report["arms"][2]["difference"]["p_value"] < 0.01
    assert report["arms"][0]["errors"] == 1
    assert report["results"][3]["answers"]["prompted"]["error"] == "EngineError: it broke"
    assert report["results"][3]["answers"]["prompted"]["scores"] == {"chrf": 0.0}
    alone = await run([PROMPTED], rows, ask, graders=Metrics(primary=Chrf()))
    assert "nothing to compare it with" in sentence(alone)


async def test_the_same_report_every_time_but_for_the_clock() -> None:
    def timeless(report: dict[str, Any]) -> dict[str, Any]:
        for arm in report["arms"]:
            del arm["seconds"], arm["tokens_per_second"]
        return report

    one, many = await compared(0.3, 0.7, concurrency=1), await compared(0.3, 0.7, concurrency=9)
    assert timeless(one) == timeless({**many, "concurrency": 1})


async def test_arms_are_asked_one_after_the_other_with_one_warm_up_and_the_same_load() -> None:
    calls: list[tuple[str, dict[str, Any]]] = []
    progress: list[tuple[str, int, int]] = []
    busy, most = {"base": 0, "ft:base": 0}, {"base": 0, "ft:base": 0}

    async def ask(model: str, messages: list[Message], params: dict[str, Any]) -> Answer:
        calls.append((model, params))
        busy[model] += 1
        most[model] = max(most[model], busy[model])
        await asyncio.sleep(0.001)
        busy[model] -= 1
        return Answer(text="cards")

    await run([PROMPTED, TUNED], ROWS, ask, concurrency=3, on_progress=lambda *step: progress.append(step))
    assert [model for model, _ in calls] == ["base"] * 41 + ["ft:base"] * 41
    assert most == {"base": 3, "ft:base": 3}
    assert all(params == {"temperature": 0, "seed": 0, "max_tokens": 20} for _, params in calls)
    assert progress == [(arm, done, 40) for arm in ("prompted", "tuned") for done in range(1, 41)]


async def test_a_grader_that_fails_is_recorded_and_left_out() -> None:
    rows = [row(n, '{"queue": "cards"}' if n else "I am sorry") for n in range(20)]
    graders = pick(["{}"])
    report = await run(
        [PROMPTED, TUNED], rows, models(base=lambda n: "{}", ft_base=lambda n: '{"queue": "cards"}'), graders=graders
    )
    tuned = report["arms"][1]
    assert report["primary"] == "json_match"
    assert tuned["metrics"]["json_match"] == 1.0 and tuned["grader_failures"] == 2
    answer = report["results"][0]["answers"]["tuned"]
    assert answer["scores"]["json_match"] is None and "JSONDecodeError" in answer["failures"]["json_match"]
    nothing = await run([PROMPTED, TUNED], rows[:1], models(base=str, ft_base=str), graders=graders)
    assert nothing["arms"][1]["difference"] is None
    assert "no row could be graded for both" in sentence(nothing)


async def test_an_arm_whose_every_call_fails_has_no_latency_and_no_cost() -> None:
    async def ask(model: str, messages: list[Message], params: dict[str, Any]) -> Answer:
        return Answer(error="503")

    report = await run([PROMPTED, TUNED], ROWS, ask, graders=LABELS, price=lambda *call: 1.0)
    tuned = report["arms"][1]
    assert (tuned["errors"], tuned["metrics"]["label_accuracy"]) == (40, 0.0)
    assert tuned["latency_ms"] == {"p50": None, "p95": None}
    assert tuned["cost_per_1000"] is tuned["tokens_per_second"] is tuned["prompt_tokens"] is None
    headers, cells = rows_for_table(report)
    assert dict((r[0], r[2]) for r in cells)["latency p50, ms"] == "-"


async def test_logged_answers_are_an_arm_that_asks_no_model() -> None:
    answers = {r.id: Answer(text="cards", latency_ms=500.0, completion_tokens=2) for r in ROWS[:-1]}
    logged = Arm(name="logged", model="gpt-4o", kind="logged", answers=answers)
    report = await run([logged, TUNED], ROWS, models(ft_base=knows(1)), graders=LABELS)
    arm = report["arms"][0]
    assert (arm["metrics"]["label_accuracy"], arm["errors"], arm["latency_ms"]["p50"]) == (0.5, 1, 500.0)
    assert arm["tokens_per_second"] == pytest.approx(4.0)


async def test_table_has_a_column_for_each_arm() -> None:
    report = await compared(0.25, 0.9, price=lambda model, answer, seconds: 0.002)
    headers, rows = rows_for_table(report)
    cells = {r[0]: r[1:] for r in rows}
    assert headers == ["", "prompted", "tuned"]
    assert cells["label_accuracy"] == ["25.0 %", "90.0 %"]
    assert cells["difference"] == ["-", "+65"]
    assert cells["95 % interval"][0] == "-" and " to " in cells["95 % interval"][1]
    assert cells["failed calls"] == ["0", "0"]
    assert cells["$ per 1,000 calls"] == ["2.0000", "2.0000"]
    assert all(len(r) == len(headers) for r in rows)


def test_examples_become_turns_after_the_system_message() -> None:
    arm = Arm(name="few_shot", model="base", kind="few_shot", examples=[row(1), row(2, "cards")])
    messages = prompt(arm, row(9))
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [m["content"] for m in messages][1:] == ["question 1", "refund", "question 2", "cards", "question 9"]
    assert not any("weight" in m for m in messages)
    assert prompt(PROMPTED, row(9)) == [dict(m) for m in row(9).messages[:-1]]


def test_chosen_examples_are_short_spread_and_always_the_same() -> None:
    train = [row(n, ["cards", "refund", "loans"][n % 3], "why " * (n % 10) + str(n)) for n in range(60)]
    chosen = choose_examples(train, k=5)
    assert [e.id for e in chosen] == [e.id for e in choose_examples(train[::-1], k=5)]
    assert {text_of(e.messages[-1]) for e in chosen} == {"cards", "refund", "loans"}
    assert len({e.id for e in chosen}) == 5
    assert all(e.messages[1]["content"].count("why") < 5 for e in chosen)
    assert len(choose_examples(train[:3], k=5)) == 3
    assert choose_examples([], k=5) == []


def test_tools_are_sent_and_their_calls_compared() -> None:
    call = {"type": "function", "function": {"name": "block", "arguments": '{"card": 7}'}}
    assert (
        text_of({"role": "assistant", "content": None, "tool_calls": [call]})
        == '{"arguments":{"card":7},"name":"block"}'
    )
    assert text_of({"role": "assistant", "tool_calls": [call, {"function": {"name": "x", "arguments": "{"}}]}) == (
        '[{"arguments":{"card":7},"name":"block"},{"arguments":"{","name":"x"}]'
    )
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}]
    assert text_of({"role": "user", "content": parts}) == "a\nb"
    assert text_of({"role": "assistant", "content": None}) == ""


async def test_a_row_with_tools_is_asked_with_them() -> None:
    tools = [{"type": "function", "function": {"name": "block"}}]
    with_tools = Example(id="t", messages=row(1).messages, tools=tools)
    seen: list[dict[str, Any]] = []

    async def ask(model: str, messages: list[Message], params: dict[str, Any]) -> Answer:
        seen.append(params)
        return Answer()

    await run([PROMPTED], [with_tools, row(2)], ask, concurrency=1)
    assert [p.get("tools") for p in seen] == [tools, tools, None]


def test_answers_may_be_twice_as_long_as_the_longest_reference() -> None:
    assert answer_limit(["refund", "a"]) == 20
    assert answer_limit(["ü" * 300]) == 416
    assert answer_limit([""]) == answer_limit([]) == 16


@pytest.mark.parametrize(
    ("arms", "rows", "concurrency", "what"),
    [
        ([], ROWS, 1, "arms of different names"),
        ([TUNED, TUNED], ROWS, 1, "arms of different names"),
        ([TUNED], [], 1, "no held-out rows"),
        ([TUNED], ROWS, 0, "concurrency"),
        ([TUNED], [Example(id="bad", messages=[{"role": "user", "content": "hi"}])], 1, "'bad'"),
    ],
)
async def test_what_cannot_be_compared_is_refused(
    arms: list[Arm], rows: list[Example], concurrency: int, what: str
) -> None:
    with pytest.raises(InvalidInput, match=what):
        await run(arms, rows, models(), concurrency=concurrency)
