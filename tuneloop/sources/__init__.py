"""Where base models come from, one kind a file; each implements `protocols.ModelSource`."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]

#: files of a transformers model that are worth keeping; README.md names the licence
MODEL_FILES = (
    "model*.safetensors",
    "model.safetensors.index.json",
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template*",
    "README.md",
    "LICENSE*",
)
