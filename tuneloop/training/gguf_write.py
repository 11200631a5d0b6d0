"""A transformers model as a GGUF file, for llama.cpp to serve: half precision, which holds bfloat16 weights exactly.

Keys and formulas are those of llama.cpp's `convert_hf_to_gguf.py`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFWriter, LlamaFileType, RopeScalingType
from safetensors import safe_open
from transformers import AutoConfig, PreTrainedTokenizerFast

from tuneloop.errors import InvalidInput
from tuneloop.training.gguf_layout import Layout, family_of, read_config
from tuneloop.training.gguf_vocab import add_vocabulary, drop_normalizer

Progress = Callable[[str, int, int], None]


def write_gguf(folder: Path, target: Path, progress: Progress) -> None:
    """Write `target` from the safetensors, config and tokenizer in `folder`, whose tokenizer.json is adapted to it.

    Raises InvalidInput when the model's family, its rope or its tokenizer is not covered.
    """
    family = family_of(str(read_config(folder).get("model_type")))
    drop_normalizer(folder / "tokenizer.json")
    config = AutoConfig.from_pretrained(folder)
    layout = Layout.of(config.to_dict())
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    writer = GGUFWriter(partial, family.architecture)
    writer.add_type("model")
    writer.add_file_type(LlamaFileType.MOSTLY_F16)
    _add_parameters(writer, config)
    add_vocabulary(writer, PreTrainedTokenizerFast.from_pretrained(folder), config.vocab_size)
    _write_tensors(writer, folder, config, layout, progress)
    writer.close()
    os.replace(partial, target)


def _add_parameters(writer: GGUFWriter, config: Any) -> None:
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_vocab_size(config.vocab_size)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    rope = config.rope_parameters
    if config.model_type == "gemma3_text":
        _check_gemma(config, head_dim)
        writer.add_sliding_window(config.sliding_window)
        writer.add_rope_freq_base_swa(rope["sliding_attention"]["rope_theta"])
        rope = rope["full_attention"]
    _add_rope(writer, rope)


def _check_gemma(config: Any, head_dim: int) -> None:
    """llama.cpp has these built in for Gemma 3."""
    pattern = ["full_attention" if (i + 1) % 6 == 0 else "sliding_attention" for i in range(config.num_hidden_layers)]
    if config.query_pre_attn_scalar != head_dim or config.layer_types != pattern:
        raise InvalidInput("Gemma 3 is covered with its usual attention scale and every sixth layer global only.")


def _add_rope(writer: GGUFWriter, rope: dict[str, Any]) -> None:
    writer.add_rope_freq_base(rope["rope_theta"])
    kind = rope.get("rope_type", "default")
    if kind in ("linear", "yarn"):
        writer.add_rope_scaling_type(RopeScalingType(kind))
        writer.add_rope_scaling_factor(rope["factor"])
    if kind == "yarn":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if kind not in ("default", "linear", "yarn", "llama3"):
        raise InvalidInput(f"Rope scaling of type {kind!r} is not covered; linear, yarn and llama3 are.")


def llama3_rope_factors(rope: dict[str, Any], head_dim: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What Llama 3.1 and later divide the rope's frequencies by; [head_dim / 2]."""
    wavelengths = 2 * math.pi * rope["rope_theta"] ** (np.arange(0, head_dim, 2) / head_dim)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    smooth = (rope["original_max_position_embeddings"] / wavelengths - low) / (high - low)
    smooth = smooth.clip(0.0, 1.0)
    factors: np.ndarray[Any, np.dtype[np.float32]] = (1 / ((1 - smooth) / rope["factor"] + smooth)).astype(np.float32)
    return factors


def _write_tensors(writer: GGUFWriter, folder: Path, config: Any, layout: Layout, progress: Progress) -> None:
    """One tensor at a time, so that memory holds one and not the model."""
    with ExitStack() as stack:
        shards = [stack.enter_context(safe_open(file, "pt")) for file in _weight_files(folder)]
        stored = {name: shard for shard in shards for name in shard.keys() if not name.endswith(".inv_freq")}
        if config.tie_word_embeddings:
            stored.pop("lm_head.weight", None)
        factors = _rope_factors(config)
        if factors is not None:
            writer.add_tensor_info("rope_freqs.weight", factors.shape, factors.dtype, factors.nbytes)
        for name, shard in stored.items():
            shape = shard.get_slice(name).get_shape()
            kind = _storage(shape)
            writer.add_tensor_info(layout.gguf_name(name), shape, kind, math.prod(shape) * kind.itemsize)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        if factors is not None:
            writer.write_tensor_data(factors)
        for done, (name, shard) in enumerate(stored.items()):
            progress("writing GGUF", done, len(stored))
            writer.write_tensor_data(_values(name, shard.get_tensor(name), layout))
        progress("writing GGUF", len(stored), len(stored))


def _rope_factors(config: Any) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    if config.rope_parameters.get("rope_type") != "llama3":
        return None
    return llama3_rope_factors(config.rope_parameters, config.head_dim)


def _values(name: str, tensor: torch.Tensor, layout: Layout) -> np.ndarray[Any, Any]:
    values = layout.to_gguf(name, tensor.to(torch.float32)).numpy()
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(values.astype(_storage(values.shape)))
    if not np.isfinite(stored).all():
        raise InvalidInput(f"The tensor {name!r} has values that half precision cannot hold.")
    return stored


def _storage(shape: Any) -> np.dtype[Any]:
    return np.dtype(np.float32 if len(shape) == 1 else np.float16)


def _weight_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.exists():
        return [folder / name for name in sorted(set(json.loads(index.read_bytes())["weight_map"].values()))]
    return [folder / "model.safetensors"]
