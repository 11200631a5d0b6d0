"""Graders and evals of a real model behind a real server, which is stopped and killed in the middle of a run."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from openai.types.evals import RunRetrieveResponse

from tests.acceptance.server import KEY, Server

BASE = "smollm2-135m-instruct"
CHECK: Any = {"type": "string_check", "name": "says", "operation": "ne"}
CHECK |= {"input": "{{sample.output_text}}", "reference": ""}
POLITE = "How polite is this, from 1 to 5? {{sample.output_text}}"
SCORE: Any = {"type": "score_model", "name": "polite", "model": BASE, "range": [1, 5], "pass_threshold": 1}
SCORE |= {"input": [{"role": "user", "content": POLITE}], "sampling_params": {"temperature": 0, "seed": 1}}
LABEL: Any = {"type": "label_model", "name": "mood", "model": BASE, "input": SCORE["input"]}
LABEL |= {"labels": ["kind", "rude"], "passing_labels": ["kind", "rude"]}
COSINE: Any = {**CHECK, "type": "text_similarity", "name": "near", "evaluation_metric": "cosine"}
COSINE |= {"reference": "{{item.near}}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("home"), smollm2.parent, TUNELOOP_SLOTS="4") as started:
        yield started


@pytest.fixture
def client(server: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=server.url, api_key=KEY, max_retries=0, _strict_response_validation=True) as made:
        yield made


def create(client: OpenAI, criteria: list[Any], rows: int, tokens: int) -> RunRetrieveResponse:
    config: Any = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
    made = client.evals.create(data_source_config=config, testing_criteria=criteria)
    template = [{"role": "user", "content": "Say something about the number {{item.n}}."}]
    source: Any = {
        "type": "completions",
        "model": BASE,
        "source": {"type": "file_content", "content": [{"item": {"n": n}} for n in range(rows)]},
        "input_messages": {"type": "template", "template": template},
        "sampling_params": {"max_completion_tokens": tokens, "temperature": 0},
    }
    run = client.evals.runs.create(made.id, data_source=source)
    return client.evals.runs.retrieve(run.id, eval_id=made.id)


def ended(client: OpenAI, run: RunRetrieveResponse, seconds: float = 120) -> RunRetrieveResponse:
    deadline = time.monotonic() + seconds
    while (found := client.evals.runs.retrieve(run.id, eval_id=run.eval_id)).status in ("queued", "in_progress"):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def done(client: OpenAI, run: RunRetrieveResponse) -> list[int]:
    items = client.evals.runs.output_items.list(run.id, eval_id=run.eval_id, limit=100)
    return [item.datasource_item_id for item in items]


def wait_for(client: OpenAI, run: RunRetrieveResponse, rows: int) -> None:
    deadline = time.monotonic() + 120
    while len(done(client, run)) < rows:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_small_model_judges_and_embeds(client: OpenAI) -> None:
    graders = client.fine_tuning.alpha.graders
    near = graders.run(grader=COSINE, model_sample="Thank you very much!", item={"near": "Thank you so much!"})
    far = graders.run(grader=COSINE, model_sample="Thank you very much!", item={"near": "def f(x): return x + 1"})
    assert 0 <= far.reward < near.reward <= 1
    run = ended(client, create(client, [CHECK, SCORE, LABEL], rows=3, tokens=12))
    assert (run.status, run.result_counts.to_dict()) == (
        "completed",
        {"total": 3, "passed": 3, "failed": 0, "errored": 0},
    )
    (used,) = run.per_model_usage
    assert used.invocation_count == 9 and used.prompt_tokens > 0 < used.completion_tokens
    for item in client.evals.runs.output_items.list(run.id, eval_id=run.eval_id):
        _, score, label = item.results
        assert 1 <= score.score <= 5 and score.passed and label.passed
        assert label.sample is not None and score.type == "score_model"
        assert item.sample.output[0].content and item.sample.model == BASE


def test_a_run_outlives_its_server(server: Server, client: OpenAI) -> None:
    run = create(client, [CHECK], rows=24, tokens=24)
    wait_for(client, run, 3)
    server.kill()
    server.start()
    before = done(client, run)
    assert before == list(range(len(before))) and len(before) >= 3
    wait_for(client, run, len(before) + 3)
    server.process.send_signal(signal.SIGINT)  # calls under way are broken off: they count for nothing
    server.process.wait(30)
    server.start()
    run = ended(client, run)
    assert (run.status, run.result_counts.passed, run.result_counts.total) == ("completed", 24, 24)
    assert done(client, run) == list(range(24))


def test_cancelling_ends_the_work_within_seconds(client: OpenAI) -> None:
    long = create(client, [CHECK], rows=100, tokens=1000)
    while client.evals.runs.retrieve(long.id, eval_id=long.eval_id).status == "queued":
        time.sleep(0.05)
    time.sleep(0.5)
    started = time.monotonic()
    assert client.evals.runs.cancel(long.id, eval_id=long.eval_id).status == "canceled"
    # The queue is free again: the next run gets its turn, and the model's slots.
    assert ended(client, create(client, [CHECK], rows=1, tokens=4)).status == "completed"
    assert time.monotonic() - started < 30
    assert client.evals.runs.retrieve(long.id, eval_id=long.eval_id).status == "canceled"
