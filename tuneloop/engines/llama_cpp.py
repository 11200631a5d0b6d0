"""Models on this machine: a llama.cpp child for each, started at first use, restarted when it died."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from tuneloop.chat_templates import TEMPLATE_FILE
from tuneloop.engines.llama_cpp_child import LlamaCppChild, ServerOptions
from tuneloop.engines.llama_cpp_dialect import LlamaCppDialect
from tuneloop.engines.responses import ResponsesDialect
from tuneloop.errors import EngineError, EngineUnavailable
from tuneloop.protocols import Endpoint, Memory
from tuneloop.settings import Settings
from tuneloop.types import WHOLE_MODEL, Model

_logger = logging.getLogger(__name__)

#: how long a call waits for a place when every engine is busy
_ROOM_SECONDS = 60.0
#: how long a process may take to be gone after its connections broke
_DYING_SECONDS = 1.0
_MOST_BACKOFF_SECONDS = 60.0


@dataclass(slots=True)
class _Served:
    """One model and its child, if it has one."""

    model: Model
    #: the child makes embeddings, and answers nothing else
    embeddings: bool = False
    child: LlamaCppChild | None = None
    starting: asyncio.Task[LlamaCppChild] | None = None
    #: a place is kept for the child that is starting
    admitted: bool = False
    #: under way, and those of them that others go before
    calls: int = 0
    patient: int = 0
    last_used: float = 0.0
    #: a call broke off: the child may be about to be gone
    suspect: bool = False
    #: failed starts in a row, the last one's error, and when to try again
    failures: int = 0
    error: str = ""
    retry_at: float = 0.0

    @property
    def takes_place(self) -> bool:
        return self.child is not None or self.admitted

    @property
    def idle(self) -> bool:
        return self.child is not None and self.calls == 0

    @contextmanager
    def use(self, patient: bool = False) -> Iterator[None]:
        self.calls += 1
        self.patient += patient
        try:
            yield
        except EngineError:
            self.suspect = True
            raise
        finally:
            self.calls -= 1
            self.patient -= patient
            self.last_used = time.monotonic()


class LlamaCppEngine:
    """Serves base models, base models with an adapter, and models tuned as a whole.

    At most `settings.engines` of them stay in memory; a model that also makes embeddings takes a place for that.

    `gguf_of` gives the GGUF file of a base model, `memory` what responses go on from. All methods belong to one event
    loop.
    """

    def __init__(self, settings: Settings, gguf_of: Callable[[str], Path], memory: Memory | None = None) -> None:
        self._settings = settings
        self._gguf_of = gguf_of
        self._memory = memory
        self._dialect = LlamaCppDialect()
        self._served: dict[tuple[str, bool], _Served] = {}
        self._room = asyncio.Lock()

    async def endpoint(self, model: Model, path: str = "/chat/completions") -> Endpoint:
        """Where `model` answers. Raises EngineUnavailable with the end of the child's log when it does not start."""
        embeddings = path == "/embeddings"
        served = self._served.setdefault((model.id, embeddings), _Served(model, embeddings))
        with served.use():  # so that nobody stops it before the caller has its lease
            child = await self._child(served)
        at = Endpoint(base_url=f"{child.url}/v1", provider="llama.cpp", dialect=self._dialect, lease=served.use)
        if path == "/responses":
            return replace(at, path="/chat/completions", dialect=ResponsesDialect(self._memory))
        return at

    @property
    def urgent(self) -> int:
        """How many calls are under way that go before others, at all models together; any thread may ask."""
        return sum(served.calls - served.patient for served in list(self._served.values()))

    async def close(self) -> None:
        """Stop all children."""
        starting = [served.starting for served in self._served.values() if served.starting is not None]
        await asyncio.gather(*starting, return_exceptions=True)
        for served in self._served.values():
            await _stop(served)

    async def _child(self, served: _Served) -> LlamaCppChild:
        if served.child is not None and await _is_alive(served, served.child):
            return served.child
        if served.starting is None:
            served.starting = asyncio.create_task(self._start(served))
        # Shielded, for others wait for the same start, and a process must not be lost when one caller hangs up.
        return await asyncio.shield(served.starting)

    async def _start(self, served: _Served) -> LlamaCppChild:
        try:
            if time.monotonic() < served.retry_at:
                raise EngineUnavailable(served.error)
            served.child = None
            await self._make_room(served)
            served.child = await asyncio.to_thread(LlamaCppChild, self._options(served), self._log(served))
        except EngineUnavailable as error:
            _back_off(served, error)
            raise
        finally:
            served.starting, served.admitted = None, False
        served.failures, served.suspect = 0, False
        served.last_used = time.monotonic()
        return served.child

    async def _make_room(self, newcomer: _Served) -> None:
        deadline = time.monotonic() + _ROOM_SECONDS
        async with self._room:
            while sum(served.takes_place for served in self._served.values()) >= self._settings.engines:
                idle = [served for served in self._served.values() if served.idle]
                if idle:
                    await _stop(min(idle, key=lambda served: served.last_used))
                elif time.monotonic() > deadline:
                    raise EngineUnavailable(
                        f"all {self._settings.engines} engines are busy, so {newcomer.model.id!r} cannot start; "
                        "TUNELOOP_ENGINES allows more"
                    )
                else:
                    await asyncio.sleep(0.02)
            newcomer.admitted = True

    def _options(self, served: _Served) -> ServerOptions:
        model = served.model
        gguf, adapter = self._files(model)
        for file in (gguf, adapter):
            if file is not None and not file.is_file():
                raise EngineUnavailable(f"{model.id!r} cannot be served: {file} is missing")
        return ServerOptions(
            model=model.id,
            gguf=str(gguf),
            adapter=None if adapter is None else str(adapter),
            folder=str(gguf.parent),
            chat_template=_chat_template(model),
            embeddings=served.embeddings,
            slots=self._settings.slots,
            context=self._settings.context,
            threads=self._settings.threads or _cores(),
            parent=os.getpid(),
        )

    def _files(self, model: Model) -> tuple[Path, Path | None]:
        """The GGUF files of a model: what is whole, and the adapter on it."""
        if model.adapter is None:
            return self._gguf_of(model.base), None
        whole = Path(model.adapter) / WHOLE_MODEL
        return (whole, None) if whole.is_file() else (self._gguf_of(model.base), Path(model.adapter) / "adapter.gguf")

    def _log(self, served: _Served) -> Path:
        name = re.sub(r"[^A-Za-z0-9.-]", "_", served.model.id) + ("-embeddings" if served.embeddings else "")
        return self._settings.home / "logs" / f"llama_cpp-{name}.log"


def _chat_template(model: Model) -> str | None:
    """What a tuned model was trained with, which may be a repaired version of its base's."""
    file = Path(model.adapter) / TEMPLATE_FILE if model.adapter is not None else None
    return str(file) if file is not None and file.is_file() else None


async def _is_alive(served: _Served, child: LlamaCppChild) -> bool:
    if served.suspect:
        served.suspect = False
        await asyncio.to_thread(child.wait, _DYING_SECONDS)
    if child.alive():
        return True
    if served.child is child:
        served.child = None
        _logger.warning("the llama.cpp process of %s died; starting it again", served.model.id)
    return False


async def _stop(served: _Served) -> None:
    child, served.child = served.child, None
    if child is not None:
        await asyncio.to_thread(child.stop)


def _back_off(served: _Served, error: EngineUnavailable) -> None:
    if error.message != served.error or time.monotonic() >= served.retry_at:
        served.failures += 1
        served.error = error.message
        served.retry_at = time.monotonic() + min(2.0 ** (served.failures - 1), _MOST_BACKOFF_SECONDS)


def _cores() -> int:
    physical = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    return min(physical, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else physical)
