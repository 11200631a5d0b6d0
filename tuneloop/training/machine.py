"""What this machine can do: cores, free memory, speed."""

from __future__ import annotations

import os
import time
from typing import Any

import psutil
import torch
from torch import nn

# Distinct tokens computed at once: more gains little once products are large, and memory grows with it.
_LARGEST_BUDGET = 4096
_SMALLEST_BUDGET = 256

#: time of a step that is not spent in the products of the frozen weights, as a factor (measured: 2.0 to 2.6)
_OVERHEAD = 2.3


def physical_cores() -> int:
    """Cores this process may use; two threads of one core only get in each other's way."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def token_budget(model: nn.Module) -> int:
    """How many distinct tokens half of the free memory has room for while their gradients are computed."""
    parameter = next(model.parameters())
    if parameter.is_cuda:
        free = torch.cuda.mem_get_info(parameter.device)[0]
    else:
        free = psutil.virtual_memory().available
    config: Any = model.config
    # Numbers a layer keeps for each token, counted in a profile of a Llama layer with LoRA.
    per_layer = 22 * config.hidden_size + 8 * config.intermediate_size + 2048 * config.num_attention_heads // 2
    per_token = config.num_hidden_layers * per_layer * parameter.element_size()
    return int(min(_LARGEST_BUDGET, max(_SMALLEST_BUDGET, free // 2 // per_token)))


def seconds_per_token(model: nn.Module) -> float:
    """Estimated time to train on one distinct token, from the speed of one of the model's own products."""
    weights = [weight for name, weight in model.named_parameters() if weight.dim() == 2 and "embed" not in name]
    sample = max(weights, key=lambda weight: weight.numel())
    x = torch.ones(1024, sample.shape[1], dtype=sample.dtype, device=sample.device)
    seconds = min(_seconds(x, sample) for _ in range(5))
    per_number = seconds / (len(x) * sample.numel())
    # Once forward and once for the gradient of the input; frozen weights need no gradient.
    return 2 * _OVERHEAD * per_number * sum(weight.numel() for weight in weights)


def _seconds(x: torch.Tensor, weight: torch.Tensor) -> float:
    start = time.perf_counter()
    product = x @ weight.T
    product[0, 0].item()
    return time.perf_counter() - start
