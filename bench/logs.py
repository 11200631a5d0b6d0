"""How long the Logs page takes with many logs: `python -m bench.logs`.

Made-up calls (a support desk's, some 3 kB each) go into a database of their own; then pages, counts and histograms are
asked for as the page asks for them, with filters on a model, scores, metadata and texts, each both frequent and rare.
Also what a write costs with and without what makes searching fast.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from tests import postgres
from tuneloop import filters
from tuneloop.store import Blobs, Database, Store
from tuneloop.store.log_search import Order, Place
from tuneloop.types import Log, Score

#: seconds that the page looks before it shows what it has
SECONDS = 0.15
ROUNDS = 20
_DAYS = 90

#: what is looked for, and how often it is true
FILTERS = {
    "no filter": "",
    "model, 1 in 4": "model = gpt-4o",
    "model, 1 in 10,000": "model = gpt-old",
    "score, 1 in 7": "score.rating = good",
    "score, 1 in 20,000": "score.judge > 0.999",
    "metadata, 1 in 5": "metadata.team = returns",
    "metadata, one": "metadata.id = ticket-77777",
    "text, 1 in 3": "text ~ bicycle",
    "text, 1 in 1,000": "text ~ 'carbon handlebar'",
    "text, nowhere": "text ~ zeppelin",
    "text, short": "text ~ of",
    "score and metadata": "score.rating = bad and metadata.team = returns and latency_ms > 900",
    "text and score": "text ~ bicycle and score.rating = good",
    "frequent, never together": "model = gpt-4o and status = 418",
    "not": "not scored and status = 200",
}

_WORDS = (
    "where is my order the bicycle bell brake saddle is broken please send it back thank you for writing we will of "
    "course refund the amount within three days invoice number delivery address wheel chain light pump lock helmet"
).split()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL instead of SQLite")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _url(Path(folder), given.postgres) as url:
        store = Store(Database(url), Blobs(f"{folder}/files"))
        console = Console(width=110)
        console.print(
            f"{store.database.dialect}, {given.rows:,} logs; made in {_seconds(lambda: fill(store, given.rows))} s"
        )
        console.print(f"words indexed in {_seconds(lambda: index(store))} s")
        if given.postgres:
            with store.database.write() as connection:
                connection.execute(text("ANALYZE"))
        console.print(table(store))
        console.print(f"a write of 16 logs: {writes(store):.2f} ms; without the indexes of this page: ", end="")
        plain(store)
        console.print(f"{writes(store):.2f} ms")
        store.close()


def fill(store: Store, rows: int) -> None:
    """Make logs and scores."""
    dice = random.Random(7)
    for start in range(0, rows, 2000):
        made = [call(dice, number, rows) for number in range(start, min(start + 2000, rows))]
        with store.database.write() as connection:
            store.logs.insert(connection, made)
        store.scores.add([score for log in made for score in said(dice, log)])


def call(dice: random.Random, number: int, rows: int) -> Log:
    """One made-up call."""
    question, answer = " ".join(dice.choices(_WORDS, k=60)), " ".join(dice.choices(_WORDS, k=40))
    if dice.random() < 0.001:
        answer += " carbon handlebar"
    question = question if dice.random() < 1 / 3 else question.replace("bicycle", "it")
    answer = answer if dice.random() < 1 / 3 else answer.replace("bicycle", "it")
    model = "gpt-old" if dice.random() < 1e-4 else dice.choice(("gpt-4o", "gpt-4o-mini", "small", "smaller"))
    messages = [{"role": "system", "content": "You help. " * 90}, {"role": "user", "content": question}]
    return Log(
        id=f"log_{number:013x}{dice.randrange(1 << 32):08x}",
        created_at=1.8e9 - _DAYS * 86400 * (rows - number) / rows,
        source="gateway",
        endpoint="/v1/chat/completions",
        model=model,
        served_by=model,
        status=500 if dice.random() < 0.01 else 200,
        latency_ms=dice.expovariate(1 / 600),
        prompt_tokens=300,
        completion_tokens=60,
        cost=dice.random() / 1000,
        metadata={"id": f"ticket-{number}", "team": dice.choice(("returns", "sales", "repair", "desk", "post"))},
        input_text=question,
        output_text=answer,
        request=orjson.dumps({"model": model, "messages": messages}),
        response=orjson.dumps({"choices": [{"message": {"role": "assistant", "content": answer}}]}),
    )


def said(dice: random.Random, log: Log) -> Iterator[Score]:
    """What was said of it."""
    if dice.random() < 0.2:
        value = "good" if dice.random() < 0.7 else "bad"
        yield Score(id=f"score_r{log.id}", log_id=log.id, created_at=log.created_at, name="rating", value=value)
    if dice.random() < 0.05:
        grade = dice.random()
        yield Score(id=f"score_j{log.id}", log_id=log.id, created_at=log.created_at, name="judge", value=grade)


def index(store: Store) -> None:
    """Put all words into the index."""
    while store.logs.search.texts.take(1000):
        pass


def table(store: Store) -> Table:
    """What each filter takes, in milliseconds."""
    made = Table("filter", "first page p95", "any page p95", "by latency p95", "count", "", "histogram", "")
    for name, where in FILTERS.items():
        first = times(store, where, lambda: None)
        deep = times(store, where, lambda: Place(1.8e9 - random.random() * _DAYS * 86400, ""))
        slow = times(store, where, lambda: None, "latency_ms")
        began = time.perf_counter()
        counted = store.logs.search.count(filters.parse(where), seconds=SECONDS)
        between = time.perf_counter()
        histogram = store.logs.times.histogram(filters.parse(where))
        ended = time.perf_counter()
        count = f"{'' if counted.exact else 'more than '}{counted.count:,}"
        cells = (f"{1000 * (between - began):.0f}", count, f"{1000 * (ended - between):.0f}")
        made.add_row(name, first, deep, slow, *cells, "exact" if histogram.exact else "sample")
    return made


def times(store: Store, where: str, at: Callable[[], Place | None], order: Order = "created_at") -> str:
    """p95 of a page of 50; how many of them were not full when time was up."""
    taken, short = [], 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        found = store.logs.search.find(filters.parse(where), order=order, limit=50, at=at(), seconds=SECONDS)
        store.logs.named([place.id for place in found.places], short=True)
        taken.append(1000 * (time.perf_counter() - began))
        short += found.on is not None and len(found.places) < 50
    said = f"{statistics.quantiles(taken, n=20)[-1]:.0f}"
    return said + (f" ({short} of {ROUNDS} not full)" if short else "")


def writes(store: Store) -> float:
    """Milliseconds for a transaction of 16 logs, the median."""
    dice, taken = random.Random(time.time_ns()), []
    for _ in range(60):
        logs = [call(dice, dice.randrange(1 << 40), 1 << 40) for _ in range(16)]
        began = time.perf_counter()
        with store.database.write() as connection:
            store.logs.insert(connection, logs)
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


def plain(store: Store) -> None:
    """Take away what only searching needs."""
    if store.database.dialect == "sqlite":
        drop = ["TRIGGER log_places_new"]
    else:
        drop = [f"INDEX logs_{name}" for name in ("latency", "cost", "input_words", "output_words")]
    with store.database.write() as connection:
        for thing in drop:
            connection.execute(text(f"DROP {thing}"))


def _seconds(work: Callable[[], None]) -> str:
    began = time.perf_counter()
    work()
    return f"{time.perf_counter() - began:.0f}"


@contextmanager
def _url(folder: Path, on_postgres: bool) -> Iterator[str]:
    binaries = postgres.binaries() if on_postgres else None
    if on_postgres and binaries is None:
        raise SystemExit("no PostgreSQL here: install it (apt-get install postgresql)")
    if binaries is None:
        yield f"sqlite:///{folder}/tuneloop.db"
        return
    with postgres.server(binaries) as server:
        yield postgres.new_database(server)


if __name__ == "__main__":
    main()
