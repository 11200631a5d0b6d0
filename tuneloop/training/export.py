"""A peft adapter as a GGUF file, which llama.cpp adds to the base model when it starts.

The format is that of llama.cpp's `convert_lora_to_gguf.py`: for each adapted weight W two tensors, `W.lora_a`
[rank, inputs] and `W.lora_b` [outputs, rank]. llama.cpp computes W x + (alpha / rank) B A x.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gguf import GGUFWriter
from safetensors.torch import load_file
from torch import Tensor, float32

from tuneloop.errors import InvalidInput
from tuneloop.training.gguf_layout import Layout, read_config

ADAPTER_FILE = "adapter.gguf"


def export_adapter(adapter_dir: Path, model_dir: Path) -> Path:
    """Write `adapter_dir/adapter.gguf` from the peft files beside it and return its path.

    `model_dir` is the folder of the base model. Raises InvalidInput when the adapter holds something that
    llama.cpp does not know (DoRA, biases, whole modules) or the model's family is not covered.
    """
    adapter = _read_adapter_config(adapter_dir)
    layout = Layout.of(read_config(model_dir))
    target = adapter_dir / ADAPTER_FILE
    partial = target.with_suffix(".gguf.partial")

    writer = GGUFWriter(partial, layout.family.architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(adapter["lora_alpha"]))
    for name, tensor in _gguf_tensors(adapter_dir, adapter, layout):
        writer.add_tensor(name, tensor.to(float32).contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(partial, target)
    return target


def _gguf_tensors(adapter_dir: Path, adapter: dict[str, Any], layout: Layout) -> Iterator[tuple[str, Tensor]]:
    """Names and values of all tensors; B takes up what peft scales differently from alpha / rank."""
    tensors = load_file(adapter_dir / "adapter_model.safetensors")
    for key, a in tensors.items():
        module, found, _ = key.removeprefix("base_model.model.").partition(".lora_A.")
        if not found:
            if ".lora_B." in key:
                continue
            raise InvalidInput(
                f"The adapter in {str(adapter_dir)!r} holds {key!r}; only LoRA on linear layers is served."
            )
        b = tensors[key.replace(".lora_A.", ".lora_B.")]
        weight = f"{module}.weight"
        if module == "lm_head":
            raise InvalidInput(
                "The adapter tunes lm_head, which llama.cpp cannot adapt; leave it out of target_modules."
            )
        name = layout.gguf_name(weight)
        factor = _scaling(adapter, module, rank=a.shape[0]) * a.shape[0] / adapter["lora_alpha"]
        yield f"{name}.lora_a", a
        yield f"{name}.lora_b", layout.to_gguf(weight, b.to(float32) * factor)


def _scaling(adapter: dict[str, Any], module: str, *, rank: int) -> float:
    """What peft multiplies B A x by; `alpha_pattern` maps patterns of module names to an alpha."""
    patterns = adapter.get("alpha_pattern") or {}
    found = (alpha for name, alpha in patterns.items() if re.fullmatch(rf"(.*\.)?({name})", module))
    alpha = next(found, adapter["lora_alpha"])
    return float(alpha / (rank**0.5 if adapter.get("use_rslora") else rank))


def _read_adapter_config(adapter_dir: Path) -> dict[str, Any]:
    path = adapter_dir / "adapter_config.json"
    try:
        adapter: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{str(path)!r} is not the configuration of a peft adapter: {error}.") from error
    for setting, plain in (("peft_type", "LORA"), ("use_dora", False), ("bias", "none"), ("modules_to_save", None)):
        if adapter.get(setting, plain) != plain:
            value = adapter[setting]
            raise InvalidInput(f"An adapter with {setting}={value!r} cannot be served by llama.cpp; use {plain!r}.")
    return adapter
