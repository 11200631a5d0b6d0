"""Group commit: everything acknowledged is there, and one bad row costs only itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tuneloop.errors import Unavailable
from tuneloop.store.database import Database
from tuneloop.store.log_writer import LogWriter
from tuneloop.store.schema import log_metadata, logs
from tuneloop.types import Log


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def writer(database: Database) -> Iterator[LogWriter]:
    made = LogWriter(database)
    yield made
    made.close()


def _log(id: str, output_text: str = "", **metadata: str) -> Log:
    return Log(
        id=id,
        created_at=1.5,
        source="api",
        endpoint="/v1/chat/completions",
        model="m",
        status=200,
        stream=True,
        metadata=metadata,
        output_text=output_text,
        request=b"\x00\xff",
    )


def _ids(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(logs.c.id).order_by(logs.c.id)).scalars())


async def test_a_log_comes_back_as_it_was(database: Database, writer: LogWriter) -> None:
    await writer.record(_log("log_1", "héllo 你好 🙂", ticket="7", other="x"))
    with database.read() as connection:
        row = connection.execute(select(logs)).one()
        metadata = connection.execute(select(log_metadata).order_by("key")).all()
    assert (row.request, row.output_text, row.stream, row.cost) == (b"\x00\xff", "héllo 你好 🙂", True, None)
    assert row.metadata == {"ticket": "7", "other": "x"}
    assert [tuple(pair) for pair in metadata] == [("log_1", "other", "x"), ("log_1", "ticket", "7")]


async def test_calls_share_transactions(database: Database, writer: LogWriter) -> None:
    commits: list[int] = []
    event.listen(database.engine, "commit", lambda connection: commits.append(1))
    await asyncio.gather(*(writer.record(_log(f"log_{number:04}", a="b")) for number in range(1500)))
    assert len(_ids(database)) == 1500
    assert len(commits) < 30


async def test_text_that_databases_refuse_is_cleaned(database: Database, writer: LogWriter) -> None:
    await writer.record(_log("log_1", "a\0b\ud800c", key="v\0"))
    with database.read() as connection:
        assert connection.execute(select(logs.c.output_text)).scalar_one() == "a\ufffdb\ufffdc"
        assert connection.execute(select(log_metadata.c.value)).scalar_one() == "v\ufffd"


async def test_a_bad_row_does_not_sink_its_batch(database: Database, writer: LogWriter) -> None:
    rows = [_log("log_1"), _log("log_2"), _log("log_1"), _log("log_3")]
    results = await asyncio.gather(*(writer.record(row) for row in rows), return_exceptions=True)
    assert _ids(database) == ["log_1", "log_2", "log_3"]
    assert [isinstance(result, IntegrityError) for result in results].count(True) == 1


async def test_a_failing_database_is_said_to_all(database: Database, writer: LogWriter) -> None:
    with database.write() as connection:
        connection.execute(text("DROP TABLE log_metadata"))
    rows = [_log("log_1", a="b"), _log("log_2", a="b")]
    results = await asyncio.gather(*(writer.record(row) for row in rows), return_exceptions=True)
    assert all(isinstance(result, DBAPIError) for result in results)
    assert _ids(database) == []


async def test_closing_writes_what_waits(database: Database) -> None:
    writer = LogWriter(database)
    waiting = [asyncio.create_task(writer.record(_log(f"log_{number}"))) for number in range(5)]
    await asyncio.sleep(0)
    await asyncio.to_thread(writer.close)
    await asyncio.gather(*waiting)
    assert len(_ids(database)) == 5
    with pytest.raises(Unavailable):
        await writer.record(_log("log_late"))


async def test_a_caller_that_gave_up_does_not_disturb_the_others(database: Database, writer: LogWriter) -> None:
    given_up = asyncio.create_task(writer.record(_log("log_1")))
    waiting = asyncio.create_task(writer.record(_log("log_2")))
    await asyncio.sleep(0)
    given_up.cancel()
    await waiting
    assert "log_2" in _ids(database)


def test_many_at_once(database: Database, writer: LogWriter) -> None:
    writer.record_many([_log(f"log_{number:03}", a="b") for number in range(337)])
    assert len(_ids(database)) == 337
