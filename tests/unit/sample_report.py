"""The report of an evaluation, made up but true to life: a support desk's labels, five arms, 240 held-out rows."""

from __future__ import annotations

import random
from typing import Any

_LABELS = ("card_arrival", "card_lost", "top_up_failed", "transfer_pending", "exchange_rate", "refund_missing")
_QUESTIONS = (
    "My card has not come yet, it is two weeks now. Where is it?",
    "I left my wallet on the train and the card is in it.",
    "The top-up went through at my bank, but the balance is the same.",
    "How long does a transfer to another country take?",
    "Why was I charged another rate than the one you showed?",
    "The shop says it sent the money back a week ago, and I see nothing.",
)
#: name, model, kind, right answers in a hundred, ms, prompt tokens, $ per 1,000
_ARMS = (
    ("as logged", "gpt-4o-mini", "logged", 74, 640.0, 412.0, 0.0654),
    ("prompted", "smollm2-135m-instruct", "prompted", 12, 310.0, 431.0, 0.0071),
    ("5 examples", "smollm2-135m-instruct", "few_shot", 31, 520.0, 702.0, 0.0113),
    ("tuned", "ft:smollm2-135m-instruct:local:desk:1a2b3c4d", "tuned", 79, 295.0, 431.0, 0.0069),
    ("tuned, short prompt", "ft:smollm2-135m-instruct:local:desk:5e6f7a8b", "tuned", 81, 88.0, 37.0, 0.0021),
)


def sample_report(rows: int = 240) -> dict[str, Any]:
    """The whole of it, every part filled."""
    results = _results(rows)
    primary = "label_accuracy"
    means = {arm[0]: _mean(results, arm[0]) for arm in _ARMS}
    return {
        "title": "Support desk: who answers the tickets?",
        "created_at": 1795690000.0,
        "dataset": {"name": "desk", "id": "ds_77aa", "split": "test", "train_rows": 1_150},
        "rows": rows,
        "concurrency": 4,
        "parameters": {"temperature": 0, "seed": 0, "max_tokens": 32},
        "primary": primary,
        "graders": [
            {"name": primary, "type": "label", "binary": True},
            {"name": "chrf", "type": "text_similarity", "binary": False},
        ],
        "baseline": "as logged",
        "candidate": "tuned, short prompt",
        "margin": 0.02,
        "level": 0.95,
        "arms": [_arm(arm, means, results) for arm in _ARMS],
        "segments": _segments(),
        "verdict": {
            "answer": "yes",
            "sentence": "Yes: the tuned model with the short prompt is at least as good as gpt-4o-mini "
            "(+6 points, 95 % interval -1 to +13), seven times as fast, for 3 % of the cost.",
            "reasons": [
                "The loss that the interval still allows, 1 point, is smaller than the 2 points you accept.",
                "In one group of tickets it is worse: exchange_rate.",
            ],
            "rows_needed": None,
            "non_inferior": True,
            "superior": False,
            "margin": 0.02,
        },
        "cost": _cost(),
        "learning_curve": {
            "points": [
                {"share": 0.25, "rows": 288, "mean": 0.61, "low": 0.55, "high": 0.67},
                {"share": 0.5, "rows": 575, "mean": 0.72, "low": 0.66, "high": 0.78},
                {"share": 1.0, "rows": 1_150, "mean": 0.81, "low": 0.75, "high": 0.86},
            ],
            "forecast": {"rows": 1_650, "mean": 0.84, "low": 0.79, "high": 0.89},
            "sentence": "500 more rows would likely give 3 points more (95 % interval -1 to +8).",
        },
        "regression": {
            "sentence": "It has not forgotten what it could: 41 of 60 general questions right, 43 before.",
            "questions": {"rows": 60, "before": 43 / 60, "after": 41 / 60, "low": -0.1, "high": 0.03},
            "loss": {"texts": 40, "before": 2.91, "after": 2.95},
            "forgotten": False,
        },
        "skipped": [{"id": "row-9001", "reason": "no assistant message at its end to compare with"}],
        "results": results,
    }


def _results(rows: int) -> list[dict[str, Any]]:
    chance = random.Random(6)
    results: list[dict[str, Any]] = []
    for index in range(rows):
        kind = index % len(_LABELS)
        answers = {}
        for name, _, _, share, latency, _, _ in _ARMS:
            right = chance.random() < share / 100
            text = _LABELS[kind] if right else _LABELS[(kind + chance.choice((1, 1, 2))) % len(_LABELS)]
            answers[name] = {
                "text": text,
                "error": None,
                "latency_ms": latency * chance.uniform(0.8, 1.6),
                "scores": {"label_accuracy": float(right), "chrf": 1.0 if right else 0.2},
                "failures": {},
            }
        results.append(
            {
                "id": f"row-{index}",
                "input": _QUESTIONS[kind],
                "reference": _LABELS[kind],
                "metadata": {"channel": chance.choice(("mail", "chat"))},
                "answers": answers,
            }
        )
    results[3]["answers"]["tuned"] |= {"text": "<script>alert('& \"boo\"')</script>\x07 | `*", "error": None}
    results[7]["answers"]["5 examples"] |= {"text": "", "error": "timeout: no answer within 30 s"}
    results[7]["answers"]["5 examples"]["scores"] |= {"label_accuracy": 0.0}
    return results


def _mean(results: list[dict[str, Any]], arm: str) -> float:
    scores = [one["answers"][arm]["scores"]["label_accuracy"] for one in results]
    return float(sum(scores) / len(scores))


def _arm(arm: tuple[Any, ...], means: dict[str, float], results: list[dict[str, Any]]) -> dict[str, Any]:
    name, model, kind, _, latency, tokens, cost = arm
    mean, today = means[name], means["as logged"]
    pairs = [
        (one["answers"]["as logged"]["scores"]["label_accuracy"], one["answers"][name]["scores"]["label_accuracy"])
        for one in results
    ]
    difference = {
        "mean": mean - today,
        "low": mean - today - 0.07,
        "high": mean - today + 0.07,
        "p_value": 0.08 if kind == "tuned" else 1e-9,
        "p_adjusted": 0.16 if kind == "tuned" else 4e-9,
        "test": "mcnemar",
        "better": sum(after > before for before, after in pairs),
        "worse": sum(after < before for before, after in pairs),
    }
    timed_out = name == "5 examples"
    return {
        "name": name,
        "model": model,
        "kind": kind,
        "prompt": {"name": "desk", "version": 3} if kind == "prompted" else None,
        "system": "short" if "short" in name else "row",
        "examples": 5 if kind == "few_shot" else 0,
        "pick": "similar" if kind == "few_shot" else None,
        "metrics": {"label_accuracy": mean, "chrf": 0.2 + 0.8 * mean},
        "interval": {"low": mean - 0.055, "high": mean + 0.055},
        "errors": int(timed_out),
        "timeouts": int(timed_out),
        "grader_failures": 2 if name == "tuned" else 0,
        "problems": [{"what": "timeout", "message": "no answer within 30 s", "count": 1, "rows": ["row-7"]}]
        if timed_out
        else [],
        "latency_ms": {"p50": latency, "p95": latency * 1.9},
        "first_token_ms": {"p50": latency * 0.6, "p95": latency * 1.1},
        "prompt_tokens": tokens,
        "completion_tokens": 5.2,
        "tokens_per_second": 5_200 / latency,
        "seconds": latency * len(results) / 4_000,
        "cost_per_1000": cost,
        "price_source": "this machine: $0.05/h at 61 tokens/s" if kind != "logged" else "list price of OpenAI",
        "classes": {label: {"precision": 0.8, "recall": 0.8, "f1": 0.8, "support": 40} for label in _LABELS},
        "confusion": [
            {"meant": "exchange_rate", "said": "refund_missing", "count": 9},
            {"meant": "card_arrival", "said": "card_lost", "count": 4},
        ],
        "difference": None if name == "as logged" else difference,
    }


def _segments() -> list[dict[str, Any]]:
    def segment(by: str, value: str, rows: int, change: float, flag: str | None) -> dict[str, Any]:
        return {
            "by": by,
            "value": value,
            "rows": rows,
            "means": {arm[0]: 0.7 + (change if "short" in arm[0] else 0.0) for arm in _ARMS},
            "difference": {"mean": change, "low": change - 0.1, "high": change + 0.1},
            "flag": flag,
        }

    return [
        segment("label", "card_arrival", 40, 0.12, "better"),
        segment("label", "exchange_rate", 40, -0.17, "worse"),
        segment("label", "card_lost", 40, 0.03, None),
        segment("metadata.channel", "mail", 118, 0.04, None),
        segment("metadata.channel", "chat", 122, 0.08, None),
    ]


def _cost() -> dict[str, Any]:
    return {
        "calls_per_month": 96_000.0,
        "calls_source": "38,211 logged calls in 11.9 days (2026-11-12 to 2026-11-24)",
        "arms": {
            arm[0]: {
                "per_1000": arm[6],
                "per_month": arm[6] * 96,
                "source": "list price of OpenAI (genai-prices 0.2.3)"
                if arm[2] == "logged"
                else "this machine: $0.05/h at 61 tokens/s",
                "date": "2026-10-14" if arm[2] == "logged" else "2026-11-26",
                "hours_per_month": None if arm[2] == "logged" else 3.1,
            }
            for arm in _ARMS
        },
        "saving_per_1000": 0.0633,
        "saving_per_month": 6.08,
        "training": {"dollars": 0.0094, "minutes": 11.3, "source": "this machine: $0.05/h for 11.3 min"},
        "break_even_calls": 149,
        "break_even_days": 0.05,
        "notes": ["tuned keeps this machine busy for 3.1 of the 720 hours of a month; only these are counted."],
    }
