"""llama.cpp in a child process, without our engine around it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: posts JSON and returns the answer: post("/completion", {...})
Post = Callable[[str, dict[str, Any]], Any]
#: what the fixture `llama_cpp` is: llama_cpp(gguf, *adapters) -> Post
LlamaCpp = Callable[..., Post]

_SERVER = """
import sys, xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path, *adapters = sys.argv[1:]
parameters.n_ctx, parameters.n_parallel, parameters.port, parameters.verbosity = 512, 1, 0, -1
infos = [xllamacpp.CommonAdapterLoraInfo() for _ in adapters]
for info, adapter in zip(infos, adapters):
    info.path, info.scale = adapter, 1.0
parameters.lora_adapters = infos
server = xllamacpp.Server(parameters)
print("ADDRESS", server.listening_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def start(gguf: Path, *adapters: Path) -> Iterator[Post]:
    """Serve a GGUF file with adapters until the context ends."""
    command = [sys.executable, "-c", _SERVER, str(gguf), *map(str, adapters)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        address = next(line.split()[1] for line in child.stdout if line.startswith("ADDRESS"))

        def post(path: str, body: dict[str, Any]) -> Any:
            data, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
            request = urllib.request.Request(address + path, data, headers)
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)

        try:
            yield post
        finally:
            child.kill()


def next_token(post: Post, ids: list[int], **fields: Any) -> dict[int, float]:
    """Log probabilities of the ten likeliest next tokens, by token id."""
    body = {"prompt": ids, "n_predict": 1, "temperature": 0, "n_probs": 10, "cache_prompt": False, **fields}
    answer = post("/completion", body)["completion_probabilities"][0]
    return {top["id"]: top["logprob"] for top in answer["top_logprobs"]}
