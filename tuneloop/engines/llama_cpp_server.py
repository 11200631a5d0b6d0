"""What runs inside a LlamaCppChild: `python -m tuneloop.engines.llama_cpp_server OPTIONS`, ServerOptions as JSON.

The first line of standard output is {"url": "..."}; from then on OpenAI's wire format is spoken there. The process
ends with its parent, however that ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import IO

import aiohttp
import xllamacpp
from aiohttp import web

from tuneloop.chat import load_chat
from tuneloop.chat_templates import served_template
from tuneloop.engines.llama_cpp_child import ServerOptions
from tuneloop.engines.local import server
from tuneloop.engines.local.embeddings import ROOM
from tuneloop.engines.local.generation import Llama
from tuneloop.engines.local.model import Model

_PARENT_SECONDS = 0.2
# Prompts of slots that were taken over by others; the default of 8 GiB for each model is more than a laptop has.
_PROMPT_CACHE_MIB = 512
# Of 64 tokens or more at once a CPU computes the attention in another way, with other last digits. A prompt that is
# partly remembered would be answered differently from one that is not, at temperature 0, too.
_SAME_DIGITS = 63


def main() -> None:
    """Serve until the parent is gone."""
    options: ServerOptions = json.loads(sys.argv[1])
    threading.Thread(target=_end_with, args=(options["parent"],), daemon=True).start()
    # The library may print: standard output is for the URL alone, so what it says goes to the log with the rest.
    handshake = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    llama = xllamacpp.Server(parameters(options))
    asyncio.run(_serve(options, llama.listening_address, handshake))


async def _serve(options: ServerOptions, llama: str, handshake: IO[str]) -> None:
    """Speak OpenAI's format before the llama.cpp at the URL `llama`."""
    # A connection for each call: llama.cpp may close one that has been used.
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        model = await _model(options, llama, session)
        embedding = options["embeddings"]
        app = server.embeddings_application(model, options["context"]) if embedding else server.application(model)
        runner = server.runner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = "http://{}:{}".format(*runner.addresses[0])
        print(json.dumps({"url": url}), file=handshake, flush=True)
        handshake.close()
        await asyncio.Event().wait()


async def _model(options: ServerOptions, url: str, session: aiohttp.ClientSession) -> Model:
    async with session.get(f"{url}/v1/models") as response:
        described = (await response.json())["data"][0]["meta"]
    folder, trained = Path(options["folder"]), options["chat_template"]
    version = f"{xllamacpp.__version__} {options['gguf']} {options['adapter']}"
    return Model(
        chat=load_chat(folder, served_template(folder, None if trained is None else Path(trained))),
        llama=Llama(session=session, url=url, slots=options["slots"], context=described["n_ctx"]),
        vocabulary=described["n_vocab"],
        tuned=options["adapter"] is not None or trained is not None,
        fingerprint=f"fp_{hashlib.sha256(version.encode()).hexdigest()[:10]}",
    )


def parameters(options: ServerOptions) -> xllamacpp.CommonParams:
    """llama.cpp's own parameters; why they are as they are: docs/decisions/0002-serving.md."""
    common = xllamacpp.CommonParams()
    common.model.path = options["gguf"]
    common.model_alias = {options["model"]}
    common.hostnames = ["127.0.0.1"]
    common.port = 0
    common.ui = False
    common.use_jinja = True
    common.cache_ram_mib = _PROMPT_CACHE_MIB
    common.n_parallel = options["slots"]
    common.n_ctx = options["slots"] * options["context"]
    common.cpuparams.n_threads = options["threads"]
    common.cpuparams_batch.n_threads = options["threads"]
    if not options["embeddings"] and not _has_gpu():
        common.n_ubatch = _SAME_DIGITS
    if options["adapter"] is not None:
        common.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(options["adapter"], 1.0)]
    if options["embeddings"]:
        common.embedding = True
        common.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_LAST
        # Nothing is remembered of an input, so that all slots can do with the memory for one long one.
        common.kv_unified = True
        common.n_ctx = options["context"] + ROOM
    return common


def _has_gpu() -> bool:
    cpu = xllamacpp.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_CPU
    return any(device["type"] != cpu for device in xllamacpp.get_device_info())


def _end_with(parent: int) -> None:
    # When the parent is killed nobody tells us, but we are handed to another process.
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    os._exit(0)


if __name__ == "__main__":
    main()
