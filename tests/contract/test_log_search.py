"""Looking through many logs: whatever way leads to them, the same are found, in the same order, each once."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from tests.contract.test_store import a_log, a_score
from tuneloop import filters
from tuneloop.store import Store, log_search, log_texts
from tuneloop.store.log_search import ORDERS, Order, Place
from tuneloop.store.log_times import Histogram
from tuneloop.types import Log

WORDS = "alpha beta gamma Ärger straße delta it's 100%".split()
FILTERS = (
    "",
    "model = a",
    "score.rating = good",
    "score.rating = good and metadata.t = x",
    "text ~ alpha",
    "text ~ ÄRGER",
    "input ~ straße or status = 500",
    "text ~ 'alpha beta'",
    'text ~ "it\'s" and text ~ 100%',
    "not metadata.t = x",
    "status >= 400",
    "latency > 0.5 and text ~ elt",
    "scored",
    "not scored",
    "corrected or score.rating = true",
    "score.rating in (bad, 3)",
    "score.rating > 2 and model in (a, b)",
    "cost < 0.5",
    "text ~ al",
    "created_at > 1000000050 and (text ~ gamma and model != a)",
)


def filled(store: Store) -> list[Log]:
    """Logs of which many were made at the same moment, some not in the index yet, some scored again and again."""
    dice = random.Random(1)
    logs = [
        a_log(
            id=f"log{dice.random():.6f}",
            created_at=dice.choice([1e9, 1e9 + 0.5, 1e9 + n * 0.37, 1e9 + n, -5.0]),
            model=dice.choice("abc"),
            status=dice.choice([200, 200, 200, 500]),
            latency_ms=dice.choice([None, 5.0, dice.random()]),
            cost=dice.choice([None, dice.random()]),
            metadata={"t": dice.choice("xyz")},
            input_text=" ".join(dice.choices(WORDS, k=3)),
            output_text=" ".join(dice.choices(WORDS, k=2)).upper(),
        )
        for n in range(100)
    ]
    store.logs.add(logs[:90])
    indexed(store)
    store.logs.add(logs[90:])
    values: list[bool | float | str] = ["good", "bad", True, 3.0]
    for log in logs:
        for n in range(dice.choice([0, 0, 1, 2])):
            better = {"role": "assistant", "content": "x"} if dice.random() < 0.2 else None
            store.scores.add([a_score(log.id, dice.choice(values), created_at=float(n), correction=better)])
    return logs


def indexed(store: Store) -> None:
    while store.logs.search.texts.take(50):
        pass


def followed(store: Store, where: str, order: Order, forward: bool, seconds: float | None) -> Iterator[Place]:
    """All pages, one behind the other."""
    at: Place | None = None
    while True:
        tree = filters.parse(where)
        found = store.logs.search.find(tree, order=order, limit=23, at=at, forward=forward, seconds=seconds)
        yield from found.places
        at = found.on
        if at is None:
            return


@pytest.mark.parametrize(("few", "window"), [(4000, 1000), (5, 8), (0, 3)])
def test_every_way_leads_to_the_same_logs(store: Store, monkeypatch: pytest.MonkeyPatch, few: int, window: int) -> None:
    for name, value in (("FEW", few), ("_WINDOW", window), ("_WIDEST", 4 * window)):
        monkeypatch.setattr(log_search, name, value)
    logs = {log.id: log for log in filled(store)}
    for where in FILTERS:
        tree = filters.parse(where)
        wanted = {log_id for log_id, _ in store.logs.ids(tree)}
        counted = store.logs.search.count(tree)
        assert (counted.count, counted.exact) == (len(wanted), True), where
        for order in ORDERS:
            having = ((value, log_id) for log_id in wanted if (value := getattr(logs[log_id], order)) is not None)
            ordered = sorted(having, reverse=True)
            assert [tuple(p) for p in followed(store, where, order, False, None)] == ordered, (where, order)
            # a page that ends because time was up goes on where it ended
            assert [tuple(p) for p in followed(store, where, order, True, 0.0)] == ordered[::-1], (where, order)


def test_a_count_that_takes_too_long_says_how_far_it_came(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_search, "FEW", 0)
    monkeypatch.setattr(log_search, "_WINDOW", 10)
    filled(store)
    counted = store.logs.search.count(filters.parse("not metadata.t = x"), seconds=0.0)
    assert not counted.exact and 0 < counted.count <= 10


def total(found: Histogram) -> int:
    return sum(bar.count for bar in found.bars)


def test_histograms_have_every_log_in_its_stretch(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = filled(store)
    for few in (4000, 0):
        monkeypatch.setattr(log_search, "FEW", few)
        for where in (*FILTERS, "created_at >= 1000000010 and created_at < 1000000020", "created_at <= 1e9"):
            tree = filters.parse(where)
            found = store.logs.times.histogram(tree, 10)
            assert found.exact and len(found.bars) <= 10
            assert total(found) == store.logs.count(tree), where
    bars = store.logs.times.histogram(filters.parse("created_at > 1"), 1000).bars
    assert all(one.end == two.start for one, two in zip(bars, bars[1:], strict=False))
    for bar in bars:
        assert bar.count == sum(bar.start <= log.created_at < bar.end for log in logs)
    assert store.logs.times.histogram(filters.parse("model = nobody"), 10).bars == ()


def test_a_histogram_of_very_many_is_an_estimate(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuneloop.store.log_times._LOOKED_AT", 20)
    monkeypatch.setattr("tuneloop.store.log_times.FEW", 0)
    monkeypatch.setattr(log_search, "FEW", 0)
    filled(store)
    found = store.logs.times.histogram(filters.parse("not metadata.t = x and created_at > 0"), 4)
    assert not found.exact
    assert abs(total(found) - store.logs.count(filters.parse("not metadata.t = x and created_at > 0"))) < 40


def test_values_are_those_that_there_are(store: Store) -> None:
    filled(store)
    values = store.logs.values
    assert values.keys("score") == ["rating"] and values.keys("metadata") == ["t"]
    assert values.of("model") == ["a", "b", "c"] and values.of("status") == [200, 500]
    assert values.of("metadata", "t") == ["x", "y", "z"] and values.of("source") == ["gateway"]
    assert values.of("score", "rating") == ["bad", "good", 3.0, True]
    assert values.of("model", most=2) == ["a", "b"] and values.of("input") == []


def test_a_long_label_is_kept_and_found(store: Store) -> None:
    store.logs.add([a_log(1), a_log(2)])
    label = "because " * 2000
    store.scores.add([a_score("log_0001", label), a_score("log_0002", label + "not")])
    found = store.logs.search.find(filters.parse(f"score.rating = '{label}'"), limit=5)
    assert [place.id for place in found.places] == ["log_0001"]


def words(store: Store, said: str) -> list[str]:
    return [place.id for place in store.logs.search.find(filters.parse(f"text ~ '{said}'"), limit=9).places]


def test_words_follow_what_logs_become(store: Store) -> None:
    store.logs.add([a_log(1, input_text="a zeppelin"), a_log(2, input_text="a ship")])
    assert words(store, "zeppelin") == ["log_0001"]
    indexed(store)
    assert words(store, "ZEPPELIN") == ["log_0001"]
    store.logs.put([a_log(1, input_text="a balloon")], lambda old, new: new)
    assert words(store, "zeppelin") == [] and words(store, "balloon") == ["log_0001"]
    indexed(store)
    assert words(store, "zeppelin") == [] and words(store, "balloon") == ["log_0001"]
    with store.database.write() as connection:
        connection.execute(text("DELETE FROM log_metadata"))
        connection.execute(text("DELETE FROM logs"))
    assert words(store, "balloon") == []
    store.logs.add([a_log(3, input_text="one more balloon")])
    indexed(store)
    assert words(store, "balloon") == ["log_0003"]


def test_words_of_logs_that_are_gone_hide_no_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_search, "FEW", 5)
    store.logs.add([a_log(n, input_text="a zeppelin", metadata={}) for n in range(9)])
    indexed(store)
    with store.database.write() as connection:
        connection.execute(text("DELETE FROM logs WHERE id > 'log_0003'"))
    assert words(store, "zeppelin") == [f"log_{n:04d}" for n in (3, 2, 1, 0)]


def test_what_fts5_cannot_be_asked_is_looked_for_in_the_logs() -> None:
    assert log_texts.query_of("ab") is None and log_texts.query_of("a\0bcd") is None
    assert log_texts.query_of('a"b') == '("a""b")'
    assert log_texts.query_of("Äbcd") == '("Äbc" AND "bcd") OR ("äbc" AND "bcd") OR ("ÄBC" AND "BCD")'
    many = log_texts.query_of("".join(map(chr, range(97, 122))) * 4)
    assert many is not None and many.count("AND") < 16


def test_a_database_without_the_index_of_words_is_searched_too(sqlite_store: Store) -> None:
    with sqlite_store.database.write() as connection:
        connection.execute(text("DROP TABLE log_words"))
    sqlite_store.logs.add([a_log(1, input_text="a zeppelin")])
    assert not sqlite_store.logs.search.texts.exists
    indexed(sqlite_store)
    assert words(sqlite_store, "zeppelin") == ["log_0001"]


def test_more_logs_of_one_moment_than_a_window_holds(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("FEW", 5), ("_WINDOW", 4), ("_WIDEST", 8)):
        monkeypatch.setattr(log_search, name, value)
    sqlite_store.logs.add([a_log(n, created_at=5.0 + (n % 3 == 0), input_text="the same") for n in range(60)])
    indexed(sqlite_store)
    found = [place.id for place in followed(sqlite_store, "text ~ same", "created_at", False, None)]
    assert len(found) == len(set(found)) == 60
