"""An OpenAI-compatible server somewhere else: OpenAI, Azure, vLLM, Ollama, another Tuneloop."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tuneloop.protocols import Endpoint
from tuneloop.settings import Upstream
from tuneloop.types import Model


class UpstreamEngine:
    """Passes calls on to one upstream of the settings file; its key is read from the environment at every call."""

    def __init__(self, upstream: Upstream, environ: Mapping[str, str] = os.environ) -> None:
        self.upstream = upstream
        self._environ = environ

    async def endpoint(self, model: Model, path: str = "/chat/completions") -> Endpoint:
        """Where the upstream is, asked for `model` by its id."""
        return Endpoint(
            base_url=self.upstream.base_url,
            api_key=self.upstream.api_key(self._environ),
            model=model.id,
            provider=self.upstream.name,
        )
