"""Queries over deployments, and the revision a running gateway watches."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, insert, select, update

from tuneloop.store.database import Database
from tuneloop.store.nouns import NounTable
from tuneloop.store.schema import deployments, revisions
from tuneloop.types import Deployment


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
        return {deployment.alias: deployment.model for deployment in self._last()}

    def prompts(self) -> Mapping[str, str]:
        """alias -> the Prompt that takes the place of the callers' instructions now; only those that have one."""
        return {deployment.alias: deployment.prompt for deployment in self._last() if deployment.prompt}

    def _last(self) -> list[Deployment]:
        return self.all(deployments.c.seq.in_(select(func.max(deployments.c.seq)).group_by(deployments.c.alias)))

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
