"""Who may use the web page."""

from __future__ import annotations

import pytest

from tuneloop import people
from tuneloop.errors import InvalidInput, Unauthorized
from tuneloop.store import Store
from tuneloop.store.people import sessions


def nobody(secret: str) -> bool:
    return False


def test_somebody_with_a_link_signs_in_and_out(store: Store) -> None:
    ann, link = people.invite(store, " Ann ", "reviewer")
    assert ann.name == "Ann" and link not in repr(ann)
    cookie = people.sign_in(store, link, nobody)
    found = people.session(store, cookie)
    assert found is not None and (found.name, found.role, found.person_id) == ("Ann", "reviewer", ann.id)
    assert found.may("viewer") and found.may("reviewer") and not found.may("owner")
    people.sign_out(store, cookie)
    assert people.session(store, cookie) is None
    assert people.session(store, "made up") is None


def test_a_role_that_changes_and_a_person_who_goes(store: Store) -> None:
    ann, link = people.invite(store, "Ann", "viewer")
    cookie = people.sign_in(store, link, nobody)
    store.people.set_role(ann.id, "owner")
    found = people.session(store, cookie)
    assert found is not None and found.may("owner")
    assert store.people.remove(ann.id)
    assert people.session(store, cookie) is None
    with pytest.raises(Unauthorized, match="taken back"):
        people.sign_in(store, link, nobody)


def test_whoever_has_the_servers_secret_may_do_everything(store: Store) -> None:
    found = people.session(store, people.sign_in(store, "the key", lambda secret: secret == "the key"))
    assert found is not None and found.may("owner") and found.person_id is None


def test_a_browser_is_let_out_after_thirty_days(store: Store) -> None:
    cookie = people.sign_in(store, "x", lambda secret: True)
    with store.database.write() as connection:
        connection.execute(sessions.update().values(created_at=sessions.c.created_at - people.LASTS))
    assert people.session(store, cookie) is None
    people.sign_in(store, "x", lambda secret: True)
    assert len(store.people.sessions.all()) == 1  # the old one is swept


@pytest.mark.parametrize(("name", "role", "param"), [("", "owner", "name"), ("x" * 81, "owner", "name")])
def test_what_is_no_name(store: Store, name: str, role: str, param: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        people.invite(store, name, role)
    assert caught.value.param == param


def test_what_is_no_role(store: Store) -> None:
    with pytest.raises(InvalidInput, match="viewer, reviewer, owner"):
        people.invite(store, "Ann", "king")
