"""What a run trains and leaves: an adapter on a frozen model, or every weight of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors.torch import save_file
from torch import nn

from tuneloop.protocols import TrainingSpec
from tuneloop.training.convert import GGUF_FILE, WEIGHTS_FILE
from tuneloop.training.decoder import Decoder
from tuneloop.training.export import export_adapter
from tuneloop.training.gguf_write import write_gguf
from tuneloop.training.lora import (
    AdaptedLinear,
    adapter_config,
    add_lora,
    load_adapter,
    lora_parameters,
    save_adapter,
)

#: what belongs to a model beside its weights
_COMPANIONS = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)


class Weights(Protocol):
    """Which weights of a model are trained, and the files they are kept in."""

    def prepare(self, model: Decoder) -> list[nn.Parameter]:
        """Make them trainable; returns them, in float32. Raises InvalidInput when they do not fit the model."""
        ...

    def save(self, model: Decoder, folder: Path) -> None:
        """Write them into an existing folder, as other tools read them."""
        ...

    def finish(self, folder: Path) -> None:
        """Add what llama.cpp serves to a folder that was saved."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Adapter:
    """LoRA: peft files, and adapter.gguf to go with the base model's."""

    base: Path
    seed: int
    rank: int = 16
    alpha: float = 32
    #: names of the linear layers that are adapted; empty for all
    targets: Collection[str] = ()
    #: peft folder to go on from; what is in it wins over the numbers above
    before: Path | None = None

    def prepare(self, model: Decoder) -> list[nn.Parameter]:
        """Add the LoRA to the model."""
        if self.before is None:
            add_lora(model, self.seed, self.rank, self.alpha, self.targets)
        else:
            _add_trained_lora(model, self.before)
        return [parameter for _, a, b in lora_parameters(model) for parameter in (a, b)]

    def save(self, model: Decoder, folder: Path) -> None:
        """adapter_config.json and adapter_model.safetensors."""
        save_adapter(model, folder, base=str(self.base))

    def finish(self, folder: Path) -> None:
        """adapter.gguf."""
        export_adapter(folder, self.base)


@dataclass(frozen=True, kw_only=True, slots=True)
class AllWeights:
    """Full fine-tuning: a model folder like that of the base model."""

    base: Path
    #: peft folder to go on from
    before: Path | None = None

    def prepare(self, model: Decoder) -> list[nn.Parameter]:
        """Every weight, embeddings and norms included."""
        parameters = model.train_everything()
        if self.before is None:
            return parameters
        _add_trained_lora(model, self.before)
        for module in model.modules():
            if isinstance(module, AdaptedLinear):
                module.merge()
        return parameters

    def save(self, model: Decoder, folder: Path) -> None:
        """Weights in bfloat16, with the base model's configuration, tokenizer and template."""
        tensors = {name: weight.detach().cpu().to(torch.bfloat16) for name, weight in model.named_weights()}
        tensors = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
        save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})
        for name in _COMPANIONS:
            if (self.base / name).exists():
                shutil.copyfile(self.base / name, folder / name)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}, indent=2), encoding="utf-8")

    def finish(self, folder: Path) -> None:
        """model.gguf."""
        write_gguf(folder, folder / GGUF_FILE, lambda *_: None)


def _add_trained_lora(model: Decoder, folder: Path) -> None:
    config = adapter_config(folder)
    add_lora(model, 0, config["r"], config["lora_alpha"], config["target_modules"])
    load_adapter(model, folder)


def choose_weights(spec: TrainingSpec, rank: int, alpha: float) -> Weights:
    """What `spec` asks to train, with numbers in place of "auto"."""
    base, before = Path(spec.model), Path(spec.adapter) if spec.adapter else None
    if spec.tuning == "full":
        return AllWeights(base=base, before=before)
    return Adapter(base=base, seed=spec.seed, rank=rank, alpha=alpha, targets=tuple(spec.lora_targets), before=before)
