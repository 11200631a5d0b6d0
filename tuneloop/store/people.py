"""Who may sign in to the web page, and the browsers that have: their tables, and queries over them."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, Table, Text, delete, update

from tuneloop.person_types import Person, Role, Session
from tuneloop.store.database import Database
from tuneloop.store.nouns import NounTable
from tuneloop.store.schema import metadata
from tuneloop.store.sheets import SheetTable

people = Table(
    "people",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Index("people_secret", "sha256", unique=True),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("person_id", Text),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Index("sessions_person", "person_id"),
)


class SessionTable(NounTable[Session]):
    """The browsers of one database that are signed in."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, sessions, Session, "session", timed=False)

    def sweep(self, before: float) -> int:
        """Forget those that signed in before that moment; returns how many there were."""
        with self.database.write() as connection:
            return connection.execute(delete(sessions).where(sessions.c.created_at < before)).rowcount


class PersonTable(NounTable[Person]):
    """The people of one database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, people, Person, "person")
        self.sessions = SessionTable(database)
        self.sheets = SheetTable(database)

    def with_secret(self, sha256: str) -> Person | None:
        """Whose link it is."""
        return next(iter(self.all(people.c.sha256 == sha256)), None)

    def set_role(self, person_id: str, role: Role) -> None:
        """Give somebody a role, in every browser that is signed in."""
        with self.database.write() as connection:
            self.change_within(connection, person_id, role=role)
            connection.execute(update(sessions).where(sessions.c.person_id == person_id).values(role=role))

    def remove(self, item_id: str) -> bool:
        """Forget somebody, who is signed out everywhere; returns whether there was such a person."""
        with self.database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.person_id == item_id))
            return connection.execute(delete(people).where(people.c.id == item_id)).rowcount == 1
