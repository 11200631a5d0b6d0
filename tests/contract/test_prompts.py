"""Prompts in versions: the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.contract.test_store import a_log
from tuneloop import filters, prompts
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.prompts import Draft, Prompt
from tuneloop.store import Store


def save(store: Store, text: str, name: str = "support", **fields: Any) -> Prompt:
    draft = Draft(name=name, messages=[{"role": "system", "content": text}], **fields)
    return prompts.save(store, draft).prompt


def test_a_version_comes_back_as_it_was(store: Store) -> None:
    draft = Draft(
        name="support",
        messages=[{"role": "system", "content": 'Größe \0 "x" {{a}}'}, {"role": "user", "content": [{"type": "text"}]}],
        model="gpt",
        parameters={"temperature": 0.25, "stop": ["a"]},
        tools=[{"type": "function", "function": {"name": "f"}}],
        response_format={"type": "json_object"},
        note="first",
    )
    made, is_new = prompts.save(store, draft)
    assert is_new and (made.reference, made.id[:5]) == ("support@1", "pmpt_")
    assert prompts.find(store, "support") == prompts.find(store, made.id) == made
    for field in Draft.__slots__:
        assert getattr(made, field) == getattr(draft, field)


def test_versions_are_counted_and_the_same_is_the_same(store: Store) -> None:
    one, two = save(store, "one"), save(store, "two")
    assert (one.version, two.version) == (1, 2)
    assert save(store, "one", note="again") == one and save(store, "one", parameters={"seed": 1}).version == 3
    assert save(store, "one", name="other").reference == "other@1"
    assert prompts.find(store, "support@1") == one and prompts.find(store, "support").version == 3
    with pytest.raises(NotFound, match="it has 1, 2, 3"):
        prompts.find(store, "support@4")
    with pytest.raises(NotFound, match="no prompt 'nobody'"):
        prompts.find(store, "nobody")
    for wrong in ("support@", "support@x", "@1", "", "a b", "\0"):
        with pytest.raises(InvalidInput):
            prompts.find(store, wrong)


def test_lists(store: Store) -> None:
    for number in range(5):
        save(store, f"a{number}", "a")
    save(store, "b", "b")
    save(store, "a5", "a")
    newest, more = store.prompts.newest(limit=10)
    assert [one.reference for one in newest] == ["a@6", "b@1"] and not more
    first, more = store.prompts.history("a", limit=4)
    rest, none = store.prompts.history("a", limit=4, after=first[-1].id)
    assert [one.version for one in (*first, *rest)] == [6, 5, 4, 3, 2, 1] and more and not none
    with pytest.raises(NotFound):
        store.prompts.history("a", limit=4, after="never")


def test_a_deleted_number_is_not_given_again(store: Store) -> None:
    first, second = save(store, "one"), save(store, "two")
    assert prompts.delete(store, "support@2") == 1
    assert prompts.find(store, "support") == first and store.prompts.find(second.id) is None
    assert save(store, "two").version == 3, "what was deleted is not there to be the same as"
    assert prompts.delete(store, first.id) == 1 and prompts.delete(store, "support") == 1
    assert store.prompts.newest(limit=10) == ([], False)
    with pytest.raises(NotFound):
        prompts.delete(store, "support")
    assert save(store, "one").version == 4


def test_many_that_save_at_once_get_numbers_of_their_own(store: Store) -> None:
    def work(number: int) -> None:
        for turn in range(5):
            save(store, f"{number} {turn}")
            save(store, f"shared {turn}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.prompts.versions("support") == list(range(1, 4 * 5 + 5 + 1))


def test_logs_are_found_by_the_prompt_they_were_asked_with(store: Store) -> None:
    save(store, "one")
    store.logs.add([a_log(1, prompt="support@1"), a_log(2, prompt="support@2"), a_log(3), a_log(4, prompt="other@1")])

    def ids(where: str) -> list[str]:
        return [log.id for log in store.logs.page(filters.parse(where), limit=10)[0]]

    assert ids("prompt = 'support@2'") == ids("prompt = support@2") == ["log_0002"]
    assert ids("prompt ~ support@") == ["log_0002", "log_0001"]
    assert ids("prompt is null") == ["log_0003"]
    assert store.logs.get("log_0001").prompt == "support@1"
    of = prompts.of_log(store, store.logs.get("log_0001"))
    assert of is not None and of.version == 1
    assert prompts.of_log(store, store.logs.get("log_0004")) is None, "that version is gone"
