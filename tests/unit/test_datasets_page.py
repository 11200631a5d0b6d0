"""The pages of data sets: the list, one of them with its versions and rows, import and export, who may what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nicegui import ui
from nicegui.elements.upload_files import SmallFileUpload

from tests.unit.page_user import user_of
from tuneloop import datasets
from tuneloop.importers import formats
from tuneloop.loop import Loop
from tuneloop.settings import Settings
from tuneloop.store.ids import new_id
from tuneloop.types import Dataset, FineTuningJob


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    made = Loop(settings=Settings(home=tmp_path, database_url=f"sqlite:///{tmp_path / 'tuneloop.db'}"))
    yield made
    made.store.close()


def fill(loop: Loop, count: int = 40, **more: Any) -> None:
    """Calls that are rated good, the last of them corrected."""
    for number in range(count):
        said = {"rating": "bad", "correction": "refund"} if number == count - 1 else {"rating": "good"}
        row = {
            "id": f"call {number}",
            "messages": [{"role": "user", "content": f"question {number:03}"}],
            "completion": f"answer {number}",
            "feedback": said,
            **more,
        }
        made = formats.to_log(row, source="import", cost=lambda *_: None)
        loop.store.logs.add([made.log])
        loop.store.scores.add(made.scores)


def make(loop: Loop, name: str = "desk", where: str = "score.rating = good or corrected") -> Dataset:
    return datasets.create(loop.store, name, where=where)


def rows(*texts: str) -> bytes:
    return b"".join(
        json.dumps({"messages": [{"role": "user", "content": t}, {"role": "assistant", "content": "a"}]}).encode()
        + b"\n"
        for t in texts
    )


async def test_without_a_data_set_the_way_to_one_is_shown(loop: Loop) -> None:
    async with user_of(loop) as user:
        await user.open("/datasets")
        await user.should_see("No data set yet")
        await user.should_see("Go to the logs")
        fill(loop)
        make(loop)
        await user.should_see("score.rating = good", retries=70)  # the page looks again by itself


async def test_the_list_has_the_newest_version_of_each_name(loop: Loop) -> None:
    fill(loop)
    older, newer = make(loop), make(loop, where="not corrected")
    job = FineTuningJob(
        id=new_id("ftjob-"), created_at=1.0, model="m", base="m", training_file="f", seed=0, dataset_id=older.id
    )
    loop.store.jobs.add(job)
    assert older.id != newer.id
    async with user_of(loop, "viewer") as user:
        await user.open("/datasets")
        await user.should_see("2 versions")
        await user.should_see("logs where not corrected")
        await user.should_see('/datasets/desk#jobs">1</a>')
        await user.should_see("1 note")  # 40 examples are few
        await user.should_not_see("Import a file")
        await user.open("/datasets/desk")
        await user.should_see("Tuned on it")
        await user.should_see(f'<a href="/jobs/{job.id}">')


async def test_a_data_set_says_what_became_of_every_row(loop: Loop) -> None:
    fill(loop)
    made = make(loop)
    async with user_of(loop) as user:
        await user.open("/datasets/desk")
        await user.should_see("were looked at")
        await user.should_see("kept with the better answer that somebody gave")
        await user.should_see("40 examples are few")
        await user.should_see("in place of: answer 39")
        await user.should_see("question 039")
        assert f"/datasets/{made.id}/content?method=dpo" in {
            link.props["href"] for link in user.find(kind=ui.link).elements
        }


async def test_the_rows_are_paged_and_found(loop: Loop) -> None:
    fill(loop)
    make(loop)
    async with user_of(loop) as user:
        await user.open("/datasets/desk")
        await user.should_see("Rows 1 to 25")
        user.find("Later rows").click()
        await user.should_see("Rows 26 to 40")
        await user.should_not_see("Later rows")
        user.find("Earlier rows").click()
        await user.should_see("Rows 1 to 25")
        user.find("Find in the rows").type("QUESTION 017")
        await user.should_see("question 017")
        await user.should_not_see("question 018")
        await user.open("/datasets/desk?text=nothing+of+that+kind")
        await user.should_see("No such row")
        await user.open("/datasets/desk?split=train&after=30")
        await user.should_not_see(">test<")
        assert (await user.http_client.get("/datasets/desk?split=all")).status_code == 400


async def test_versions_are_compared(loop: Loop) -> None:
    fill(loop)
    older, newer = make(loop), make(loop, where="not corrected")
    async with user_of(loop) as user:
        await user.open(f"/datasets/{older.id}?against={newer.id}")
        await user.should_see("an older version")
        await user.should_see("1 row added, 0 removed")
        await user.should_see("in place of: answer 39")
        await user.open(f"/datasets/desk?against={older.id}&side=removed")
        await user.should_see("0 rows added, 1 removed")
        await user.should_see("in place of: answer 39")
        await user.open(f"/datasets/desk?against={newer.id}")
        await user.should_see("has the same rows")


async def test_a_row_is_a_conversation_and_leads_to_its_call(loop: Loop) -> None:
    fill(loop)
    made = make(loop)
    [corrected] = [row for row in loop.store.datasets.rows(made.id) if row.rejected]
    number = 1 + [row.id for row in loop.store.datasets.rows(made.id)].index(corrected.id)
    async with user_of(loop) as user:
        await user.open(f"/datasets/desk/rows/{number}")
        await user.should_see("question 039")
        await user.should_see("<del>answer 39</del> <ins>refund</ins>")
        links = {link.props["href"] for link in user.find(kind=ui.link).elements}
        assert f"/logs/{corrected.log_id}" in links
        for wrong in ("0", "41", "one", "9" * 30):
            assert (await user.http_client.get(f"/datasets/desk/rows/{wrong}")).status_code == 404
        assert (await user.http_client.get("/datasets/nobody")).status_code == 404


async def test_training_files_are_downloaded(loop: Loop) -> None:
    fill(loop)
    make(loop, "the desk")
    async with user_of(loop, "viewer") as user:
        get = user.http_client.get
        whole = await get("/datasets/the%20desk/content")
        assert whole.headers["content-disposition"] == "attachment; filename*=utf-8''the%20desk.jsonl"
        assert len(whole.text.splitlines()) == 40
        pairs = await get("/datasets/the%20desk/content?method=dpo")
        assert [json.loads(line)["non_preferred_output"][0]["content"] for line in pairs.text.splitlines()] == [
            "answer 39"
        ]
        train = await get("/datasets/the%20desk/content?split=train")
        assert 0 < len(train.text.splitlines()) < 40 and "the%20desk-train.jsonl" in str(train.headers)
        for wrong in ("content?split=all", "content?method=magic"):
            assert (await get(f"/datasets/the%20desk/{wrong}")).status_code == 400
        for wrong in ("the%20desk/account", "the%20desk/report", "nobody/content"):
            assert (await get(f"/datasets/{wrong}")).status_code == 404


async def test_a_file_is_imported_and_what_is_wrong_names_the_line(loop: Loop) -> None:
    async with user_of(loop) as user:
        await user.open("/datasets")
        user.find("Import a file").click()
        await user.should_see("Choose a file")
        user.find("Make the data set").click()
        await user.should_see("Choose a file first.", retries=20)
        [upload] = user.find(kind=ui.upload).elements

        async def give(name: str, data: bytes) -> None:
            with upload:
                await upload.handle_uploads([SmallFileUpload(name, "", data)])

        await give("tickets.jsonl", rows(*"abcdefghijkl") + b"\n{nothing\n")
        assert {one.value for one in user.find(kind=ui.input).elements} == {"tickets"}
        user.find("Make the data set").click()
        await user.should_see("Line 14: not valid JSON", retries=20)
        await give("tickets.jsonl", rows(*"abcde"))
        await user.should_not_see("Line 14")
        user.find("Make the data set").click()
        await user.should_see("at least 10", retries=10)
        await give("tickets.jsonl", rows(*"abcdefghijklm"))
        user.find("Make the data set").click()
        await user.should_see("were looked at", retries=30)
    assert [(one.name, one.origin, sum(one.counts.values())) for one in loop.store.datasets.all()] == [
        ("tickets", "tickets.jsonl", 13)
    ]
