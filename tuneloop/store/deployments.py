"""Queries over deployments, and the revision a running gateway watches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import func, insert, literal_column, select, update

from tuneloop.store.database import Database
from tuneloop.store.nouns import NounTable
from tuneloop.store.schema import deployments, logs, revisions
from tuneloop.types import Deployment


class Answered(NamedTuple):
    """A model's calls under an alias: how many, those that failed, and how long the others took."""

    model: str
    #: whether these are copies, answered for the log alone
    shadow: bool
    calls: int
    errors: int
    p50_ms: float | None
    p95_ms: float | None


class DeploymentTable(NounTable[Deployment]):
    """The deployments of one database: history is kept, the last one of an alias wins."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, deployments, Deployment, "deployment")

    def deploy(self, deployment: Deployment) -> None:
        """Append, and tell running gateways."""
        with self.database.write() as connection:
            connection.execute(insert(deployments), [self.values(deployment)])
        self.touch()

    def live(self) -> Mapping[str, str]:
        """alias -> the model that answers under it now."""
        return {deployment.alias: deployment.model for deployment in self.current()}

    def current(self) -> list[Deployment]:
        """The last of each alias, which is what holds now; newest first."""
        return self.all(deployments.c.seq.in_(select(func.max(deployments.c.seq)).group_by(deployments.c.alias)))

    def answered(self, alias: str, since: float) -> list[Answered]:
        """What the models that answered calls to an alias since a moment did, copies apart."""
        failed = (logs.c.status >= 400) & (logs.c.status != 499)
        shadow = logs.c.source == literal_column("'shadow'")  # a parameter would not group in PostgreSQL
        asked = (logs.c.model == alias) & (logs.c.created_at >= since) & logs.c.served_by.is_not(None)
        timed = func.count().filter(~failed & logs.c.latency_ms.is_not(None))
        query = (
            select(logs.c.served_by, shadow, func.count(), func.count().filter(failed), timed)
            .where(asked)
            .group_by(logs.c.served_by, shadow)
        )
        with self.database.read() as connection:
            found = []
            for model, copied, calls, errors, known in connection.execute(query).all():
                of = asked & (logs.c.served_by == model) & (shadow if copied else ~shadow)
                times = select(logs.c.latency_ms).where(of, ~failed, logs.c.latency_ms.is_not(None))
                p50, p95 = (
                    connection.execute(times.order_by(logs.c.latency_ms).offset(int(known * part)).limit(1)).scalar()
                    for part in (0.5, 0.95)
                )
                found.append(Answered(model, bool(copied), calls, errors, p50, p95))
            return found

    def history(self, alias: str) -> list[Deployment]:
        """Newest first."""
        return self.all(deployments.c.alias == alias)

    def touch(self) -> None:
        """Let running gateways know that routes or keys have changed."""
        statement = update(revisions).where(revisions.c.name == "routes").values(value=revisions.c.value + 1)
        with self.database.write() as connection:
            connection.execute(statement)

    def revision(self) -> int:
        """Grows with every change of routes or keys."""
        with self.database.read() as connection:
            return int(connection.execute(select(revisions.c.value).where(revisions.c.name == "routes")).scalar_one())
