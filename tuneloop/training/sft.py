"""Supervised fine-tuning: a frozen model, its LoRA and its optimiser, and what one step does to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from tuneloop.errors import InvalidInput
from tuneloop.training.attention import TREE_ATTENTION, tree_blocks
from tuneloop.training.lora import adapter_config, add_lora, load_adapter, lora_layers
from tuneloop.training.loss import linear_cross_entropy
from tuneloop.training.tree import TokenRow, Tree, micro_batches

_MAX_GRADIENT_NORM = 1.0

# What these do to the logits is not written here (yet), so that training would differ from serving.
_UNKNOWN_HEADS = ("final_logit_softcapping", "logits_scaling", "logit_scale")


@dataclass(frozen=True, slots=True)
class Metrics:
    """Weighted means over the target tokens of some rows."""

    loss: float
    accuracy: float


def best_device() -> torch.device:
    """The GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def best_dtype(device: torch.device) -> torch.dtype:
    """Type of the frozen weights: bfloat16 where the processor multiplies it, else float32."""
    if device.type == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.bfloat16
    return torch.float32


def load_base(model_dir: Path, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The base model with tree attention. Raises InvalidInput for models that would be trained wrongly."""
    cast(Any, transformers_logging).disable_progress_bar()
    model: nn.Module = AutoModelForCausalLM.from_pretrained(
        model_dir, dtype=dtype, attn_implementation=TREE_ATTENTION, local_files_only=True
    )
    config: Any = model.config
    for name in _UNKNOWN_HEADS:
        if getattr(config, name, None) not in (None, 1.0):
            raise InvalidInput(f"models with {name} cannot be tuned yet", param="model")
    return model.to(device).train()


class Learner:
    """A model that learns from batches of rows; the gradient is that of the rows one by one."""

    def __init__(self, model: nn.Module, *, seed: int, budget: int, adapter: Path | None = None) -> None:
        """`budget` is the number of distinct tokens computed at once; `adapter` a peft folder to go on from."""
        if adapter is None:
            add_lora(model, seed)
        else:
            config = adapter_config(adapter)
            add_lora(model, seed, rank=config["r"], alpha=config["lora_alpha"])
            load_adapter(model, adapter)
        self.model = model
        self.budget = budget
        self.parameters = [parameter for _, layer in lora_layers(model) for parameter in (layer.a, layer.b)]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=0.0, betas=(0.9, 0.99), weight_decay=0.0, fused=True)

    def step(self, rows: Sequence[TokenRow], learning_rate: float) -> Metrics:
        """One optimiser step on all `rows`, whatever number of trees they take."""
        self.optimizer.zero_grad(set_to_none=True)
        metrics = self.accumulate(rows)
        nn.utils.clip_grad_norm_(self.parameters, _MAX_GRADIENT_NORM)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        return metrics

    def accumulate(self, rows: Sequence[TokenRow]) -> Metrics:
        """Loss of `rows`, its gradient added to the adapter's."""
        return self._mean(rows, learn=True)

    @torch.no_grad()
    def evaluate(self, rows: Sequence[TokenRow]) -> Metrics:
        """Loss of `rows`, without a gradient."""
        return self._mean(rows, learn=False)

    def state(self) -> dict[str, Any]:
        """What a run goes on from: adapter, optimiser, budget (which rounding depends on)."""
        return {"parameters": self.parameters, "optimizer": self.optimizer.state_dict(), "budget": self.budget}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what state() returned."""
        with torch.no_grad():
            for parameter, saved in zip(self.parameters, state["parameters"], strict=True):
                parameter.copy_(saved)
        self.optimizer.load_state_dict(state["optimizer"])
        self.budget = state["budget"]

    def _mean(self, rows: Sequence[TokenRow], learn: bool) -> Metrics:
        # The first token of a row is predicted by nothing.
        total = sum(float(row.weights[1:].sum()) for row in rows)
        loss_sum = correct_sum = 0.0
        for tree in micro_batches(rows, self.budget):
            if not len(tree.targets):
                continue
            loss, correct = self._sums(tree)
            if learn:
                (loss / total).backward()  # type: ignore[no-untyped-call]
            loss_sum += loss.item()
            correct_sum += correct.item()
        return Metrics(loss_sum / total, correct_sum / total) if total else Metrics(0.0, 0.0)

    def _sums(self, tree: Tree) -> tuple[Tensor, Tensor]:
        model: Any = self.model
        head = model.get_output_embeddings().weight
        tokens, positions, sources, targets, weights = (
            torch.from_numpy(array).to(head.device)
            for array in (tree.tokens, tree.positions, tree.sources, tree.targets, tree.weights)
        )
        hidden = model.base_model(
            input_ids=tokens[None],
            position_ids=positions[None],
            use_cache=False,
            tree_blocks=tree_blocks(tree, head.device, head.dtype),
        ).last_hidden_state[0]
        return linear_cross_entropy(hidden[sources], head, targets, weights)
