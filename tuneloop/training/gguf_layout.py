"""Where the tensors of a transformers model are in a GGUF file, and how they differ there.

The rules are those of llama.cpp's `convert_hf_to_gguf.py`; the names come from the `gguf` package's own map.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gguf import MODEL_ARCH_NAMES, TensorNameMap, get_tensor_name_map

from tuneloop.errors import InvalidInput

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """Models that share a layout."""

    #: `general.architecture` in the GGUF file
    architecture: str
    #: `model_type` in config.json
    model_type: str
    #: llama.cpp rotates neighbouring rows of q and k, transformers row i with row i + head_dim / 2
    interleaved_rope: bool = False
    #: what the GGUF file's norm weights have more than the safetensors': llama.cpp multiplies by w, Gemma by 1 + w
    norm_offset: float = 0.0


FAMILIES = (
    Family(architecture="llama", model_type="llama", interleaved_rope=True),
    Family(architecture="qwen2", model_type="qwen2"),
    Family(architecture="qwen3", model_type="qwen3"),
    Family(architecture="gemma3", model_type="gemma3_text", norm_offset=1.0),
)


def read_config(model_dir: Path) -> dict[str, Any]:
    """`config.json` of a model folder. Raises InvalidInput when there is none or it is no JSON object."""
    try:
        config = json.loads((model_dir / "config.json").read_bytes())
    except OSError as error:
        raise InvalidInput(f"{str(model_dir)!r} has no readable config.json: {error.strerror}.") from error
    except ValueError as error:
        raise InvalidInput(f"{str(model_dir / 'config.json')!r} is not JSON: {error}.") from error
    if not isinstance(config, dict):
        raise InvalidInput(f"{str(model_dir / 'config.json')!r} does not hold a JSON object.")
    return config


def family_of(kind: str) -> Family:
    """The family with this `model_type` or GGUF architecture. Raises InvalidInput naming those covered."""
    for family in FAMILIES:
        if kind in (family.model_type, family.architecture):
            return family
    covered = ", ".join(family.model_type for family in FAMILIES)
    raise InvalidInput(f"Models of type {kind!r} cannot be converted; the types covered are {covered}.")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Names and transformations of one model's tensors, between transformers (`hf`) and GGUF."""

    family: Family
    n_heads: int
    n_kv_heads: int
    n_layers: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Layout:
        """The layout of the model with this config.json. Raises InvalidInput for families not covered."""
        return cls(
            family=family_of(str(config.get("model_type"))),
            n_heads=config["num_attention_heads"],
            n_kv_heads=config.get("num_key_value_heads") or config["num_attention_heads"],
            n_layers=config["num_hidden_layers"],
        )

    def gguf_name(self, hf_name: str) -> str:
        """`model.layers.0.self_attn.q_proj.weight` -> `blk.0.attn_q.weight`. Raises InvalidInput if there is none."""
        module, _, kind = hf_name.rpartition(".")
        name = _name_map(self.family.architecture, self.n_layers).get_name(module)
        if name is None:
            raise InvalidInput(
                f"The GGUF format has no place for the tensor {hf_name!r} of a {self.family.model_type}."
            )
        return f"{name}.{kind}"

    def to_gguf(self, hf_name: str, tensor: Tensor) -> Tensor:
        """The values of a transformers tensor as llama.cpp wants them; rows are outputs, as in `nn.Linear`."""
        if heads := self._rotated_heads(hf_name):
            return interleave(tensor, heads)
        return tensor + self._offset(hf_name) if self._offset(hf_name) else tensor

    def to_hf(self, hf_name: str, tensor: Tensor) -> Tensor:
        """The reverse of `to_gguf`."""
        if heads := self._rotated_heads(hf_name):
            return deinterleave(tensor, heads)
        return tensor - self._offset(hf_name) if self._offset(hf_name) else tensor

    def _rotated_heads(self, hf_name: str) -> int:
        if not self.family.interleaved_rope:
            return 0
        return self.n_heads * (".q_proj." in hf_name) + self.n_kv_heads * (".k_proj." in hf_name)

    def _offset(self, hf_name: str) -> float:
        return self.family.norm_offset if hf_name.endswith("norm.weight") else 0.0


@functools.cache
def _name_map(architecture: str, n_layers: int) -> TensorNameMap:
    key = next(key for key, name in MODEL_ARCH_NAMES.items() if name == architecture)
    return get_tensor_name_map(key, n_layers)


def interleave(tensor: Tensor, heads: int) -> Tensor:
    """Rows of each head from [first halves, second halves] to neighbouring pairs; [heads * head_dim, ...]."""
    return tensor.reshape(heads, 2, -1, *tensor.shape[1:]).swapaxes(1, 2).reshape(tensor.shape)


def deinterleave(tensor: Tensor, heads: int) -> Tensor:
    """The reverse of `interleave`."""
    return tensor.reshape(heads, -1, 2, *tensor.shape[1:]).swapaxes(1, 2).reshape(tensor.shape)
