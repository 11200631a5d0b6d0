"""What runs inside a LlamaCppChild: `python -m tuneloop.engines.llama_cpp_server OPTIONS`, ServerOptions as JSON.

The first line of standard output is {"url": "..."}; from then on OpenAI's wire format is spoken there. The process
ends with its parent, however that ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import xllamacpp

from tuneloop.engines.llama_cpp_child import ServerOptions

_PARENT_SECONDS = 0.2
# Prompts of slots that were taken over by others; the default of 8 GiB for each model is more than a laptop has.
_PROMPT_CACHE_MIB = 512


def main() -> None:
    """Serve until the parent is gone."""
    options: ServerOptions = json.loads(sys.argv[1])
    threading.Thread(target=_end_with, args=(options["parent"],), daemon=True).start()
    # The library may print: standard output is for the URL alone, so what it says goes to the log with the rest.
    handshake = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    server = xllamacpp.Server(parameters(options))
    print(json.dumps({"url": server.listening_address}), file=handshake, flush=True)
    handshake.close()
    threading.Event().wait()


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
    if options["adapter"] is not None:
        common.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(options["adapter"], 1.0)]
    if options["chat_template"] is not None:
        common.chat_template = Path(options["chat_template"]).read_text(encoding="utf-8")
    return common


def _end_with(parent: int) -> None:
    # When the parent is killed nobody tells us, but we are handed to another process.
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    os._exit(0)


if __name__ == "__main__":
    main()
