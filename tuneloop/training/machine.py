"""What this machine can do: cores, free memory, the type it multiplies fastest."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import time
from pathlib import Path

import psutil
import torch

from tuneloop.training.decoder import Decoder

# Distinct tokens computed at once: with more, what a layer passes on no longer stays in the processor's cache (rows of
# long plays took 5.4 s a step in trees of up to 3072, 6.5 s in trees of up to 4096, 7.3 s in those of up to 1024).
_LARGEST_BUDGET = 3072
_SMALLEST_BUDGET = 256

# Of mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3

#: tokens that a token sees on average, where memory has to be thought of before the rows are known
_USUAL_SIGHT = 512

#: bfloat16 halves the memory, so that it need not be quite as fast
_BFLOAT16_MAY_TAKE = 1.5


def physical_cores() -> int:
    """Cores this process may use; two threads of one core only get in each other's way."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def best_device() -> torch.device:
    """The GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def best_dtype(device: torch.device) -> torch.dtype:
    """The type to compute in: bfloat16, unless a product shows that this processor only imitates it."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    slower = _seconds(torch.bfloat16) / _seconds(torch.float32)
    return torch.bfloat16 if slower < _BFLOAT16_MAY_TAKE else torch.float32


def _seconds(dtype: torch.dtype) -> float:
    x, y = torch.ones(512, 768, dtype=dtype), torch.ones(768, 768, dtype=dtype)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        x @ y
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def free_memory(device: torch.device) -> int:
    """Bytes that can still be taken, within the limit of a container too."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        if limit != "max":
            # Files the kernel keeps in memory count as used, but go when the memory is needed.
            numbers = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            used = int((group / "memory.current").read_text()) - int(numbers.get("inactive_file", 0))
            free = min(free, int(limit) - used)
    except (OSError, ValueError):  # not in a container, or in one of another kind
        pass
    return max(free, 0)


def peak_memory(device: torch.device) -> int:
    """Most bytes that this process has held so far."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def keep_freed_memory() -> None:
    """Let glibc, where there is one, keep what is freed for what is taken next.

    It would give large blocks back to the kernel, which hands them out again page by page, filled with zeros: 3 to 6 %
    of the time of a step.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return
    for option in (_MMAP_THRESHOLD, _TRIM_THRESHOLD):
        libc.mallopt(option, 2**31 - 1)


def token_budget(model: Decoder) -> int:
    """How many distinct tokens are computed at once: half of the free memory holds what their gradient needs.

    Trees that would take more than that (very long rows) are computed layer by layer again, see Decoder.limit.
    """
    model.limit = free_memory(model.head.device) // 2
    per_token = model.bytes_per_token + _USUAL_SIGHT * model.bytes_per_pair
    return int(min(_LARGEST_BUDGET, max(_SMALLEST_BUDGET, model.limit // per_token)))
