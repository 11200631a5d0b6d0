"""Asks models one question at a time, past the gateway: for evaluations, whose calls are no Logs."""

from __future__ import annotations

import time
from types import TracebackType

import aiohttp
import orjson

from tuneloop.errors import EngineError
from tuneloop.evaluations import Answer, text_of
from tuneloop.protocols import Endpoint, Router
from tuneloop.proxies import proxy_for
from tuneloop.types import Json, Message


class Asker:
    """Answers for `evaluations.run`. An async context manager; belongs to one event loop."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Asker:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def answer(self, model: str, messages: list[Message], parameters: dict[str, Json]) -> Answer:
        """One whole answer with its latency, from the request's first byte to the answer's last."""
        route = self._router.route(model)
        endpoint = await route.engine.endpoint(route.model)
        body = {"model": endpoint.model or route.model.id, "messages": messages, **parameters}
        with endpoint.lease(False):
            started = time.perf_counter()
            response = await self._post(endpoint, body)
            latency = (time.perf_counter() - started) * 1000
        usage = response.get("usage") or {}
        return Answer(
            text=text_of(response["choices"][0]["message"]),
            latency_ms=latency,
            prompt_tokens=usage.get("prompt_tokens"),
            completion_tokens=usage.get("completion_tokens"),
        )

    async def _post(self, endpoint: Endpoint, body: dict[str, Json]) -> dict[str, Json]:
        assert self._session is not None, "use 'async with'"
        headers = {"Content-Type": "application/json"}
        if endpoint.api_key:
            headers["Authorization"] = f"Bearer {endpoint.api_key}"
        url = f"{endpoint.base_url}/chat/completions"
        async with self._session.post(url, data=orjson.dumps(body), headers=headers, proxy=proxy_for(url)) as response:
            content = await response.read()
            if response.status != 200:
                raise EngineError(f"{response.status} {content[:500].decode('utf-8', 'replace')}")
        answer: dict[str, Json] = orjson.loads(content)
        return answer
