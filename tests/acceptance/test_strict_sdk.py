"""Every endpoint of OpenAI's API, asked by OpenAI's own client, which checks the shape of every answer."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import openai
import pytest
from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob
from pydantic import BaseModel

from tests.acceptance.server import KEY, Server
from tuneloop.api.contract import OPERATIONS
from tuneloop.testing import Answer, UpstreamFake

BASE = "smollm2-135m-instruct"
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
HELLO: list[Any] = [{"role": "user", "content": "Say hello."}]
SHORT: Any = {"model": BASE, "temperature": 0, "max_tokens": 4}
CHECK: Any = {"type": "string_check", "name": "says", "operation": "ne", "input": "{{sample.output_text}}"}
CHECK |= {"reference": ""}
#: what no method of the client leads to, and what is there to be refused
NOT_ASKED = {
    ("POST", "/v1/evals/{eval_id}/runs/{run_id}"),
    ("POST", "/v1/responses/{response_id}/cancel"),
    ("POST", "/v1/traces"),
}


class Ticket(BaseModel):
    """Where a ticket goes."""

    queue: Literal["shipping", "billing"]


@pytest.fixture(scope="module")
def receiver() -> Iterator[UpstreamFake]:
    with UpstreamFake(Answer(raw=b"thanks")) as started:
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, smollm2: Path, receiver: UpstreamFake) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    (home / "settings.toml").write_text(f'[[webhooks]]\nurl = "{receiver.base_url}/hook"\nsecret = "{SECRET}"\n')
    with Server(home, smollm2.parent, TUNELOOP_SLOTS="4") as started:
        yield started


@pytest.fixture
def asked() -> set[tuple[str, str]]:
    """The methods and paths of the requests that were answered with success."""
    return set()


@pytest.fixture
def client(server: Server, asked: set[tuple[str, str]]) -> Iterator[OpenAI]:
    def note(response: Any) -> None:
        if response.status_code < 300:
            asked.add((response.request.method, response.request.url.raw_path.decode().partition("?")[0]))

    http = openai.DefaultHttpxClient(event_hooks={"response": [note]})
    arguments: Any = {"api_key": KEY, "webhook_secret": SECRET, "max_retries": 0, "http_client": http}
    with OpenAI(base_url=server.url, **arguments, _strict_response_validation=True) as made:
        yield made


def test_every_endpoint(client: OpenAI, asked: set[tuple[str, str]], receiver: UpstreamFake) -> None:
    job = jobs(client)
    for family in (files, uploads, chats, stored_chats, texts, responses, graders, batches, evals):
        family(client)
    webhooks(client, receiver, job)
    there = {(one.method, one.path) for one in OPERATIONS if one.group != "Tuneloop"}
    patterns = {one: re.compile(re.sub(r"\{\w+\}", "[^/]+", one[1])) for one in there}
    seen = {one for one in there for method, path in asked if method == one[0] and patterns[one].fullmatch(path)}
    assert there - seen == NOT_ASKED
    assert all(unquote(path).startswith("/v1/") for _, path in asked)


def lines(rows: list[Any]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def until(retrieve: Any, *statuses: str, seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while (found := retrieve()).status not in statuses:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def files(client: OpenAI) -> None:
    expires: Any = {"anchor": "created_at", "seconds": 3600}
    made = client.files.create(file=("räksmörgås.txt", b"x\n"), purpose="user_data", expires_after=expires)
    assert client.files.wait_for_processing(made.id).status == "processed"
    assert (client.files.retrieve(made.id), client.files.content(made.id).content) == (made, b"x\n")
    assert made in list(client.files.list(purpose="user_data", limit=1))
    assert client.files.delete(made.id).deleted


def uploads(client: OpenAI) -> None:
    asked: Any = {"filename": "x.jsonl", "mime_type": "text/jsonl", "purpose": "fine-tune"}
    upload = client.uploads.create(bytes=4, **asked)
    parts = [client.uploads.parts.create(upload.id, data=data).id for data in (b"ab", b"c\n")]
    done = client.uploads.complete(upload.id, part_ids=parts)
    assert done.file is not None and client.files.content(done.file.id).content == b"abc\n"
    assert client.uploads.cancel(client.uploads.create(bytes=4, **asked).id).status == "cancelled"


def chats(client: OpenAI) -> None:
    tool: Any = {"type": "function", "function": {"name": "route", "parameters": Ticket.model_json_schema()}}
    chat = client.chat.completions
    answer = chat.create(**SHORT, messages=HELLO, n=2, logprobs=True, top_logprobs=2, stop=["!"], seed=1)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert isinstance(chat.parse(**SHORT | {"max_tokens": 64}, messages=HELLO, response_format=Ticket).choices, list)
    for choice in ("required", "none", "auto"):
        chat.create(**SHORT | {"max_tokens": 64}, messages=HELLO, tools=[tool], tool_choice=choice)
    fields: Any = {"stream": True, "stream_options": {"include_usage": True}, "logprobs": True}
    *_, last = chat.create(**SHORT, messages=HELLO, **fields)
    assert last.usage is not None and last.choices == []
    with chat.stream(**SHORT | {"max_tokens": 64}, messages=HELLO, tools=[tool], tool_choice="required") as stream:
        assert stream.get_final_completion().choices[0].message.tool_calls


def stored_chats(client: OpenAI) -> None:
    chat = client.chat.completions
    # The client knows no other role of a stored message, though its documentation has them all.
    said: Any = [{"role": "assistant", "content": "Say hello."}]
    made = chat.create(**SHORT, messages=said, store=True, metadata={"test": "strict"})
    (found,) = chat.list(metadata={"test": "strict"}, model=BASE, order="desc")
    assert found == chat.retrieve(made.id)
    assert [message.content for message in chat.messages.list(made.id)] == ["Say hello."]
    assert chat.update(made.id, metadata={"a": "b"}).metadata == {"a": "b"}
    assert chat.delete(made.id).deleted


def texts(client: OpenAI) -> None:
    answer = client.completions.create(**SHORT, prompt=["Once", "Twice"], logprobs=1, echo=False, n=1)
    assert [choice.index for choice in answer.choices] == [0, 1]
    # Streams of texts are left out: the client does not know that a reason to finish is null until then.
    vectors = client.embeddings.create(model=BASE, input=["a", "b"], encoding_format="float", dimensions=8)
    assert [len(vector.embedding) for vector in vectors.data] == [8, 8]


def responses(client: OpenAI) -> None:
    tool: Any = {"type": "function", "name": "route", "parameters": Ticket.model_json_schema(), "strict": True}
    asked: Any = {"model": BASE, "temperature": 0, "max_output_tokens": 64}
    required: Any = {"tools": [tool], "tool_choice": "required", "parallel_tool_calls": False}
    first = client.responses.create(**asked, **required, input="Say hello.")
    assert first.output[0].type == "function_call"
    said: Any = [{"type": "function_call_output", "call_id": first.output[0].call_id, "output": "ok"}]
    *_, last = client.responses.create(**asked, input=said, previous_response_id=first.id, stream=True)
    assert last.type in ("response.completed", "response.incomplete")
    assert client.responses.parse(**asked, input="My parcel is late!", text_format=Ticket).output_parsed is not None
    assert client.responses.retrieve(last.response.id) == last.response
    assert len(client.responses.input_items.list(last.response.id).data) == 3
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(first.id)  # only what runs in the background can be
    client.responses.delete(first.id)


def graders(client: OpenAI) -> None:
    run = client.fine_tuning.alpha.graders
    multi: Any = {"type": "multi", "name": "all", "graders": CHECK, "calculate_output": "says"}
    assert run.run(grader=CHECK, model_sample="x").reward == 1
    assert run.run(grader=multi, model_sample="x", item={"a": 1}).metadata.scores
    assert run.validate(grader=CHECK).grader is not None


def batches(client: OpenAI) -> None:
    body = {"method": "POST", "url": "/v1/chat/completions", "body": {**SHORT, "messages": HELLO}}
    file = client.files.create(file=("in.jsonl", lines([{"custom_id": "a", **body}])), purpose="batch")
    asked: Any = {"endpoint": "/v1/chat/completions", "completion_window": "24h", "input_file_id": file.id}
    batch = client.batches.create(**asked, metadata={"test": "strict"})
    done = until(lambda: client.batches.retrieve(batch.id), "completed")
    assert json.loads(client.files.content(done.output_file_id).text)["custom_id"] == "a"
    rubbish = client.files.create(file=("in.jsonl", b"{}"), purpose="batch")
    failed = client.batches.create(**asked | {"input_file_id": rubbish.id})
    assert until(lambda: client.batches.retrieve(failed.id), "failed").errors.data
    cancelled = client.batches.cancel(client.batches.create(**asked).id)
    until(lambda: client.batches.retrieve(cancelled.id), "cancelled", "completed")
    assert {batch.id, failed.id, cancelled.id} <= {one.id for one in client.batches.list(limit=1)}


def evals(client: OpenAI) -> None:
    config: Any = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
    made = client.evals.create(name="strict", data_source_config=config, testing_criteria=[CHECK])
    assert client.evals.update(made.id, metadata={"a": "b"}).metadata == {"a": "b"}
    assert client.evals.retrieve(made.id).id in [one.id for one in client.evals.list(limit=1)]
    content = {"type": "file_content", "content": [{"item": {"n": 1}, "sample": {"output_text": "x"}}]}
    source: Any = {"type": "jsonl", "source": content}
    runs = client.evals.runs
    run = runs.create(made.id, data_source=source, name="one")
    assert until(lambda: runs.retrieve(run.id, eval_id=made.id), "completed").result_counts.passed == 1
    (item,) = runs.output_items.list(run.id, eval_id=made.id)
    assert runs.output_items.retrieve(item.id, eval_id=made.id, run_id=run.id).id == item.id
    template = {"type": "template", "template": HELLO}
    source = {"type": "completions", "model": BASE, "source": content, "input_messages": template}
    other = runs.create(made.id, data_source=source)
    assert runs.cancel(other.id, eval_id=made.id).status in ("canceled", "in_progress")
    until(lambda: runs.retrieve(other.id, eval_id=made.id), "canceled")
    assert {one.id for one in runs.list(made.id, limit=1)} == {run.id, other.id}
    assert runs.delete(other.id, eval_id=made.id).deleted
    assert client.evals.delete(made.id).deleted


def jobs(client: OpenAI) -> str:
    """Returns the job that succeeded; its model is gone."""
    rows = [{"messages": [*HELLO, {"role": "assistant", "content": f"Hello {number}"}]} for number in range(12)]
    file = client.files.create(file=("train.jsonl", lines(rows)), purpose="fine-tune")
    wandb: Any = [{"type": "wandb", "wandb": {"project": "strict", "tags": ["a"]}}]
    method: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 6}}}
    asked: Any = {"model": BASE, "training_file": file.id, "validation_file": file.id, "integrations": wandb}
    job = client.fine_tuning.jobs.create(**asked, method=method, suffix="strict", seed=1, metadata={"a": "b"})
    others: Any = ({"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2}}}}, {"hyperparameters": {}})
    for fields in others:
        other = client.fine_tuning.jobs.create(model=BASE, training_file=file.id, **fields)
        client.fine_tuning.jobs.pause(other.id)
        client.fine_tuning.jobs.resume(other.id)
        assert client.fine_tuning.jobs.cancel(other.id).status == "cancelled"
    done = until(lambda: client.fine_tuning.jobs.retrieve(job.id), "succeeded", "failed")
    assert done.error is None and client.files.content(done.result_files[0]).text.count("\n") >= 4
    assert job.id in [one.id for one in client.fine_tuning.jobs.list(limit=1, metadata={"a": "b"})]
    assert {event.type for event in client.fine_tuning.jobs.list_events(job.id, limit=5)} == {"message", "metrics"}
    checkpoints(client, done)
    assert client.models.retrieve(done.fine_tuned_model) in client.models.list().data
    assert client.models.delete(done.fine_tuned_model).deleted
    return job.id


def checkpoints(client: OpenAI, job: FineTuningJob) -> None:
    permissions = client.fine_tuning.checkpoints.permissions
    checkpoint = list(client.fine_tuning.jobs.checkpoints.list(job.id, limit=1))[0].fine_tuned_model_checkpoint
    (permission,) = permissions.create(checkpoint, project_ids=["proj_a"])
    assert [one.id for one in permissions.list(checkpoint)] == [permission.id]
    assert permissions.delete(permission.id, fine_tuned_model_checkpoint=checkpoint).deleted
    for name in (checkpoint, job.fine_tuned_model):
        assert client.chat.completions.create(**SHORT | {"model": name}, messages=HELLO).model == name


def webhooks(client: OpenAI, receiver: UpstreamFake, job: str) -> None:
    expected = {"fine_tuning.job.succeeded", "fine_tuning.job.cancelled", "eval.run.succeeded", "eval.run.canceled"}
    expected |= {"batch.completed", "batch.failed"}
    deadline = time.monotonic() + 30
    while True:
        told: list[Any] = [client.webhooks.unwrap(one.body, one.headers) for one in receiver.requests]
        if expected <= {event.type for event in told}:
            break
        assert time.monotonic() < deadline, told
        time.sleep(0.1)
    assert [event.data.id for event in told if event.type == "fine_tuning.job.succeeded"] == [job]
