"""One contract for the store, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url, text

from tuneloop import filters
from tuneloop.errors import InvalidInput, NotFound, Unavailable
from tuneloop.store import Blobs, Database, Store, schema
from tuneloop.store.datasets import Member
from tuneloop.store.ids import new_id
from tuneloop.store.migrations import MIGRATIONS, m001_initial
from tuneloop.types import Dataset, Deployment, Event, Example, File, FineTuningJob, Log, Message, Score


def a_log(number: int = 0, **fields: object) -> Log:
    defaults = {
        "id": f"log_{number:04d}",
        "created_at": 1000.0 + number,
        "source": "gateway",
        "endpoint": "/v1/chat/completions",
        "model": "gpt-4o-mini",
        "served_by": "gpt-4o-mini",
        "status": 200,
        "latency_ms": 100.0 + number,
        "prompt_tokens": 10,
        "completion_tokens": number,
        "input_text": f"question {number}",
        "output_text": f"answer {number}",
        "request": b'{"messages": []}',
        "response": b"{}",
    }
    return Log(**{**defaults, **fields})  # type: ignore[arg-type]


def a_score(log: str, value: bool | float | str | None, **fields: object) -> Score:
    defaults = {"id": new_id("score_"), "log_id": log, "created_at": time.time(), "name": "rating", "value": value}
    return Score(**{**defaults, **fields})  # type: ignore[arg-type]


def test_the_migrations_make_what_the_schema_says(store: Store) -> None:
    found = inspect(store.database.engine)
    for table in schema.metadata.sorted_tables:
        columns = {column["name"]: column for column in found.get_columns(table.name)}
        assert set(columns) == {column.name for column in table.columns}, table.name
        for column in table.columns:
            assert columns[column.name]["nullable"] == bool(column.nullable) or column.primary_key, column
        made = {index["name"] for index in found.get_indexes(table.name) if not index.get("duplicates_constraint")}
        assert made >= {index.name for index in table.indexes}, table.name


def test_a_database_is_migrated_once(database_url: str) -> None:
    for _ in range(2):
        database = Database(database_url)
        with database.read() as connection:
            names = connection.execute(text("SELECT name FROM migrations ORDER BY name")).scalars().all()
        assert names == [step.__name__ for step in MIGRATIONS]
        database.close()


def test_a_dataset_of_the_first_schema_is_read_with_nothing_said(database_url: str, tmp_path: Path) -> None:
    url = make_url(database_url)
    engine = create_engine(url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE migrations (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL)"))
        m001_initial(connection)
        for statement in (
            "INSERT INTO migrations VALUES ('m001_initial', '2026-01-01')",
            "INSERT INTO examples VALUES ('ex_1', '[]', '[]', '{}', 1.0)",
            "INSERT INTO datasets VALUES ('ds_1', 'old', 1.0, '', '{}', '{}')",
            "INSERT INTO dataset_rows VALUES ('ds_1', 0, 'ex_1', 'train', NULL)",
        ):
            connection.exec_driver_sql(statement)
    engine.dispose()
    opened = Store(Database(database_url), Blobs(str(tmp_path / "files")))
    assert list(opened.datasets.rows("ds_1")) == [Example(id="ex_1", messages=[], tools=[])]
    opened.close()


def test_two_processes_may_open_a_new_database_at_once(database_url: str) -> None:
    errors: list[Exception] = []

    def open_it() -> None:
        try:
            Database(database_url).close()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_wrong_url_says_what_to_write() -> None:
    with pytest.raises(InvalidInput, match="postgresql://user:password@host/database"):
        Database("not a url")
    with pytest.raises(InvalidInput, match="'mysql'"):
        Database("mysql://x/y")
    with pytest.raises(Unavailable, match="cannot open the database"):
        Database("sqlite:////proc/nowhere/x.db")


def test_logs_come_newest_first_and_page_without_loss(store: Store) -> None:
    # Three calls in the same instant: the id decides.
    store.logs.add([a_log(i, created_at=1000.0 + i // 3) for i in range(10)])
    seen: list[str] = []
    after, more = None, True
    while more:
        page, more = store.logs.page(filters.parse(""), limit=3, after=after)
        seen += [log.id for log in page]
        after = seen[-1]
    assert seen == [f"log_{i:04d}" for i in reversed(range(10))]
    assert [log.id for log in store.logs.each(filters.parse(""))] == seen


def test_a_log_is_kept_as_it_is(store: Store) -> None:
    log = a_log(request=b"\x00\xff not json", response="früh ☃".encode(), metadata={"k": "v"}, stream=True, cost=0.1)
    assert store.logs.add([log, log]) == 1
    assert store.logs.add([log]) == 0
    assert store.logs.get(log.id) == log


def test_text_no_database_takes_is_cleaned(store: Store) -> None:
    store.logs.add([a_log(input_text="a\x00b", output_text="\ud800", metadata={"k": "\x00"})])
    found = store.logs.get("log_0000")
    assert (found.input_text, found.output_text, found.metadata) == ("a\ufffdb", "\ufffd", {"k": "\ufffd"})


def test_a_log_is_found_by_its_response_and_by_metadata(store: Store) -> None:
    store.logs.add(
        [a_log(1, response_id="chatcmpl-1", metadata={"id": "q1", "team": "a"}), a_log(2, metadata={"id": "q2"})]
    )
    assert store.logs.get("chatcmpl-1").id == "log_0001"
    assert [log.id for log in store.logs.by_metadata({"id": "q1", "team": "a"})] == ["log_0001"]
    assert store.logs.by_metadata({"id": "q2", "team": "a"}) == []
    with pytest.raises(NotFound, match="'nope'"):
        store.logs.get("nope")


FILTERS = {
    "": "0123",
    "model = gpt-4o-mini": "012",
    "model != gpt-4o-mini": "3",
    "model ~ 4O": "012",
    "status >= 400": "3",
    "not status >= 400": "012",
    "latency_ms > 100 and latency_ms <= 102": "12",
    "tokens > 11": "23",
    "error is null": "012",
    "error": "3",
    "user in (ann, 'bob')": "01",
    "user not in (ann)": "123",
    "input ~ 'QUESTION 1'": "1",
    "text ~ 'answer 2'": "2",
    "text ~ '100%'": "3",
    "text ~ 'ÜBER'": "3",
    "metadata.team = support": "01",
    "metadata.team != support": "23",
    "metadata.team": "012",
    "score.rating = good": "0",
    "score.rating != bad": "023",
    "score.rating in (good, bad)": "01",
    "score.helpful = true": "2",
    "score.helpful = false": "",
    "score.stars > 3.5": "2",
    "score.rating": "01",
    "scored": "012",
    "scored = false": "3",
    "corrected": "1",
    "stream": "3",
    "stream = false": "012",
    "created_at >= 1970-01-01T00:16:42Z": "23",
    "created_at > now-1d": "",
    "(score.rating = good or corrected) and metadata.team = support": "01",
    "not (score.rating = good or status = 500)": "12",
}


@pytest.fixture
def mixed(store: Store) -> Store:
    store.logs.add(
        [
            a_log(0, user="ann", metadata={"team": "support"}),
            a_log(1, user="bob", metadata={"team": "support"}),
            a_log(2, user="cleo", metadata={"team": "sales"}),
            a_log(3, model="other", status=500, error="boom", stream=True, input_text="100% über", output_text=""),
        ]
    )
    store.scores.add(
        [
            # The latest score under a name decides.
            a_score("log_0000", "bad", created_at=1.0),
            a_score("log_0000", "good", created_at=2.0),
            a_score("log_0001", "bad", correction={"role": "assistant", "content": "better"}),
            a_score("log_0001", None, created_at=time.time() + 9, comment="only a comment leaves the rating as it is"),
            a_score("log_0002", True, name="helpful"),
            a_score("log_0002", 4, name="stars"),
        ]
    )
    return store


@pytest.mark.parametrize(("expression", "expected"), FILTERS.items())
def test_filter(mixed: Store, expression: str, expected: str) -> None:
    tree = filters.parse(expression)
    found, _ = mixed.logs.page(tree, limit=10)
    assert "".join(sorted(log.id[-1] for log in found)) == expected
    assert mixed.logs.count(tree) == len(expected)


def test_scores_keep_their_type(store: Store) -> None:
    store.logs.add([a_log()])
    given = [a_score("log_0000", value, created_at=float(i)) for i, value in enumerate([True, 0.5, "good", None])]
    store.scores.add(given)
    store.scores.add(given)
    assert store.scores.of(["log_0000", "log_0001"]) == {"log_0000": given, "log_0001": []}


def test_a_dataset_is_written_whole_or_not_at_all(store: Store) -> None:
    messages: list[Message] = [{"role": "user", "content": "\x00 ☃"}, {"role": "assistant", "content": None}]
    rows = [
        Example(
            id=f"ex_{i}",
            messages=messages,
            tools=[],
            log_id=f"log_{i}",
            label=(None, True, False)[i % 3],
            rejected=tuple(messages[1:]) * (i % 2),
        )
        for i in range(1200)
    ]
    members = [Member(row.id, row.split, row.log_id, row.label, row.rejected) for row in rows]
    dataset = Dataset(
        id="ds_1", name="one", created_at=1.0, origin="", counts={"train": 1200}, account={"matched": 1200}
    )
    with pytest.raises(Exception, match="(?i)foreign key"):
        store.datasets.create(dataset, members)
    assert store.datasets.all() == []
    store.datasets.add_examples(rows)
    store.datasets.create(dataset, members)
    assert list(store.datasets.rows("ds_1")) == rows
    assert list(store.datasets.rows("ds_1", "test")) == []
    assert store.datasets.named("one") == store.datasets.named("ds_1") == dataset
    with pytest.raises(NotFound, match="there are 'one'"):
        store.datasets.named("two")


def test_the_last_deployment_of_an_alias_wins(store: Store) -> None:
    before = store.deployments.revision()
    for alias, model in (("a", "m1"), ("b", "m2"), ("a", "m3")):
        store.deployments.deploy(Deployment(id=new_id("dep_"), alias=alias, model=model, created_at=1.0))
    assert store.deployments.live() == {"a": "m3", "b": "m2"}
    assert [d.model for d in store.deployments.history("a")] == ["m3", "m1"]
    assert store.deployments.revision() == before + 3


def test_nouns_page_and_change(store: Store) -> None:
    jobs = [
        FineTuningJob(id=f"ftjob-{i}", created_at=1.0, model="m", base="m", training_file="f", result_files=[])
        for i in range(5)
    ]
    store.jobs.add(*jobs)
    first, more = store.jobs.page(limit=3)
    rest, end = store.jobs.page(limit=3, after=first[-1].id)
    assert ([job.id[-1] for job in first + rest], more, end) == (list("43210"), True, False)
    assert store.jobs.page(limit=9, ascending=True)[0] == jobs
    queued = schema.jobs.c.status == "validating_files"
    assert store.jobs.change("ftjob-1", queued, status="queued")
    assert not store.jobs.change("ftjob-1", queued, status="running")
    assert store.jobs.get("ftjob-1").status == "queued"
    with pytest.raises(NotFound, match="no fine-tuning job 'x'"):
        store.jobs.get("x")
    with pytest.raises(NotFound):
        store.jobs.page(limit=1, after="x")


def test_an_event_is_kept_once(store: Store) -> None:
    store.jobs.add(FineTuningJob(id="ftjob-1", created_at=1.0, model="m", base="m", training_file="f"))
    event = Event(id="ev-1", job_id="ftjob-1", created_at=1.0, message="x", data={"step": 1})
    store.events.add_new(event)
    store.events.add_new(event)
    assert store.events.all() == [event]


def test_files_and_their_bytes(store: Store) -> None:
    sha256, size = store.blobs.put([b"ab", b"c"])
    file = File(id="file-1", created_at=1.0, filename="ü.jsonl", purpose="fine-tune", bytes=size, sha256=sha256)
    store.files.add(file)
    assert store.files.get("file-1") == file
    assert b"".join(store.blobs.read(sha256)) == b"abc"
    assert store.files.remove("file-1") and not store.files.remove("file-1")
    store.blobs.remove(sha256)
    with pytest.raises(NotFound):
        list(store.blobs.read(sha256))


def test_interrupted_bytes_leave_nothing(store: Store, tmp_path: object) -> None:
    def broken() -> object:
        yield b"x"
        raise RuntimeError("hung up")

    with pytest.raises(RuntimeError):
        store.blobs.put(broken())  # type: ignore[arg-type]
    assert store.blobs.fs.ls(store.blobs.root) == []
