"""Attention over a prefix tree on a GPU: PyTorch's FlexAttention (Dong et al. 2024, arXiv:2412.05496).

The tree is its block mask: blocks of 128 queries and 128 keys that nobody looks into are never computed. Which these
are need not be found by looking at all pairs, since a key is seen by queries that follow each other.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from torch.nn.functional import pad

from tuneloop.training.attention import tree_attention, tree_blocks
from tuneloop.training.tree import Ints, TokenRow, Tree, pack

#: queries and keys in a block
BLOCK = 128

#: Lengths are padded to powers of two from here on, so that a run compiles few kernels: kernels for lengths that vary
#: have been wrong (pytorch/pytorch#153799, #186775), and blocks of padding take no time.
_SHORTEST = 512

#: how far attention and its gradients may be from those of matrix products, relative to their size
_TOLERANCE = {torch.bfloat16: 0.05, torch.float32: 0.01}

#: flex_attention, or what has its arguments
Kernel = Callable[..., Any]

_log = logging.getLogger(__name__)


class FlexMask:
    """Who sees whom in a tree, the same for all layers of a kind."""

    def __init__(
        self, tree: Tree, device: torch.device, *, queries: Ints | None = None, window: int | None = None
    ) -> None:
        """`queries` are the tokens that ask, in ascending order (default: all); `window` is how far back they see."""
        size = len(tree.ends)
        asking = np.arange(size) if queries is None else queries
        #: padded with tokens that neither see nor are seen
        self.length = max(_SHORTEST, 1 << (size - 1).bit_length())
        some, full = _blocks(tree, asking, window, self.length // BLOCK)
        self.blocks = BlockMask.from_kv_blocks(
            *_in_order(some & ~full, device),
            *_in_order(full, device),
            BLOCK_SIZE=BLOCK,
            mask_mod=self._rule(tree, asking, window, device),
            seq_lengths=(self.length, self.length),
        )

    def attend(self, kernel: Kernel, q: Tensor, k: Tensor, v: Tensor, softcap: float | None = None) -> Tensor:
        """Attention of each query over its ancestors; q (heads, n, d), already scaled, k and v (kv heads, m, d).

        Returns (n, heads * d). `softcap` bounds the scores smoothly, as Gemma 2 does.
        """
        asking = q.shape[1]
        q, k, v = (pad(x, (0, 0, 0, self.length - x.shape[1]))[None] for x in (q, k, v))
        out = kernel(q, k, v, score_mod=_bounded(softcap), block_mask=self.blocks, scale=1.0, enable_gqa=True)
        mixed: Tensor = out[0, :, :asking].transpose(0, 1).flatten(1)
        return mixed

    def _rule(self, tree: Tree, asking: Ints, window: int | None, device: torch.device) -> Callable[..., Tensor]:
        """Whether query q sees key k, within blocks where some do and some do not."""
        askers = _put(_padded(asking, self.length, fill=-1), device)
        ends = _put(_padded(tree.ends, self.length), device)
        if window is None:
            return lambda b, h, q, k: (k <= askers[q]) & (askers[q] < ends[k])
        depths = _put(_padded(tree.positions, self.length), device)
        near = _put(_padded(tree.positions[asking], self.length) - window, device)
        return lambda b, h, q, k: (k <= askers[q]) & (askers[q] < ends[k]) & (near[q] < depths[k])


def _blocks(tree: Tree, asking: Ints, window: int | None, blocks: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where a query of a block (rows) sees a key of a block (columns), and where all see all; (blocks, blocks) both.

    With a window the first may be a few more than there are, and the second a few less.
    """
    size = blocks * BLOCK
    # Key k is seen by queries number first[k] to last[k] - 1.
    first = _padded(np.searchsorted(asking, np.arange(len(tree.ends))), size)
    last = _padded(np.searchsorted(asking, tree.ends), size)
    start = np.arange(0, size, BLOCK)[:, None]
    seeing = np.maximum(np.minimum(last, start + BLOCK) - np.maximum(first, start), 0)
    pairs = seeing.reshape(blocks, blocks, BLOCK).sum(axis=-1)
    some, full = pairs > 0, pairs == BLOCK * BLOCK
    if window is not None:
        (least, most), (key_least, key_most) = _depths(tree.positions[asking], size), _depths(tree.positions, size)
        some &= least[:, None] - key_most < window
        full &= most[:, None] - key_least < window
    return some, full


def _depths(depths: Ints, size: int) -> tuple[Ints, Ints]:
    """The least and the most of each block."""
    blocks = np.pad(depths, (0, size - len(depths)), mode="edge").reshape(-1, BLOCK)
    return blocks.min(axis=-1), blocks.max(axis=-1)


def _in_order(blocks: NDArray[np.bool_], device: torch.device) -> tuple[Tensor, Tensor]:
    """How many blocks each row has, (1, 1, rows), and their columns before all others, (1, 1, rows, columns)."""
    columns = np.argsort(~blocks, axis=-1, kind="stable")
    return _put(blocks.sum(axis=-1)[None, None], device), _put(columns[None, None], device)


def _padded(numbers: Ints, length: int, fill: int = 0) -> Ints:
    return np.pad(numbers, (0, length - len(numbers)), constant_values=fill)


def _put(numbers: Ints, device: torch.device) -> Tensor:
    return torch.from_numpy(numbers.astype(np.int32)).to(device, non_blocking=True)


@functools.cache
def _bounded(softcap: float | None) -> Callable[..., Tensor] | None:
    return None if softcap is None else lambda score, b, h, q, k: softcap * torch.tanh(score / softcap)


@functools.cache
def _compiled() -> Kernel:
    # One for each kind of layer and each length, with a gradient and without.
    compiled: Kernel = cast(Any, torch.compile)(flex_attention, dynamic=False, recompile_limit=64)
    return compiled


def find_kernel(
    device: torch.device, dtype: torch.dtype, *, heads: int, kv_heads: int, width: int, softcap: float | None
) -> Kernel | None:
    """FlexAttention where there is a GPU that computes such heads rightly; None elsewhere.

    Heads of some widths do not fit some GPUs, which shows only when a kernel is compiled: a few seconds, kept on disk.
    """
    if device.type != "cuda":
        return None
    try:
        error = kernel_error(_compiled(), device, dtype, (heads, kv_heads, width), softcap)
    except Exception as problem:  # a compiler may raise anything
        _log.warning("FlexAttention does not work here, training is slower without it: %s", problem)
        return None
    if not error < _TOLERANCE[dtype]:
        _log.warning("FlexAttention is wrong by %.2g here, training is slower without it", error)
        return None
    return _compiled()


def kernel_error(
    kernel: Kernel,
    device: torch.device,
    dtype: torch.dtype,
    shape: tuple[int, int, int],
    softcap: float | None,
) -> float:
    """How far a kernel and its gradients are from matrix products on a small tree, relative to their size."""
    tokens = np.zeros((2, 300), dtype=np.int64)
    tokens[1, 150:] = 1
    tree = pack([TokenRow(row, np.ones(300, dtype=np.float32)) for row in tokens])
    heads, kv_heads, width = shape
    generator = torch.Generator().manual_seed(0)
    q, k, v = (
        torch.randn(count, len(tree.tokens), width, generator=generator).to(device, dtype).requires_grad_()
        for count in (heads, kv_heads, kv_heads)
    )
    scaled = q * width**-0.5
    outs = (
        FlexMask(tree, device).attend(kernel, scaled, k, v, softcap),
        tree_attention(scaled, k, v, tree_blocks(tree, device, dtype), softcap),
    )
    found = [[out, *torch.autograd.grad(out.square().sum(), (q, k, v), retain_graph=True)] for out in outs]
    return max(float((a - b).norm() / b.norm()) for a, b in zip(*found, strict=True))
