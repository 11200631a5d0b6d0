"""The pages of models and deployments, and the chat."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement
from nicegui.testing import User
from nicegui.testing.user_interaction import UserInteraction
from typer.testing import CliRunner

from tests.unit.api_server import running
from tests.unit.page_user import user_of
from tests.unit.sample_report import sample_report
from tests.unit.test_evaluating import rows
from tuneloop import datasets, deployments, origins
from tuneloop.cli.commands import app
from tuneloop.deployments import Wanted
from tuneloop.errors import ModelNotFound
from tuneloop.importers import formats
from tuneloop.loop import Loop
from tuneloop.settings import Settings, Upstream
from tuneloop.store.ids import new_id
from tuneloop.testing import Answer, UpstreamFake
from tuneloop.types import Checkpoint, Evaluation, FineTuningJob, Log, Model

BIG = "gpt-4o-mini"
#: what the sample report is about, and another model in it
TUNED, OTHER = "ft:smollm2-135m-instruct:local:desk:5e6f7a8b", "ft:smollm2-135m-instruct:local:desk:1a2b3c4d"


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    upstream = Upstream(name="up", base_url="http://127.0.0.1:1/v1", models=(BIG,))
    url = f"sqlite:///{tmp_path / 'tuneloop.db'}"
    made = Loop(settings=Settings(home=tmp_path, database_url=url, upstreams=(upstream,)))
    yield made
    made.store.close()


def tune(loop: Loop, name: str = TUNED) -> FineTuningJob:
    """A tuned model with a checkpoint, a job, and a data set."""
    store = loop.store
    split = (1.0, 0.0, 0.0)
    dataset = datasets.import_rows(store, "desk", rows(0, 20), origin="rows.jsonl", shares=split, held_out=rows(100, 5))
    folder = loop.settings.home / name.rpartition(":")[2]
    folder.mkdir()
    (folder / "adapter.gguf").write_bytes(b"x" * 1_500_000)
    made: dict[str, Any] = {
        "model": "smollm2-135m-instruct",
        "base": "smollm2-135m-instruct",
        "training_file": "file-1",
    }
    job = FineTuningJob(
        id=new_id("ftjob-"), created_at=1.0, status="succeeded", fine_tuned_model=name, dataset_id=dataset.id, **made
    )
    store.jobs.add(job)
    for model in (name, f"{name}:ckpt-step-3"):
        store.models.add(
            Model(
                id=model, created_at=2.0, kind="tuned", base=job.base, owned_by="o", adapter=str(folder), job_id=job.id
            )
        )
    store.checkpoints.add(
        Checkpoint(
            id=new_id("ftckpt_"),
            created_at=2.0,
            job_id=job.id,
            model=f"{name}:ckpt-step-3",
            step=3,
            metrics={"train_loss": 1.25},
        )
    )
    store.deployments.touch()
    loop.routes.forget()
    return job


def judge(loop: Loop, answer: str = "yes") -> Evaluation:
    report = sample_report(20)
    report["verdict"] |= {"answer": answer}
    made = Evaluation(id=new_id("eval_"), created_at=3.0, dataset_id="ds_1", report=report)
    loop.store.evaluations.add(made)
    return made


def deploy(loop: Loop, alias: str, model: str, *, note: str | None = None) -> None:
    deployments.deploy(loop.store, alias, model, exists=lambda _: True, note=note, user="Ann")
    loop.routes.forget()


def split(loop: Loop, alias: str, shares: dict[str, float], **shadow: float) -> None:
    wanted = Wanted(split=shares, shadow=shadow)
    deployments.share(loop.store, alias, wanted, exists=lambda _: True, told=lambda _: None)
    loop.routes.forget()


def live(loop: Loop, alias: str) -> dict[str, float]:
    found = deployments.answering(loop.store, alias)
    assert found is not None
    return {one["model"]: one["share"] for one in found.shares} or {found.model: 100.0}


def buttons(user: User, said: str) -> list[Any]:
    found = user.find(kind=TextElement, content=said).elements
    return sorted((one for one in found if one.tag == "button" and one.text == said), key=lambda one: one.id)


def press(user: User, said: str) -> None:
    """Press the button that came last of those that say this: that of a dialog, where there is one."""
    UserInteraction(user, {buttons(user, said)[-1]}, said).trigger("click")


def field(user: User, label: str) -> Any:
    return next(one for one in user.find(kind=ui.element).elements if one.props.get("label") == label)


async def sees(user: User, said: str) -> None:
    """Wait until it is there, on a slow machine as well."""
    await user.should_see(said, retries=100)


def slide(user: User, percent: int) -> None:
    bar = next(one for one in user.find(kind=ui.element).elements if one.props.get("type") == "range")
    UserInteraction(user, {bar}, "slider").trigger("input", str(percent))


# the origin of a model


def test_where_a_model_comes_from(loop: Loop) -> None:
    job, evaluation = tune(loop), judge(loop)
    split(loop, "desk", {BIG: 90, TUNED: 10})
    split(loop, "trial", {BIG: 100}, **{TUNED: 50})
    found = origins.of(loop.store, TUNED)
    assert found.job is not None and found.job.id == job.id
    assert found.dataset is not None and found.dataset.name == "desk"
    assert (found.bytes, [one.step for one in found.checkpoints]) == (1_500_000, [3])
    assert [(one.id, one.verdict) for one in found.judged] == [(evaluation.id, "yes")]
    assert [(one.alias, one.share, one.shadow) for one in found.places] == [
        ("desk", 10.0, False),
        ("trial", 50.0, True),
    ]
    assert [one.model.id for one in origins.every(loop.store, limit=5)[0]] == [TUNED]
    assert origins.every(loop.store, limit=5, after=1) == ([], 1)
    with pytest.raises(ModelNotFound, match="not a model that was tuned here"):
        origins.of(loop.store, BIG)
    instructions, questions = origins.rehearsal(loop.store, TUNED)
    assert len(questions) == 3 and origins.rehearsal(loop.store, BIG) == ("", [])
    assert instructions == "" or instructions in str(rows(0, 1))


def test_what_is_gone_is_not_missed(loop: Loop) -> None:
    loop.store.models.add(Model(id="ft:old", created_at=1.0, kind="tuned", base="b", owned_by="o", adapter="/nowhere"))
    found = origins.of(loop.store, "ft:old")
    assert (found.job, found.dataset, found.bytes, found.judged, found.places) == (None, None, None, [], [])


def test_the_lineage_over_http_and_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path) as server:
        job = tune(server.loop)
        judge(server.loop)
        deploy(server.loop, "desk", TUNED)
        found = server.client.get("/v1/models/desk/lineage").json()
        assert (found["object"], found["model"], found["job"]) == ("model.lineage", TUNED, job.id)
        assert (found["dataset"]["name"], found["origin"]) == ("desk", "rows.jsonl")
        assert found["answers"] == [{"alias": "desk", "share": 100.0, "shadow": False}]
        assert found["evaluations"][0]["verdict"] == "yes" and found["checkpoints"] == [f"{TUNED}:ckpt-step-3"]
        assert server.client.get("/v1/models/nope/lineage").status_code == 404
    monkeypatch.setenv("TUNELOOP_HOME", str(tmp_path))
    said = CliRunner().invoke(app, ["models", "show", "desk"]).output
    assert TUNED in said and "rows.jsonl" in said and "1.5 MB" in said and "desk, 100 %" in said


# the list


async def test_where_nothing_is_there_the_way_out_is_shown(loop: Loop) -> None:
    async with user_of(loop) as user:
        await user.open("/models")
        await sees(user, "Nothing is deployed")
        await sees(user, "No model is tuned yet")
        await sees(user, "brought when it is first asked")
        assert buttons(user, "Deploy a model")


async def test_models_and_names_are_listed_and_looked_at_again(loop: Loop) -> None:
    tune(loop)
    judge(loop)
    split(loop, "desk", {BIG: 90, TUNED: 10}, **{OTHER: 20})
    async with user_of(loop, "viewer") as user:
        await user.open("/models")
        for said in (f"/models/{TUNED}", "1.5 MB", "desk (10 %)", "verdict: yes", "gets copies", "at up"):
            await sees(user, said)
        await user.should_not_see(f"{TUNED}:ckpt-step-3")
        for said in ("Deploy", "Promote", "Roll back", "Share out"):
            await user.should_not_see(said)
        deploy(loop, "another", BIG)
        await sees(user, "another")


async def test_a_viewer_is_asked_for_nothing_by_the_url(loop: Loop) -> None:
    tune(loop)
    async with user_of(loop, "viewer") as user:
        await user.open(f"/models?deploy={TUNED}")
        await user.should_not_see("Deploy a model")


# deploying


async def test_a_model_is_deployed_if_the_verdict_is_yes(loop: Loop) -> None:
    tune(loop)
    evaluation = judge(loop, "no")
    async with user_of(loop) as user:
        await user.open(f"/models?deploy={TUNED}&evaluation={evaluation.id}&as=desk")
        await sees(user, "Only if its verdict is yes")
        assert (field(user, "Model").value, field(user, "Name").value) == (TUNED, "desk")
        press(user, "Deploy")
        await sees(user, "not deployed: the verdict")
        assert loop.store.deployments.all() == []
        user.find("Only if its verdict is yes").click()
        field(user, "Note").value = "we know better"
        press(user, "Deploy")
        await sees(user, "desk is deployed")
    (made,) = loop.store.deployments.all()
    assert (made.alias, made.model, made.note, made.user) == ("desk", TUNED, "we know better", "Ann")


async def test_a_part_of_the_calls_or_copies(loop: Loop) -> None:
    tune(loop)
    async with user_of(loop) as user:
        await user.open(f"/models?deploy={TUNED}&as={BIG}")
        slide(user, 15)
        press(user, "Deploy")
        await sees(user, f"{BIG} is deployed")
        assert live(loop, BIG) == {BIG: 85.0, TUNED: 15.0}
        await user.open(f"/models?deploy={TUNED}&as=desk")
        deploy(loop, "desk", BIG)
        slide(user, 40)
        user.find("Copies only: its answers are logged, and given to nobody").click()
        press(user, "Deploy")
        await sees(user, "desk is deployed")
    found = deployments.answering(loop.store, "desk")
    assert found is not None and found.model == BIG
    assert [(one["model"], one["share"]) for one in found.shadow] == [(TUNED, 40.0)]


async def test_what_cannot_be_deployed_is_said(loop: Loop) -> None:
    async with user_of(loop) as user:
        await user.open("/models")
        press(user, "Deploy")
        await sees(user, "What answers there can be changed")
        press(user, "Deploy")
        await sees(user, "choose a model")
        field(user, "Model").value = BIG
        field(user, "Name").value = "no name"
        press(user, "Deploy")
        await sees(user, "an alias is 1 to 100 letters")
    assert loop.store.deployments.all() == []


async def test_calls_are_shared_out_promoted_and_rolled_back(loop: Loop) -> None:
    tune(loop)
    deploy(loop, "desk", BIG, note="the beginning")
    split(loop, "desk", {BIG: 90, TUNED: 10})
    async with user_of(loop) as user:
        await user.open("/models")
        await sees(user, "the beginning, by Ann")
        press(user, "Share out")
        await sees(user, f"{BIG} answers the rest: 90 %")
        slide(user, 30)
        await sees(user, f"{BIG} answers the rest: 70 %")
        press(user, "Share out")
        await sees(user, "The calls to desk are shared out")
        assert live(loop, "desk") == {BIG: 70.0, TUNED: 30.0}
        press(user, "Promote")
        await sees(user, "Promote desk?")
        press(user, "Not now")
        await user.should_not_see("Promote desk?", retries=100)
        assert live(loop, "desk") == {BIG: 70.0, TUNED: 30.0}
        press(user, "Promote")
        await sees(user, f"{TUNED} answers every call, from the next one on.")
        press(user, "Promote")
        await sees(user, f"desk is now {TUNED}")
        assert live(loop, "desk") == {TUNED: 100.0}
        press(user, "Roll back")
        await sees(user, "answers again, from the next call on.")
        press(user, "Roll back")
        await sees(user, f"desk is {BIG} (70")
        assert live(loop, "desk") == {BIG: 70.0, TUNED: 30.0}


# one model


async def test_the_page_of_a_tuned_model_leads_back_to_the_rows(loop: Loop) -> None:
    job, evaluation = tune(loop), judge(loop)
    deploy(loop, "desk", TUNED)
    async with user_of(loop) as user:
        await user.open(f"/models/{TUNED}")
        for said in ("rows.jsonl", "desk, 25 rows", job.id, f"/compare/{evaluation.id}", "1.250", "1.5 MB"):
            await sees(user, said)
        dataset = next(iter(user.find(kind=ui.link, content="desk, 25 rows").elements))
        assert dataset.props["href"] == f"/datasets/{job.dataset_id}"
        press(user, "Delete")
        await sees(user, "Its files and checkpoints go for good.")
        press(user, "Delete")
        await sees(user, "answers as desk: deploy another model there first")
        assert loop.store.models.find(TUNED) is not None
        deploy(loop, "desk", BIG)
        press(user, "Delete")
        await sees(user, "Its files and checkpoints go for good.")
        press(user, "Delete")
        await sees(user, "No model is tuned yet")
        assert loop.store.models.all() == []


async def test_the_pages_of_other_models_and_of_names(loop: Loop) -> None:
    tune(loop)
    deploy(loop, "desk", TUNED)
    async with user_of(loop, "viewer") as user:
        await user.open(f"/models/{BIG}")
        await sees(user, "A model at up.")
        await sees(user, "Nowhere yet.")
        await user.open("/models/smollm2-135m-instruct")
        await sees(user, "that can be tuned")
        await user.open("/models/desk")
        await sees(user, "A name that applications ask for")
        await sees(user, TUNED)
        await user.open(f"/models/{TUNED}")
        await sees(user, "not compared with anything yet")
        await user.should_not_see("Delete")
        answer = await user.http_client.get("/models/nope")
        assert answer.status_code == 404 and "does not exist" in answer.text


# the chat


async def test_a_chat_is_streamed_and_goes_on_after_a_reload(loop: Loop) -> None:
    tune(loop)
    deploy(loop, "desk", TUNED)
    log = formats.to_log(
        {
            "id": "log_of_chat",
            "model": "desk",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is it?"}],
            "completion": {"role": "assistant", "content": "On its way."},
        },
        source="import",
        cost=lambda *_: None,
        log_id="log_of_chat",
    ).log
    loop.store.logs.add([log])
    with UpstreamFake(Answer(text="On its way.", headers={"x-tuneloop-log-id": log.id})) as server:
        loop.url = server.base_url
        async with user_of(loop) as user:
            await user.open("/models/chat?model=desk")
            await sees(user, "ask what it was not shown")
            field(user, "Instructions").value = "Be brief."
            field(user, "Message").value = "Where is it?"
            press(user, "Send")
            await sees(user, "3 tokens")
            sent = server.requests[0].json
            assert sent["messages"] == [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Where is it?"},
            ]
            assert (sent["model"], sent["stream"], sent["user"]) == ("desk", True, "Ann")
            await user.open(f"/models/chat?model=desk&log={log.id}")
            await sees(user, "Where is it?")
            await sees(user, "On its way.")
            assert field(user, "Instructions").value == "Be brief."
            field(user, "Message").value = "And now?"
            UserInteraction(user, {field(user, "Message")}, "Message").trigger("keydown")
            for _ in range(100):
                if len(server.requests) == 2:
                    break
                await asyncio.sleep(0.05)
            assert [one["role"] for one in server.requests[1].json["messages"]] == [
                "system",
                "user",
                "assistant",
                "user",
            ]


async def test_an_answer_is_stopped_and_an_error_is_shown(loop: Loop) -> None:
    with UpstreamFake(Answer(text="eins zwei drei vier", pause=5)) as server:
        loop.url = server.base_url
        async with user_of(loop) as user:
            await user.open(f"/models/chat?model={BIG}")
            await sees(user, "Say something.")
            field(user, "Message").value = "Count"
            press(user, "Send")
            await sees(user, "eins")
            press(user, "Stop")
            await sees(user, "stopped")
            server.enqueue(Answer(status=429, text="Slow down"))
            field(user, "Message").value = "Again"
            press(user, "Send")
            await sees(user, "Slow down")
            field(user, "Message").value = "  "
            press(user, "Send")
            await asyncio.sleep(0.1)
            assert len(server.requests) == 2


async def test_a_chat_with_nobody_and_of_somebody_who_may_not(loop: Loop) -> None:
    kept = Log(id="log_1", created_at=1.0, source="api", endpoint="/v1/embeddings", model="m", status=200)
    loop.store.logs.add([kept])
    async with user_of(loop, "reviewer") as user:
        await user.open("/models/chat")
        await sees(user, "that takes the role owner")
        await user.should_not_see("Send")
        for query, status in (("model=nope", 404), (f"model={BIG}&log=nope", 404), (f"model={BIG}&log=log_1", 400)):
            answer = await user.http_client.get(f"/models/chat?{query}")
            assert answer.status_code == status
