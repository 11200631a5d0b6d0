"""Between GGUF, which llama.cpp serves, and safetensors, which PyTorch trains.

    python -m tuneloop.training.convert FOLDER

completes a model folder: `model.gguf` is dequantised into safetensors, config and tokenizer, or made from them,
whichever is missing. It prints one JSON object a line: {"what", "done", "total"} while it works, and {"error"} before
it exits with 1. A child process does this so that the caller never imports torch.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFReader, GGUFValueType, dequantize
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from tuneloop.errors import InvalidInput, TuneloopError
from tuneloop.training.gguf_layout import Layout, family_of
from tuneloop.training.gguf_vocab import end_token_ids, fix_tokenizer
from tuneloop.training.gguf_write import write_gguf

Progress = Callable[[str, int, int], None]

WEIGHTS_FILE = "model.safetensors"
GGUF_FILE = "model.gguf"


def dequantise(folder: Path, progress: Progress) -> None:
    """Write safetensors (bfloat16), config and tokenizer from `folder/model.gguf`; the values are those it serves.

    Raises InvalidInput for families and tokenizers that are not covered.
    """
    reader = _read_gguf(folder / GGUF_FILE)
    family = family_of(str(reader.fields["general.architecture"].contents()))
    progress("reading", 0, 1)
    config = AutoConfig.from_pretrained(folder, gguf_file=GGUF_FILE)
    if config.model_type != family.model_type:
        raise InvalidInput(f"A GGUF file of architecture {family.architecture!r} became a {config.model_type!r}.")
    head_dim = reader.fields.get(f"{family.architecture}.attention.key_length")
    if head_dim:  # transformers does not read it for every family
        config.head_dim = int(head_dim.contents())
    config.dtype = torch.bfloat16
    config.architectures = [type(_empty_model(config)).__name__]
    _save_tokenizer(folder, reader, config)
    config.save_pretrained(folder)
    tensors = _hf_tensors(reader, config, progress)
    partial = folder / f"{WEIGHTS_FILE}.{os.getpid()}.partial"
    save_file(tensors, partial, metadata={"format": "pt"})
    os.replace(partial, folder / WEIGHTS_FILE)


def _read_gguf(path: Path) -> GGUFReader:
    try:
        reader = GGUFReader(path)
    except (ValueError, IndexError) as error:
        raise InvalidInput(f"{str(path)!r} is no whole GGUF file: {error}.") from error
    if "general.architecture" not in reader.fields or "tokenizer.ggml.model" not in reader.fields:
        raise InvalidInput(f"{str(path)!r} holds no language model: its metadata name no architecture or tokenizer.")
    return reader


def _hf_tensors(reader: GGUFReader, config: Any, progress: Progress) -> dict[str, torch.Tensor]:
    layout = Layout.of(config.to_dict())
    stored = {tensor.name: tensor for tensor in reader.tensors}
    shapes = {name: tensor.shape for name, tensor in _empty_model(config).state_dict().items()}
    if config.tie_word_embeddings:
        del shapes["lm_head.weight"]
    tensors: dict[str, torch.Tensor] = {}
    for done, (name, shape) in enumerate(shapes.items()):
        progress("dequantising", done, len(shapes))
        source = stored[layout.gguf_name(name)]
        values = torch.tensor(dequantize(source.data, source.tensor_type)).reshape(shape)
        tensors[name] = layout.to_hf(name, values).to(torch.bfloat16).contiguous()
    progress("dequantising", len(shapes), len(shapes))
    return tensors


def _save_tokenizer(folder: Path, reader: GGUFReader, config: Any) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=GGUF_FILE)
    fields = reader.fields
    fix_tokenizer(tokenizer.backend_tokenizer, fields)
    tokenizer.model_max_length = config.max_position_embeddings
    template = folder / "chat_template.jinja"
    if "tokenizer.chat_template" in fields:
        tokenizer.chat_template = fields["tokenizer.chat_template"].contents()
    elif template.exists():
        tokenizer.chat_template = add_chat_template(folder / GGUF_FILE, template.read_text(encoding="utf-8"))
    tokenizer.save_pretrained(folder)
    generation = GenerationConfig.from_model_config(config)
    generation.eos_token_id = end_token_ids(tokenizer)
    generation.save_pretrained(folder)


def add_chat_template(path: Path, template: str) -> str:
    """Put a template into a GGUF file that has none, tensors untouched; returns it as it is in the file.

    A file is magic, version, two counts, key-value pairs, tensor names and offsets, then the tensors at a multiple of
    32 bytes. The new pair comes first and is itself a multiple of 32 long, so nothing else needs to change.
    """
    key = b"tokenizer.chat_template"
    length = len(struct.pack("<Q", 0) + key + struct.pack("<IQ", 0, 0)) + len(template.encode())
    template = "{#" + " " * (-(length + 4) % 32) + "#}" + template
    value = template.encode()
    pair = struct.pack("<Q", len(key)) + key + struct.pack("<IQ", GGUFValueType.STRING, len(value)) + value
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with path.open("rb") as reader, partial.open("wb") as writer:
        magic, version, n_tensors, n_pairs = struct.unpack("<4sIQQ", reader.read(24))
        writer.write(struct.pack("<4sIQQ", magic, version, n_tensors, n_pairs + 1) + pair)
        shutil.copyfileobj(reader, writer, 1 << 20)
    os.replace(partial, path)
    return template


def _empty_model(config: Any) -> Any:
    auto: Any = AutoModelForCausalLM
    with torch.device("meta"):
        return auto.from_config(config)


def _print_progress(what: str, done: int, total: int) -> None:
    print(json.dumps({"what": what, "done": done, "total": total}), flush=True)


def main(arguments: list[str]) -> int:
    """Complete the folder named on the command line."""
    folder = Path(arguments[0])
    try:
        if not (folder / GGUF_FILE).exists():
            write_gguf(folder, folder / GGUF_FILE, _print_progress)
        elif not [*folder.glob("*.safetensors")]:
            dequantise(folder, _print_progress)
    except TuneloopError as error:
        print(json.dumps({"error": error.message}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
