"""The adapter that both sides of the training benchmark start from: a LoRA in peft's files, made without torch."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

RANK = 16
ALPHA = 32


class Layer(NamedTuple):
    """A linear layer of a model, whose weight has the shape (outputs, inputs)."""

    name: str
    outputs: int
    inputs: int


def linear_layers(model: Path) -> list[Layer]:
    """The linear layers of the decoder in model.safetensors: q, k, v, o, gate, up and down of each block."""
    return [
        Layer(name.removesuffix(".weight"), *shape)
        for name, shape in _shapes(model).items()
        if name.endswith("_proj.weight")
    ]


def head(model: Path) -> Layer:
    """The layer that turns hidden states into logits, which may be the embedding's weight again."""
    shapes = _shapes(model)
    name = "lm_head.weight" if "lm_head.weight" in shapes else "model.embed_tokens.weight"
    return Layer("lm_head", *shapes[name])


def write_adapter(model: Path, folder: Path, seed: int) -> Path:
    """Write the adapter into `folder`: A as peft draws it (uniform, bounded by 1 / sqrt(inputs)), B zero."""
    folder.mkdir()
    generator = np.random.default_rng(seed)
    layers = linear_layers(model)
    tensors = {}
    for name, outputs, inputs in layers:
        bound = 1 / math.sqrt(inputs)
        low = generator.uniform(-bound, bound, (RANK, inputs)).astype(np.float32)
        tensors[f"base_model.model.{name}.lora_A.weight"] = low
        tensors[f"base_model.model.{name}.lora_B.weight"] = np.zeros((outputs, RANK), dtype=np.float32)
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(model),
        "r": RANK,
        "lora_alpha": ALPHA,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted({layer.name.rpartition(".")[2] for layer in layers}),
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    return folder


def _shapes(model: Path) -> dict[str, tuple[int, int]]:
    with safe_open(model / "model.safetensors", "np") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
    return {name: (shape[0], shape[1]) for name, shape in shapes.items() if len(shape) == 2}
