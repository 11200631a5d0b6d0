"""Reinforcement fine-tuning of the real model, through OpenAI's client."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob

from tests.acceptance.server import Server

BASE = "smollm2-135m-instruct"
ASK = {"role": "system", "content": "Answer with yes or no."}
QUESTIONS = [
    *("Is water wet?", "Is the sky green?", "Do fish swim?", "Is ice hot?", "Can birds fly?", "Is a mouse large?"),
    *("Is snow white?", "Do cars eat?", "Is fire cold?", "Has a dog four legs?", "Is the sun a star?", "Is one two?"),
]
REVIEWS = {
    "Great food, friendly staff.": "good",
    "The soup was cold and the waiter rude.": "bad",
    "I loved every minute.": "good",
    "Never again, a waste of money.": "bad",
    "Best coffee in town.": "good",
    "It broke after a day.": "bad",
    "Works perfectly, highly recommended.": "good",
    "Dirty rooms and loud neighbours.": "bad",
    "A wonderful evening with lovely people.": "good",
    "The delivery came late and half was missing.": "bad",
    "So comfortable that I bought two.": "good",
    "Terrible support, they never answered.": "bad",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("reinforcement") / "home", smollm2.parent) as running:
        yield running


def reinforce(client: OpenAI, rows: list[dict[str, Any]], grader: Any, **hyperparameters: Any) -> FineTuningJob:
    content = "\n".join(map(json.dumps, rows)).encode()
    file = client.files.create(file=("prompts.jsonl", content), purpose="fine-tune").id
    method: Any = {
        "type": "reinforcement",
        "reinforcement": {"grader": grader, "hyperparameters": hyperparameters},
    }
    return client.fine_tuning.jobs.create(
        model=BASE, training_file=file, validation_file=file, suffix="rft", seed=3, method=method
    )


def metrics(client: OpenAI, job: FineTuningJob) -> list[Any]:
    """The data of each step, in order."""
    events = client.fine_tuning.jobs.list_events(job.id, limit=100)
    return [event.data for event in events if event.type == "metrics"][::-1]


def done(job: FineTuningJob) -> bool:
    return job.status in ("succeeded", "failed", "cancelled")


def test_answers_get_better_by_their_grades(server: Server) -> None:
    client = server.openai
    rows = [{"messages": [ASK, {"role": "user", "content": question}], "word": "yes"} for question in QUESTIONS]
    grader = {
        "type": "string_check",
        "name": "word",
        "operation": "ilike",
        "input": "{{sample.output_text}}",
        "reference": "{{item.word}}",
    }
    job = reinforce(
        client,
        rows,
        grader,
        n_epochs=4,
        batch_size=4,
        learning_rate_multiplier=2,
        eval_samples=2,
        max_completion_tokens=4,
    )
    job = server.until(job.id, done)
    assert job.status == "succeeded", job.error
    told = metrics(client, job)
    assert [one["step"] for one in told] == list(range(1, 13))
    rewards = [one["train_mean_reward"] for one in told]
    assert statistics.fmean(rewards[-3:]) > statistics.fmean(rewards[:2]) + 0.2, rewards
    looks = [one["full_valid_mean_reward"] for one in told if "full_valid_mean_reward" in one]
    assert len(looks) == 4 and max(looks) > rewards[0] + 0.2
    given = job.hyperparameters.model_dump()
    assert (given["eval_interval"], given["compute_multiplier"], given["reasoning_effort"]) == (3, 1.0, "default")
    kept = list(client.fine_tuning.jobs.checkpoints.list(job.id))
    assert [one.step_number for one in kept] == [12, 9, 6]
    assert kept[0].metrics.model_dump()["full_valid_mean_reward"] == looks[-1]
    (content,) = [client.files.content(file).text for file in job.result_files]
    assert len(content.splitlines()) == 13
    answers = [
        client.chat.completions.create(
            model=job.fine_tuned_model or "",
            messages=[{"role": "user", "content": question}],
            max_tokens=4,
            temperature=0,
        )
        for question in QUESTIONS[:2]
    ]
    assert all(answer.choices[0].message.content for answer in answers)


def test_the_models_of_the_server_judge(server: Server) -> None:
    client = server.openai
    rows = [{"messages": [{"role": "user", "content": question}]} for question in QUESTIONS[:10]]
    judge = {
        "type": "score_model",
        "name": "polite",
        "model": BASE,
        "input": [{"role": "user", "content": "How polite is this? {{sample.output_text}}"}],
        "sampling_params": {"max_completions_tokens": 12, "temperature": 0},
    }
    job = reinforce(
        client,
        rows,
        judge,
        n_epochs=1,
        batch_size=10,
        compute_multiplier=0.25,
        eval_samples=1,
        max_completion_tokens=2,
    )
    job = server.until(job.id, done)
    assert job.status == "succeeded", job.error
    (told,) = metrics(client, job)
    assert 0 <= told["train_mean_reward"] <= 1
    judged = server.client.call("GET", "/logs?limit=50")["data"]
    assert len([log for log in judged if "How polite is this?" in json.dumps(log)]) >= 30


@pytest.mark.slow
def test_the_form_of_an_answer_is_learnt_from_how_near_it_comes(server: Server) -> None:
    """With nothing but a measure of similarity, and the rest left to "auto"."""
    client = server.openai
    ask = {"role": "system", "content": "Say whether the review is good or bad. Answer with one word."}
    rows: list[dict[str, Any]] = [
        {"messages": [ask, {"role": "user", "content": review}], "answer": answer} for review, answer in REVIEWS.items()
    ]
    grader = {
        "type": "text_similarity",
        "name": "near",
        "evaluation_metric": "fuzzy_match",
        "input": "{{sample.output_text}}",
        "reference": "{{item.answer}}",
    }
    job = server.until(reinforce(client, rows, grader, n_epochs=11, max_completion_tokens=10).id, done, seconds=280)
    looks = [one["full_valid_mean_reward"] for one in metrics(client, job) if "full_valid_mean_reward" in one]
    assert max(looks) > 0.4 > 0.2 > looks[0]
    said = [
        client.chat.completions.create(
            model=job.fine_tuned_model or "", messages=row["messages"], max_tokens=10, temperature=0
        )
        for row in rows
    ]
    words = [answer.choices[0].message.content for answer in said]
    assert sum(word in ("good", "bad") for word in words) >= 7, words
