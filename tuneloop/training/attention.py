"""Attention over a prefix tree, as matrix products over blocks of queries.

A block of queries, neighbours in depth-first order, is multiplied with exactly those keys that one of them may see;
what a query must not see is masked inside that, so that the blocks are cut where least has to be masked. PyTorch's own
attention with a mask would compute all pairs.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from tuneloop.training.tree import Ints, Tree

#: queries in a block, where it is not worth while to look for the best cuts
_BLOCK = 192
#: what a block of its own costs, in pairs of a query and a key that could be computed in the same time
_PAIRS_PER_BLOCK = 15_000
#: blocks end only where a branch does, and every so many tokens within one
_GRAIN = 32
#: more tokens than this are never one block
_LARGEST = 512


@dataclass(frozen=True, slots=True)
class Block:
    """Some queries and the keys they may see."""

    #: which of the queries
    rows: slice
    #: (k,) indices of the keys, or a slice where they follow each other
    keys: Tensor | slice
    #: (queries, k): 0 where a query sees a key, -inf where it does not; None where every query sees all of them
    bias: Tensor | None


def tree_blocks(
    tree: Tree,
    device: torch.device,
    dtype: torch.dtype,
    *,
    queries: Ints | None = None,
    window: int | None = None,
    ahead: int = 0,
    size: int | None = None,
) -> list[Block]:
    """The blocks of a tree's attention, the same for all layers of a kind, of at most `size` queries if that is given.

    `queries` are the tokens that ask, in ascending order (default: all); `window` is how far back they see, as in
    sliding-window attention; with `ahead` those ask that come so many places after the queries.
    """
    asking = np.arange(len(tree.ends)) if queries is None else queries
    if size is None and queries is None:
        edges = best_edges(tree)
    else:
        edges = [*range(0, len(asking), size or _BLOCK), len(asking)]
    blocks = []
    for start, end in itertools.pairwise(edges):
        rows = slice(start, end)
        query = asking[rows, None]
        keys = np.flatnonzero(tree.ends[: query[-1, 0] + 1] > query[0, 0])
        seen = (keys <= query) & (query < tree.ends[keys])
        if window is not None:
            seen &= tree.positions[query] + ahead - tree.positions[keys] < window
        used = seen.any(axis=0)
        keys, seen = keys[used], seen[:, used]
        bias = None
        if not seen.all():
            # numpy leaves chosen columns in a row in memory; so they would be added ten times slower.
            hidden = np.ascontiguousarray(np.where(seen, np.float32(0), np.float32("-inf")))
            bias = torch.from_numpy(hidden).to(device, dtype)
        in_a_row = len(keys) > 0 and keys[-1] - keys[0] + 1 == len(keys)
        where = slice(int(keys[0]), int(keys[-1]) + 1) if in_a_row else torch.from_numpy(keys).to(device)
        blocks.append(Block(rows, where, bias))
    return blocks


def best_edges(tree: Tree) -> list[int]:
    """Where to cut a tree's tokens into blocks of queries, from 0 to the number of tokens: the least work in all.

    Tokens start to end - 1 together see the ancestors of the first and each other, so that their block has
    (end - start) * (depth of start + end - start) pairs. The cheapest way to every edge is found from those before it.
    """
    length = len(tree.ends)
    branches = np.flatnonzero(tree.ends[:-1] <= np.arange(1, length)) + 1
    edges = np.unique(np.concatenate([branches, np.arange(0, length, _GRAIN), [length]]))
    depths = tree.positions[np.minimum(edges, length - 1)]
    costs, before = np.zeros(len(edges)), np.zeros(len(edges), dtype=np.int64)
    first = np.searchsorted(edges, edges - _LARGEST)
    for index in range(1, len(edges)):
        starts = slice(first[index], index)
        sizes = edges[index] - edges[starts]
        total = costs[starts] + sizes * (depths[starts] + sizes) + _PAIRS_PER_BLOCK
        best = int(total.argmin())
        costs[index], before[index] = total[best], first[index] + best
    path = [len(edges) - 1]
    while path[-1]:
        path.append(int(before[path[-1]]))
    return [int(edges[index]) for index in reversed(path)]


class _TreeAttention(torch.autograd.Function):
    """softmax(q k' + bias) v per block; q is (heads, n, d), k and v are (kv heads, m, d), out (n, heads * d)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, blocks: Sequence[Block], softcap: float | None) -> Tensor:
        groups = q.shape[0] // k.shape[0]
        out = q.new_empty(q.shape[1], q.shape[0], q.shape[2])
        shares, slopes = [], []
        for block in blocks:
            scores = torch.bmm(_grouped(q[:, block.rows], groups), k[:, block.keys].transpose(1, 2))
            if softcap is not None:
                scores = torch.tanh(scores.div_(softcap))
                slopes.append(1 - scores.square())
                scores = scores.mul_(softcap)
            if block.bias is not None:
                scores.view(q.shape[0], -1, scores.shape[-1]).add_(block.bias)
            share = torch.softmax(scores, dim=-1)
            part = torch.bmm(share, v[:, block.keys])
            out[block.rows] = part.view(q.shape[0], -1, q.shape[2]).transpose(0, 1)
            shares.append(share)
        ctx.save_for_backward(q, k, v, *shares, *slopes)
        ctx.blocks, ctx.capped = blocks, softcap is not None
        return out.flatten(1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *kept = ctx.saved_tensors
        heads, length, width = q.shape
        groups = heads // k.shape[0]
        grad = grads[0].view(length, heads, width).transpose(0, 1)
        grad_q = torch.empty_like(q)
        grad_k, grad_v = (torch.zeros_like(x, dtype=torch.float32) for x in (k, v))
        for index, block in enumerate(ctx.blocks):
            share, keys = kept[index], k[:, block.keys]
            grad_out, queries = _grouped(grad[:, block.rows], groups), _grouped(q[:, block.rows], groups)
            grad_share = torch.bmm(grad_out, v[:, block.keys].transpose(1, 2))
            grad_scores = torch._softmax_backward_data(grad_share, share, -1, share.dtype)
            if ctx.capped:
                grad_scores = grad_scores.mul_(kept[len(ctx.blocks) + index])
            grad_q[:, block.rows] = torch.bmm(grad_scores, keys).view(heads, -1, width)
            _add(grad_k, block.keys, torch.bmm(grad_scores.transpose(1, 2), queries))
            _add(grad_v, block.keys, torch.bmm(share.transpose(1, 2), grad_out))
        return grad_q, grad_k.to(k.dtype), grad_v.to(v.dtype), None, None


def _grouped(x: Tensor, groups: int) -> Tensor:
    """(heads, n, d) -> (kv heads, groups * n, d): the heads that share keys in one product."""
    return x.reshape(x.shape[0] // groups, -1, x.shape[2])


def _add(total: Tensor, keys: Tensor | slice, part: Tensor) -> None:
    if isinstance(keys, slice):
        total[:, keys] += part
    else:
        total.index_add_(1, keys, part.to(total.dtype))


def tree_attention(q: Tensor, k: Tensor, v: Tensor, blocks: Sequence[Block], softcap: float | None = None) -> Tensor:
    """Attention of each query over its ancestors; q (heads, n, d), already scaled, k and v (kv heads, m, d).

    Returns (n, heads * d). `softcap` bounds the scores smoothly, as Gemma 2 does.
    """
    return cast(Tensor, cast(Any, _TreeAttention).apply(q, k, v, blocks, softcap))
