"""Copies of calls for models on trial: answered for the log alone, once the caller has its answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import orjson

from tuneloop.gateway import wire
from tuneloop.gateway.calls import Call
from tuneloop.gateway.exchange import Exchange, Parts
from tuneloop.protocols import Recorder, Route
from tuneloop.types import Log

#: in the metadata of a copy's Log: the call that it is a copy of
SHADOW_OF = "shadow_of"
#: copies on their way at the same time, those of them to models on this machine, which callers need as well, and the
#: seconds that one may take
MOST, MOST_HERE, SECONDS = 8, 1, 120.0
#: the call's alone: its place in a trace, and its key for repeated calls
_NOT_COPIED = frozenset({b"traceparent", b"tracestate", b"idempotency-key"})


class Shadows:
    """Asks the models on trial. They are not waited for: a copy for which there is no room is dropped."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        #: what is under way, and whether it is on this machine
        self._tasks: dict[asyncio.Task[None], bool] = {}

    def copy(self, call: Call) -> None:
        """Ask the shadows of a call what it was asked, if that was answered well."""
        if call.route is None or call.status != 200 or call.hung_up:
            return
        for route in call.route.shadows:
            here = route.model.kind != "upstream"
            if len(self._tasks) < MOST and not (here and sum(self._tasks.values()) >= MOST_HERE):
                task = asyncio.create_task(self._ask(call, route))
                self._tasks[task] = here
                task.add_done_callback(self._tasks.pop)

    async def aclose(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self, call: Call, route: Route) -> None:
        copied = _copy(call)
        parts = self._parts._replace(router=_Only(route), recorder=_Apart(self._parts.recorder, call.id))
        timer = asyncio.get_running_loop().call_later(SECONDS, _hang_up, copied, asyncio.current_task())
        try:
            await Exchange(parts, copied, _nowhere).run()
        finally:
            timer.cancel()


class _Only:
    """Knows one way."""

    def __init__(self, route: Route) -> None:
        self._only = route

    def route(self, name: str, user: str | None = None) -> Route:
        return self._only


class _Apart:
    """Keeps Logs so that they are not taken for calls. Their metadata is not the call's: feedback by that is meant for
    the answer that was given."""

    def __init__(self, recorder: Recorder, call_id: str) -> None:
        self._recorder = recorder
        self._call_id = call_id

    async def record(self, log: Log) -> None:
        await self._recorder.record(replace(log, source="shadow", metadata={SHADOW_OF: self._call_id}))


def _copy(call: Call) -> Call:
    """The same call, which nobody keeps elsewhere and others go before."""
    asked = {name: value for name, value in call.asked.items() if name not in ("metadata", "store")}
    if call.endpoint == "/v1/responses":  # kept where it is answered unless it says so
        asked["store"] = False
    return Call(
        endpoint=call.endpoint,
        headers=[*(header for header in call.headers if header[0] not in _NOT_COPIED), wire.PATIENT],
        raw=call.raw if asked == call.asked else orjson.dumps(asked),
        prompt=None if call.route and call.route.instructions else call.prompt,
    )


def _hang_up(call: Call, task: asyncio.Task[None] | None) -> None:
    call.hung_up = True
    if task is not None:
        task.cancel()


async def _nowhere(_message: wire.AsgiMessage) -> None:
    """Sends an answer to nobody."""
