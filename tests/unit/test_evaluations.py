import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tuneloop.calls import text_of
from tuneloop.errors import EngineError, InvalidInput
from tuneloop.evaluations import (
    Answer,
    Arm,
    Ask,
    CostLimitReached,
    Doors,
    Similar,
    Spread,
    Terms,
    answer_limit,
    prompt,
    rows_for_table,
    run,
    sentence,
)
from tuneloop.graders import Grader, of_metric, read
from tuneloop.types import Example, Message


def graders(*metrics: str) -> list[Grader]:
    return [read(of_metric(name)) for name in metrics]


LABELS = graders("label_accuracy", "exact_match")


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


async def compared(before: float, after: float, terms: Terms | None = None, **doors: Any) -> dict[str, Any]:
    ask = models(base=knows(before), ft_base=knows(after))
    return await run([PROMPTED, TUNED], ROWS, Doors(ask=ask, **doors), graders=LABELS, terms=terms)


async def test_report_of_a_gain() -> None:
    report = await compared(0.25, 0.9, price=lambda model, answer, seconds: 0.002 if model == "base" else 0.0005)
    prompted, tuned = report["arms"]
    assert report["rows"] == 40 and report["primary"] == "label_accuracy"
    assert [(g["name"], g["binary"]) for g in report["graders"]] == [("label_accuracy", True), ("exact_match", True)]
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
        (0.5, 0.5, "no difference that these 40 rows can show, +0 points (95 % interval -9 to 9)"),
        (0.50, 0.55, "no difference that these 40 rows can show, +5 points"),
        # Four rows of forty could be chance: p = 0.125.
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
    report = await run(arms, rows, Doors(ask=ask), graders=graders("chrf"))
    text = sentence(report)
    assert text.startswith("tuned scores 0.62") and "(chrf) on 10 unseen calls, prompted 0.0" in text
    assert text.endswith("; big has a higher score; 1 of 10 calls to prompted failed.")
    assert report["arms"][2]["difference"]["p_value"] < 0.01
    assert report["arms"][0]["errors"] == 1
    assert report["results"][3]["answers"]["prompted"]["error"] == "EngineError: it broke"
    assert report["results"][3]["answers"]["prompted"]["scores"] == {"chrf": 0.0}
    alone = await run([PROMPTED], rows, Doors(ask=ask), graders=graders("chrf"))
    assert "nothing to compare it with" in sentence(alone)


async def test_the_same_report_every_time_but_for_the_clock() -> None:
    def timeless(report: dict[str, Any]) -> dict[str, Any]:
        del report["created_at"]
        for arm in report["arms"]:
            del arm["seconds"], arm["tokens_per_second"]
        return report

    one, many = await compared(0.3, 0.7, Terms(concurrency=1)), await compared(0.3, 0.7, Terms(concurrency=9))
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

    doors = Doors(ask=ask, progress=lambda *step: progress.append(step))
    await run([PROMPTED, TUNED], ROWS, doors, terms=Terms(concurrency=3))
    assert [model for model, _ in calls] == ["base"] * 41 + ["ft:base"] * 41
    assert most == {"base": 3, "ft:base": 3}
    assert all(params == {"temperature": 0, "seed": 0, "max_tokens": 20} for _, params in calls)
    assert progress == [(arm, done, 40) for arm in ("prompted", "tuned") for done in range(41)]


async def test_a_grader_that_fails_is_recorded_and_left_out() -> None:
    rows = [row(n, '{"queue": "cards"}' if n else "I am sorry") for n in range(20)]
    structured = graders("json_match", "json_fields", "exact_match")
    ask = models(base=lambda n: "{}", ft_base=lambda n: '{"queue": "cards"}')
    report = await run([PROMPTED, TUNED], rows, Doors(ask=ask), graders=structured)
    tuned = report["arms"][1]
    assert report["primary"] == "json_match"
    assert tuned["metrics"]["json_match"] == 1.0 and tuned["grader_failures"] == 2
    answer = report["results"][0]["answers"]["tuned"]
    assert answer["scores"]["json_match"] is None and "JSONDecodeError" in answer["failures"]["json_match"]
    nothing = await run([PROMPTED, TUNED], rows[:1], Doors(ask=models(base=str, ft_base=str)), graders=structured)
    assert nothing["arms"][1]["difference"] is None
    assert "no row could be graded for both" in sentence(nothing)


async def test_an_arm_whose_every_call_fails_has_no_latency_and_no_cost() -> None:
    async def ask(model: str, messages: list[Message], params: dict[str, Any]) -> Answer:
        return Answer(error="503")

    report = await run([PROMPTED, TUNED], ROWS, Doors(ask=ask, price=lambda *call: 1.0), graders=LABELS)
    tuned = report["arms"][1]
    assert (tuned["errors"], tuned["metrics"]["label_accuracy"]) == (40, 0.0)
    assert tuned["latency_ms"] == {"p50": None, "p95": None}
    assert tuned["cost_per_1000"] is tuned["tokens_per_second"] is tuned["prompt_tokens"] is None
    headers, cells = rows_for_table(report)
    assert dict((r[0], r[2]) for r in cells)["latency p50, ms"] == "-"


async def test_logged_answers_are_an_arm_that_asks_no_model() -> None:
    answers = {r.id: Answer(text="cards", latency_ms=500.0, completion_tokens=2) for r in ROWS[:-1]}
    logged = Arm(name="logged", model="gpt-4o", kind="logged", answers=answers)
    report = await run([logged, TUNED], ROWS, Doors(ask=models(ft_base=knows(1))), graders=LABELS)
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
    arm = Arm(name="few_shot", model="base", kind="few_shot", examples=Spread([row(1), row(2, "cards")], seed=3))
    messages = prompt(arm, row(9))
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [m["content"] for m in messages][1:] == ["question 1", "refund", "question 2", "cards", "question 9"]
    assert not any("weight" in m for m in messages)
    assert prompt(PROMPTED, row(9)) == [dict(m) for m in row(9).messages[:-1]]


def test_chosen_examples_are_short_spread_and_always_the_same() -> None:
    train = [row(n, ["cards", "refund", "loans"][n % 3], "why " * (n % 10) + str(n)) for n in range(60)]
    chosen = Spread(train, 5).chosen
    assert [e.id for e in chosen] == [e.id for e in Spread(train[::-1], 5).chosen]
    assert {text_of(e.messages[-1]) for e in chosen} == {"cards", "refund", "loans"}
    assert len({e.id for e in chosen}) == 5
    assert all(e.messages[1]["content"].count("why") < 5 for e in chosen)
    assert len(Spread(train[:3], 5).chosen) == 3
    assert Spread([], 5).chosen == []


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

    await run([PROMPTED], [with_tools, row(2)], Doors(ask=ask), terms=Terms(concurrency=1))
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
        ([TUNED], [Example(id="bad", messages=[{"role": "user", "content": "hi"}])], 1, "no held-out rows"),
    ],
)
async def test_what_cannot_be_compared_is_refused(
    arms: list[Arm], rows: list[Example], concurrency: int, what: str
) -> None:
    with pytest.raises(InvalidInput, match=what):
        await run(arms, rows, Doors(ask=models()), terms=Terms(concurrency=concurrency))


async def test_a_row_that_cannot_be_compared_is_left_out_and_told() -> None:
    rows = [*ROWS[:3], Example(id="bad", messages=[{"role": "user", "content": "hi"}]), row(7, "  ")]
    report = await run([PROMPTED], rows, Doors(ask=models(base=knows(1))))
    assert report["rows"] == len(report["results"]) == 3
    assert report["skipped"] == [
        {"id": "bad", "reason": "no assistant message at its end to compare with"},
        {"id": "row-007", "reason": "its answer is empty"},
    ]


class Killed(BaseException):
    """As by a signal."""


class Memory:
    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Answer] = {}

    def kept(self) -> dict[tuple[str, str], Answer]:
        return dict(self.answers)

    def keep(self, arm: str, row: str, answer: Answer) -> None:
        self.answers[arm, row] = answer


async def test_what_was_answered_is_not_asked_again() -> None:
    memory, asked = Memory(), 0

    async def ask(model: str, messages: list[Message], params: dict[str, Any]) -> Answer:
        nonlocal asked
        asked += 1
        if asked == 50:
            raise Killed
        return Answer(text="cards", prompt_tokens=1, completion_tokens=1)

    doors = Doors(ask=ask, keeper=memory, warms_up=lambda arm: False)
    with pytest.raises(Killed):
        await run([PROMPTED, TUNED], ROWS, doors, graders=LABELS, terms=Terms(concurrency=1))
    assert len(memory.answers) == 49
    report = await run([PROMPTED, TUNED], ROWS, doors, graders=LABELS)
    assert asked == 81 and len(memory.answers) == 80
    assert [arm["errors"] for arm in report["arms"]] == [0, 0]


async def test_a_limit_of_dollars_is_kept_and_gone_on_from() -> None:
    memory = Memory()
    ask = models(base=knows(1), ft_base=knows(1))
    doors = Doors(ask=ask, keeper=memory, price=lambda model, answer, seconds: 0.01)
    with pytest.raises(CostLimitReached, match=r"limit of \$0.3 is reached.*--max-dollars"):
        await run([PROMPTED, TUNED], ROWS, doors, graders=LABELS, terms=Terms(max_dollars=0.3))
    assert 28 <= len(memory.answers) <= 30
    report = await run([PROMPTED, TUNED], ROWS, doors, graders=LABELS, terms=Terms(max_dollars=1))
    assert report["spent"] == pytest.approx(0.8)


async def test_problems_are_named_with_their_rows() -> None:
    async def ask(model: str, messages: list[Message], params: dict[str, Any]) -> Answer:
        number = int(messages[-1]["content"].split()[-1])
        if number % 10 == 1:
            raise TimeoutError("no whole answer within 1 s")
        if number == 2:
            raise EngineError("500 oh no")
        return Answer(text="cards")

    nonsense = Grader(name="judge", type="score_model", score=lambda item, sample: 1 / 0)  # type: ignore[arg-type,return-value]
    report = await run([PROMPTED], ROWS, Doors(ask=ask), graders=[*LABELS, nonsense])
    arm = report["arms"][0]
    assert (arm["errors"], arm["timeouts"], arm["grader_failures"]) == (5, 4, 35)
    grader, timeout, call = arm["problems"]
    assert (grader["what"], grader["count"], "ZeroDivisionError" in grader["message"]) == ("grader", 35, True)
    assert (timeout["what"], timeout["count"], timeout["rows"]) == (
        "timeout",
        4,
        ["row-001", "row-011", "row-021", "row-031"],
    )
    assert (call["what"], call["message"], call["rows"]) == ("call", "EngineError: 500 oh no", ["row-002"])


def test_similar_examples_are_those_most_like_the_row_the_likest_last() -> None:
    train = [
        row(1, "refund", "I want my money back"),
        row(2, "cards", "my card is lost"),
        row(3, "loans", "a new loan"),
    ]
    arm = Arm(name="few", model="base", kind="few_shot", examples=Similar(train, 2))
    asked = prompt(arm, row(9, "cards", "I lost my card"))
    assert [m["content"] for m in asked][-3:] == ["my card is lost", "cards", "I lost my card"]
    assert len(asked) == 6
    assert [e.id for e in Similar(train, 5).pick(row(9, "cards", "my card is lost"))].count("row-002") == 0
    assert list(Similar([], 5).pick(row(1))) == []


def test_a_template_takes_the_place_of_the_rows_instructions() -> None:
    arm = Arm(name="short", model="base", template=lambda asked: [{"role": "system", "content": "Queue?"}, asked[-1]])
    assert [m["content"] for m in prompt(arm, row(9))] == ["Queue?", "question 9"]
    shown = Arm(name="short", model="base", template=arm.template, examples=Spread([row(1)], 1))
    assert [m["content"] for m in prompt(shown, row(9))] == ["Queue?", "question 1", "refund", "question 9"]


async def test_the_points_of_a_learning_curve_are_no_sides() -> None:
    quarter = Arm(name="25%", model="ft:quarter", kind="tuned", share=0.25)
    ask = models(base=knows(0.2), ft_base=knows(0.9), ft_quarter=knows(0.5))
    terms = Terms(head={"dataset": {"train_rows": 200}})
    report = await run([PROMPTED, TUNED, quarter], ROWS, Doors(ask=ask), graders=LABELS, terms=terms)
    assert [arm["name"] for arm in report["arms"]] == ["prompted", "tuned"] and report["candidate"] == "tuned"
    curve = report["learning_curve"]
    assert [(p["rows"], p["mean"]) for p in curve["points"]] == [(50, 0.5), (200, 0.9)]
    assert curve["forecast"]["rows"] == 700 and 0.9 < curve["forecast"]["mean"] <= 1
    assert curve["sentence"].startswith("More data would help")
