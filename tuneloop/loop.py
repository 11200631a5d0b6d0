"""The composition root: from settings to the parts, made when first needed and closed together."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio.to_thread
from filelock import FileLock, Timeout

from tuneloop import finetuning, keys, models, prompts, responses
from tuneloop.engines.llama_cpp import LlamaCppEngine
from tuneloop.engines.upstream import UpstreamEngine
from tuneloop.errors import NotFound, Unavailable
from tuneloop.evals.running import Runner as EvalRunner
from tuneloop.executors.background import Background
from tuneloop.executors.batches import BatchRunner, Places
from tuneloop.executors.local import LocalExecutor
from tuneloop.executors.runner import Runner
from tuneloop.graders.asking import Gateway
from tuneloop.graders.sandbox import Sandbox
from tuneloop.measured import Measured
from tuneloop.model_store import KNOWN_MODELS, BaseModel, ModelStore, Progress
from tuneloop.pricing import Prices
from tuneloop.protocols import Instructions
from tuneloop.settings import Settings
from tuneloop.store import Blobs, Database, Store
from tuneloop.store.keys import digest
from tuneloop.types import WHOLE_MODEL, FineTuningJob, Model

if TYPE_CHECKING:
    from tuneloop.executors.queue import Queue

T = TypeVar("T")


def _quiet(_what: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


@dataclass(kw_only=True)
class Loop:
    """The parts of one process. `progress` hears of base models being brought (what, bytes done, bytes in all)."""

    settings: Settings
    progress: Progress = _quiet
    #: where this process's own server answers ("http://127.0.0.1:8421/v1"), None in a process that is no server
    url: str | None = None

    @cached_property
    def store(self) -> Store:
        """Everything that is kept. Raises Unavailable when the database cannot be opened."""
        self._home()
        return Store(Database(self.settings.database_url), Blobs(str(self.settings.home / "files")))

    @cached_property
    def model_store(self) -> ModelStore:
        """Base models on this machine."""
        return ModelStore(self._home() / "models", wheels=self.settings.wheels)

    @cached_property
    def prices(self) -> Prices:
        """What calls cost."""
        return Prices(self.settings.prices, self.settings.upstreams, self.settings.dollars_per_hour)

    @cached_property
    def measured(self) -> Measured:
        """What was measured on this machine."""
        return Measured()

    @cached_property
    def local(self) -> LlamaCppEngine:
        """Serves base and tuned models on this machine."""
        return LlamaCppEngine(
            self.settings, lambda base: self.base_folder(base) / WHOLE_MODEL, responses.Memory(self.store)
        )

    @cached_property
    def routes(self) -> models.Routes:
        """What answers under a name."""
        upstreams = [(upstream, UpstreamEngine(upstream)) for upstream in self.settings.upstreams]
        return models.Routes(self.store, self._catalog, self.local, upstreams)

    @cached_property
    def runner(self) -> Runner:
        """Runs fine-tuning jobs."""
        return Runner(
            store=self.store,
            folder=self._home() / "jobs",
            executor=LocalExecutor(self._for_training),
            base_folder=self.base_folder,
            organization=self.settings.organization,
            threads=self.settings.threads,
        )

    @cached_property
    def batch_runner(self) -> BatchRunner:
        """Runs batches."""
        return BatchRunner(
            store=self.store,
            url=lambda: self.url,
            key=self.own_key,
            model=lambda name: self.routes.route(name).model,
            local=Places(max(1, self.settings.slots // 2), lambda: self.local.urgent),
        )

    @cached_property
    def eval_runner(self) -> EvalRunner:
        """Runs the runs of evals."""
        return EvalRunner(
            store=self.store,
            gateway=self.gateway,
            run_python=Sandbox(),
            concurrency=max(1, self.settings.slots // 2),
        )

    @cached_property
    def background(self) -> Background:
        """Work that pages ask for and need not wait for."""
        return Background()

    def gateway(self, user: str, *, patient: bool = False) -> Gateway:
        """How graders and evals of this server ask models: through its own door, so that every call is logged, as
        that of `user`; `patient` calls let others go before. Raises Unavailable in a process that is no server."""
        if self.url is None:
            raise Unavailable("models are asked by a running server: start one with `tuneloop serve`")
        return Gateway(self.url, self.own_key, embedder=self.settings.base_model, user=user, patient=patient)

    def _for_training(self) -> dict[str, str]:
        """Where a run's graders ask models, as the environment of its process says it: here, if this is a server."""
        here = {"TUNELOOP_BASE_URL": self.url, "TUNELOOP_API_KEY": self.own_key} if self.url else {}
        return {"TUNELOOP_BASE_MODEL": self.settings.base_model, **here}

    def ensure(self, base: str, watch: Progress = _quiet) -> BaseModel:
        """A base model, brought first if it is not here; `watch` hears of that too, and may raise to end it."""

        def heard(what: str, done: int, total: int) -> None:
            watch(what, done, total)
            self.progress(what, done, total)

        return self.model_store.ensure(base, heard)

    def base_folder(self, name: str, watch: Progress = _quiet) -> Path:
        """The folder of a whole model: a base model's, brought first if need be, or that of one tuned as a whole."""
        tuned = self.store.models.find(name)
        return Path(tuned.adapter) if tuned and tuned.adapter else self.ensure(name, watch).path

    def tunable(self, name: str) -> str | None:
        """The model that is tuned under a name: a base model (here or known) or one tuned here, itself or an alias."""
        catalog = self.routes.catalog()
        target = catalog.aliases.get(name, name)
        return target if target in catalog.base or target in catalog.tuned else None

    def allows(self, key: str) -> bool:
        """Whether an API key is good: the preset one or one of the store's. Only hashes are compared, so the time it
        takes tells nothing of a key."""
        hashed = digest(key)
        if hashed in self.routes.keys():
            self.store.keys.note_use(hashed)
            return True
        return hashed in (self._preset_key, digest(self.own_key))

    def first_key(self) -> str | None:
        """See to it that there is an API key: the preset one, or a new one, which is returned to be shown once."""
        if self.settings.api_key or self.store.keys.hashes():
            return None
        return self.new_key("first")

    def new_key(self, name: str) -> str:
        """Make an API key, which is good from now on and known to nobody else."""
        _, key = keys.create(self.store, name)
        self.routes.forget()
        return key

    @cached_property
    def own_key(self) -> str:
        """The API key of this process's own work (batches, judges): good at this process, and only while it lives."""
        return f"tl-own-{secrets.token_urlsafe(24)}"

    @cached_property
    def page_secret(self) -> str:
        """What signs a browser in to this process's pages, as their owner."""
        return secrets.token_urlsafe(24)

    def opens(self, secret: str) -> bool:
        """Whether a secret signs a browser in as owner: this process's own, or an API key."""
        return digest(secret) == digest(self.page_secret) or self.allows(secret)

    @cached_property
    def _preset_key(self) -> str | None:
        return digest(self.settings.api_key) if self.settings.api_key else None

    @property
    def queue_url(self) -> str:
        """Where the durable queue keeps its state: beside SQLite's file, or in the same PostgreSQL database."""
        url = self.store.database.url
        if self.store.database.dialect == "sqlite":
            return f"sqlite:///{self._home() / 'jobs.db'}"
        return url.set(drivername="postgresql").render_as_string(hide_password=False)

    def enqueue(self, queue: Queue, item_id: str, *, again: str = "") -> None:
        """Line an item up for the process that holds this home (this one, or the server)."""
        from tuneloop.executors import queue as queues  # DBOS takes half a second to import; only jobs need it

        queues.enqueue_elsewhere(self.queue_url, queue, item_id, again=again)

    def line_up(self, job: FineTuningJob) -> None:
        """Have a job's files looked at, and the job run when its turn comes; once, however often it is said."""
        self.enqueue("validation", job.id)
        self.enqueue("fine-tuning", job.id, again=finetuning.turn(job))

    def hold(self, url: str, *, seconds: float = 1.0) -> FileLock:
        """Be the one process that runs this home's jobs; release the lock to let another.

        `url` is where it answers, or "" for a command that is no server. Waits so many `seconds` for another to end
        (-1: for ever), then raises Unavailable.
        """
        lock = FileLock(self._home() / "server.lock")
        try:
            lock.acquire(timeout=seconds)
        except Timeout as error:
            raise Unavailable(
                f"another tuneloop ({self.server() or 'a command'}) already uses {self._home()}; "
                "stop it, or give this one a home of its own: TUNELOOP_HOME"
            ) from error
        (self._home() / "server.json").write_text(json.dumps({"url": url, "pid": os.getpid()}))
        return lock

    def server(self) -> str | None:
        """The URL of the process that runs this home's jobs ("" for a command), or None when none does."""
        lock = FileLock(self._home() / "server.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            try:
                return str(json.loads((self._home() / "server.json").read_text())["url"])
            except (OSError, ValueError, KeyError):
                return ""
        lock.release()
        return None

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run blocking work beside the event loop."""
        task: Awaitable[T] = anyio.to_thread.run_sync(partial(work, *arguments))
        return await task

    async def aclose(self) -> None:
        """Stop the engines and give connections back."""
        if "local" in self.__dict__:
            await self.local.close()
        if "store" in self.__dict__:
            self.store.close()

    def _home(self) -> Path:
        home = self.settings.home
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"cannot create {str(home)!r} (TUNELOOP_HOME): {error.strerror}") from error
        return home

    def _catalog(self) -> models.Catalog:
        here = {model.name: model.created_at for model in self.model_store.list()}
        names = {**dict.fromkeys(KNOWN_MODELS, 0.0), **here}
        base = [
            Model(id=name, created_at=at, kind="base", base=name, owned_by="tuneloop") for name, at in names.items()
        ]
        return models.catalog(self.store, base, self.settings.upstreams, self._instructions)

    def _instructions(self, prompt: str) -> Instructions:
        """What a Prompt tells in place of a call's own instructions; of one that was deleted since, nothing."""
        try:
            found = prompts.find(self.store, prompt)
        except NotFound:
            return Instructions(prompt=prompt, instead=lambda asked: asked)
        return Instructions(prompt=prompt, instead=lambda asked: prompts.messages(found, asked, {}))
