"""Models: what there is to call, and which one answers under a name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tuneloop.errors import InvalidInput, ModelNotFound
from tuneloop.protocols import Engine, Route
from tuneloop.settings import Upstream
from tuneloop.store import Store
from tuneloop.types import Model

#: seconds for which a gateway trusts its memory of routes and keys before it asks the store for the revision
FRESH = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalog:
    """Every model by name at one moment."""

    base: Mapping[str, Model] = field(default_factory=dict)
    tuned: Mapping[str, Model] = field(default_factory=dict)
    upstream: Mapping[str, Model] = field(default_factory=dict)
    #: alias -> the model that answers under it
    aliases: Mapping[str, str] = field(default_factory=dict)

    def find(self, name: str) -> Model | None:
        """The model with this name; aliases are no models."""
        return self.tuned.get(name) or self.base.get(name) or self.upstream.get(name)


def catalog(store: Store, base: Sequence[Model], upstreams: Sequence[Upstream]) -> Catalog:
    """What there is now: base models of the model store, tuned ones, and upstream names without wild cards."""
    named = [upstream_model(u, name) for u in upstreams for name in u.models if not set("*?[") & set(name)]
    return Catalog(
        base={model.id: model for model in base},
        tuned={model.id: model for model in store.models.all()},
        upstream={model.id: model for model in named},
        aliases=store.deployments.live(),
    )


def upstream_model(upstream: Upstream, name: str) -> Model:
    """A name at an upstream as a Model."""
    return Model(id=name, created_at=0.0, kind="upstream", base=name, owned_by=upstream.name)


def delete(store: Store, name: str) -> Model:
    """Forget a tuned model. Raises ModelNotFound, and InvalidInput for models that are live or not tuned here."""
    model = store.models.find(name)
    if model is None:
        raise ModelNotFound(f"no tuned model {name!r}: only tuned models can be deleted", param="model")
    live = sorted(alias for alias, target in store.deployments.live().items() if target == name)
    if live:
        raise InvalidInput(f"{name!r} answers as {', '.join(live)}: deploy another model there first", param="model")
    if above := sorted(other.id for other in store.models.all() if other.base == name):
        raise InvalidInput(f"{above[0]!r} is an adapter on {name!r}: delete that first", param="model")
    store.models.remove(name)
    store.deployments.touch()
    return model


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

    def route(self, name: str) -> Route:
        """The model that answers as `name` and its engine. Raises ModelNotFound."""
        catalog = self.catalog()
        target = catalog.aliases.get(name, name)
        if model := catalog.tuned.get(target) or catalog.base.get(target):
            return Route(model=model, engine=self._local)
        for upstream, engine in self._upstreams:
            if upstream.serves(target):
                return Route(model=upstream_model(upstream, target), engine=engine)
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
