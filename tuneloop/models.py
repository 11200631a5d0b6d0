"""Models: what there is to call, and which one answers under a name."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace

from tuneloop import traffic
from tuneloop.errors import InvalidInput, ModelNotFound
from tuneloop.protocols import Engine, Instructions, Route
from tuneloop.settings import Upstream
from tuneloop.store import Store, schema
from tuneloop.store.database import clean
from tuneloop.traffic import Share, Traffic
from tuneloop.types import FINAL_STATUSES, Model

#: seconds for which a gateway trusts its memory of routes and keys before it asks the store for the revision
FRESH = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalog:
    """Every model by name at one moment."""

    base: Mapping[str, Model] = field(default_factory=dict)
    tuned: Mapping[str, Model] = field(default_factory=dict)
    upstream: Mapping[str, Model] = field(default_factory=dict)
    #: alias -> the model that answers under it, where several do the one with most of the calls; and how all share them
    aliases: Mapping[str, str] = field(default_factory=dict)
    traffic: Mapping[str, Traffic] = field(default_factory=dict)

    def find(self, name: str) -> Model | None:
        """The model with this name; aliases are no models."""
        return self.tuned.get(name) or self.base.get(name) or self.upstream.get(name)


def catalog(
    store: Store, base: Sequence[Model], upstreams: Sequence[Upstream], told: Callable[[str], Instructions]
) -> Catalog:
    """What there is now: base models of the model store, tuned ones, and upstream names without wild cards. `told`
    makes instructions of what names a Prompt."""
    current = store.deployments.current()
    named = [upstream_model(u, name) for u in upstreams for name in u.models if not set("*?[") & set(name)]
    return Catalog(
        base={model.id: model for model in base},
        tuned={model.id: model for model in store.models.all()},
        upstream={model.id: model for model in named},
        aliases={deployment.alias: deployment.model for deployment in current},
        traffic={deployment.alias: traffic.of(deployment, told) for deployment in current},
    )


def upstream_model(upstream: Upstream, name: str) -> Model:
    """A name at an upstream as a Model."""
    return Model(id=name, created_at=0.0, kind="upstream", base=name, owned_by=upstream.name)


def delete(store: Store, name: str, catalog: Catalog) -> None:
    """Remove a tuned model and its files, with its checkpoints; a checkpoint alone by its own name.

    Raises ModelNotFound, and InvalidInput for models that are in use or not tuned here.
    """
    model = store.models.find(clean(name))
    if model is None:
        if name in catalog.aliases or catalog.find(name):
            raise InvalidInput(f"{name!r} cannot be deleted: only tuned models can", param="model")
        raise ModelNotFound(f"The model '{name}' does not exist", param="model")
    gone = [*_checkpoints(store, model), model]
    _check_unused(store, {one.id for one in gone})
    for one in gone:  # the model itself last: whoever repeats this finds what is left
        _remove(store, one)
    store.deployments.touch()


def _remove(store: Store, model: Model) -> None:
    for checkpoint in store.checkpoints.all(schema.checkpoints.c.model == model.id):
        store.checkpoints.remove(checkpoint.id)
    for permission in store.permissions.all(schema.permissions.c.model == model.id):
        store.permissions.remove(permission.id)
    store.models.remove(model.id)
    if model.adapter:
        shutil.rmtree(model.adapter, ignore_errors=True)


def _checkpoints(store: Store, model: Model) -> list[Model]:
    """The checkpoints that go with a model: those of its job, where it is what the job has made."""
    job = store.jobs.find(model.job_id) if model.job_id else None
    if job is None or job.fine_tuned_model != model.id:
        return []
    return [one for one in store.models.all(schema.models.c.job_id == job.id) if one.id != model.id]


def _check_unused(store: Store, names: Set[str]) -> None:
    """Raises InvalidInput that says what uses one of the models."""
    for deployment in store.deployments.current():
        for used in sorted(traffic.models(deployment) & names):
            answers = "answers" if any(one["model"] == used for one in traffic.shares(deployment)) else "gets copies"
            raise InvalidInput(
                f"{used!r} {answers} as {deployment.alias}: deploy another model there first", param="model"
            )
    for other in store.models.all(schema.models.c.base.in_(names)):
        if other.id not in names:
            raise InvalidInput(f"{other.id!r} is an adapter on {other.base!r}: delete that first", param="model")
    for job in store.jobs.all(schema.jobs.c.base.in_(names), schema.jobs.c.status.not_in(FINAL_STATUSES)):
        raise InvalidInput(f"the job {job.id} goes on from {job.base!r}: let it end, or cancel it", param="model")


class Routes:
    """Finds what answers under a name, from memory; notices within 20 ms when the store's routes have changed.

    An alias wins over a tuned model, that over a base model, that over an upstream's names.
    """

    def __init__(
        self,
        store: Store,
        read: Callable[[], Catalog],
        local: Engine,
        upstreams: Sequence[tuple[Upstream, Engine]],
    ) -> None:
        self._store = store
        self._read = read
        self._local = local
        self._upstreams = upstreams
        self._lock = threading.Lock()
        self._checked = float("-inf")
        self._revision = -1
        self._catalog = Catalog()
        self._keys: frozenset[str] = frozenset()

    def route(self, name: str, user: str | None = None) -> Route:
        """The model that answers a call of `user` to `name`, its engine, and what gets a copy. Raises ModelNotFound."""
        catalog = self.catalog()
        shared = catalog.traffic.get(name)
        if shared is None:
            return self._route(catalog, name)
        chosen, copied = shared.choose(user), shared.copied()
        route = self._route(catalog, chosen.model, chosen.instructions)
        return replace(route, shadows=list(self._shadows(catalog, copied))) if copied else route

    def _shadows(self, catalog: Catalog, copied: Sequence[Share]) -> Iterator[Route]:
        for one in copied:
            with suppress(ModelNotFound):  # it is on trial, and no caller's concern
                yield self._route(catalog, one.model, one.instructions)

    def _route(self, catalog: Catalog, name: str, told: Instructions | None = None) -> Route:
        if model := catalog.tuned.get(name) or catalog.base.get(name):
            return Route(model=model, engine=self._local, instructions=told)
        for upstream, engine in self._upstreams:
            if upstream.serves(name):
                return Route(model=upstream_model(upstream, name), engine=engine, instructions=told)
        raise ModelNotFound(
            f"The model `{name}` does not exist or you do not have access to it. GET /v1/models lists what there is; "
            "names of an upstream are given in settings.toml.",
            param="model",
        )

    def exists(self, name: str) -> bool:
        """Whether a model (not an alias) answers as `name`."""
        catalog = self.catalog()
        return catalog.find(name) is not None or any(upstream.serves(name) for upstream, _ in self._upstreams)

    def catalog(self) -> Catalog:
        """Every model there is."""
        self._refresh()
        return self._catalog

    def keys(self) -> frozenset[str]:
        """SHA-256 of every API key that is let in."""
        self._refresh()
        return self._keys

    def forget(self) -> None:
        """Look at the store before the next answer: this process has just changed routes or keys."""
        self._checked = float("-inf")

    def _refresh(self) -> None:
        if time.monotonic() - self._checked < FRESH:
            return
        with self._lock:
            revision = self._store.deployments.revision()
            if revision != self._revision:
                self._catalog = self._read()
                self._keys = self._store.keys.hashes()
                self._revision = revision
            self._checked = time.monotonic()
