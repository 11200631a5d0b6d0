"""Answers written by the model that is being trained: greedy, many at once, their prompts a prefix tree.

The prompts are computed as in training, each distinct prefix once, and what attention needs of them is kept. Then all
answers go on token by token together; each sees its own path in the tree and what it has written itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from tuneloop.training.attention import tree_blocks
from tuneloop.training.decoder import Decoder, Paths
from tuneloop.training.tree import Ints, TokenRow, Tree, micro_batches, shared_prefixes

#: answers whose attention is one product: neighbours in the tree, so that they see much the same
_BLOCK = 32
#: places that are added to the memory of answers at once
_GROWTH = 32
#: training keeps at least so many times more numbers of a token than its keys and values
_LIGHTER = 16
#: rows of logits at once
_CHUNK = 256


@torch.no_grad()
def write_answers(
    decoder: Decoder, prompts: Sequence[Ints], *, budget: int, max_tokens: int, stop: Collection[int]
) -> list[list[int]]:
    """The likeliest next token of each prompt, again and again: at most `max_tokens` of them, up to one in `stop`,
    which is left out.

    `budget` is the number of distinct tokens of prompts computed at once (a longer prompt is computed by itself). No
    prompt may be empty.
    """
    answers: list[list[int]] = [[] for _ in prompts]
    rows = [TokenRow(prompt, np.zeros(len(prompt), dtype=np.float32)) for prompt in prompts]
    at_once = max(1, _LIGHTER * budget // max(1, max_tokens))
    for tree, members in micro_batches(rows, budget):
        # Each row of a tree, in its order, ends where the tokens end that it and those before it have added.
        ordered = [rows[index] for index in members]
        ends = np.cumsum([len(row.tokens) for row in ordered] - shared_prefixes(ordered)) - 1
        leaves, written_as = np.unique(ends, return_inverse=True)
        written = list(_write_below(decoder, tree, leaves, at_once, max_tokens, stop))
        for index, place in zip(members, written_as, strict=True):
            answers[index] = list(written[place])
    return answers


def _write_below(
    decoder: Decoder, tree: Tree, leaves: Ints, at_once: int, max_tokens: int, stop: Collection[int]
) -> Iterator[list[int]]:
    """What follows each of some tokens of a tree, in ascending order, `at_once` of them at the same time."""
    prompt: list[tuple[Tensor, Tensor]] = []
    paths = [_Kept(its.cos, its.sin, its.blocks, its, prompt) for its in decoder.paths(tree, leaves)]
    first = _likeliest(decoder, decoder.compute(tree.tokens, paths, leaves))
    for start in range(0, len(leaves), at_once):
        part = slice(start, start + at_once)
        answers: list[list[int]] = [[] for _ in leaves[part]]
        batch, tokens, rows = _Batch(decoder, tree, leaves[part], prompt), first[part], np.arange(len(answers))
        while max_tokens:
            going = ~np.isin(tokens, list(stop))
            tokens, rows = tokens[going], rows[going]
            for row, token in zip(rows, tokens, strict=True):
                answers[row].append(int(token))
            if not len(rows) or len(answers[rows[0]]) == max_tokens:
                break
            batch.keep(going)
            tokens = _likeliest(decoder, batch.step(tokens))
        yield from answers


def _likeliest(decoder: Decoder, hidden: Tensor) -> Ints:
    """The next tokens after hidden states (n, d)."""
    head = decoder.head.to(hidden.dtype)
    # A cap on logits would not change their order.
    parts = [(part @ head.T).float().argmax(dim=-1) for part in torch.split(hidden, _CHUNK)]
    tokens: Ints = torch.cat(parts).cpu().numpy()
    return tokens


@dataclass(frozen=True, slots=True)
class _Kept(Paths):
    """Paths of prompts: the keys and values of each layer are kept."""

    through: Paths
    memory: list[tuple[Tensor, Tensor]]

    def attend(self, q: Tensor, k: Tensor, v: Tensor, softcap: float | None) -> Tensor:
        self.memory.append((k, v))
        return self.through.attend(q, k, v, softcap)


class _Batch:
    """Answers below some tokens of a tree, all of the same length so far."""

    def __init__(self, decoder: Decoder, tree: Tree, leaves: Ints, prompt: Sequence[tuple[Tensor, Tensor]]) -> None:
        self._decoder, self._tree, self._leaves = decoder, tree, leaves
        self._length = 0
        self._memory = [_Memory(*layer, len(leaves)) for layer in prompt]

    def keep(self, going: NDArray[np.bool_]) -> None:
        """Leave out the answers that do not go on."""
        if not going.all():
            self._leaves = self._leaves[going]
            for memory in self._memory:
                memory.keep(torch.from_numpy(np.flatnonzero(going)))

    def step(self, tokens: Ints) -> Tensor:
        """Hidden states (n, d) at the next tokens of the answers (n,)."""
        self._length += 1
        paths, known = [], dict[tuple[str | None, int | None], Paths]()
        for index, memory in enumerate(self._memory):
            kind, window = self._decoder.kinds[index], cast(Any, self._decoder.layers[index]).attention.window
            if (kind, window) not in known:
                known[kind, window] = self._seen(index, window)
            its = known[kind, window]
            paths.append(_Continued(its.cos, its.sin, its.blocks, memory, window))
        return self._decoder.compute(tokens, paths)

    def _seen(self, index: int, window: int | None) -> Paths:
        """Angles of the tokens of this step, and what they see of the prompts."""
        decoder, tree = self._decoder, self._tree
        angles = decoder.angles(index, tree.positions[self._leaves] + self._length)
        blocks = tree_blocks(
            tree,
            decoder.head.device,
            decoder.dtype,
            queries=self._leaves,
            window=window,
            ahead=self._length,
            size=_BLOCK,
        )
        return Paths(*angles, blocks)


@dataclass(frozen=True, slots=True)
class _Continued(Paths):
    """Paths of the next tokens of answers, one each, through their prompts and themselves."""

    memory: _Memory
    window: int | None

    def attend(self, q: Tensor, k: Tensor, v: Tensor, softcap: float | None) -> Tensor:
        memory, (heads, count, width), kv_heads = self.memory, q.shape, len(k)
        own_keys, own_values = memory.add(k, v, self.window)
        out = q.new_empty(count, heads, width)
        for block in self.blocks:
            keys, values = memory.prompt_keys[:, block.keys], memory.prompt_values[:, block.keys]
            # The g heads that share keys stand side by side: (kv heads, g, answers, d).
            asked = q[:, block.rows].reshape(kv_heads, heads // kv_heads, -1, width)
            of_prompts = torch.bmm(asked.flatten(1, 2), keys.transpose(1, 2)).view(*asked.shape[:3], -1)
            of_own = torch.einsum("kgnd,kntd->kgnt", asked, own_keys[:, block.rows])
            scores = torch.cat([of_prompts, of_own], dim=-1)
            if softcap is not None:
                scores = scores.div_(softcap).tanh_().mul_(softcap)
            seen = keys.shape[1]
            if block.bias is not None:
                scores[..., :seen] += block.bias
            share = torch.softmax(scores, dim=-1)
            mixed = torch.bmm(share[..., :seen].flatten(1, 2), values).view(asked.shape)
            mixed += torch.einsum("kgnt,kntd->kgnd", share[..., seen:], own_values[:, block.rows])
            out[block.rows] = mixed.flatten(0, 1).transpose(0, 1)
        return out.flatten(1)


class _Memory:
    """Keys and values of a layer: of the prompts (kv heads, tokens, d), and of the answers below them."""

    def __init__(self, prompt_keys: Tensor, prompt_values: Tensor, answers: int) -> None:
        self.prompt_keys, self.prompt_values = prompt_keys, prompt_values
        #: (keys or values, kv heads, answers, places, d)
        self._own = prompt_keys.new_empty(2, prompt_keys.shape[0], answers, 0, prompt_keys.shape[2])
        self._length = 0

    def add(self, k: Tensor, v: Tensor, window: int | None) -> tuple[Tensor, Tensor]:
        """Add a token to each answer; keys and values of its last `window` tokens (default: all)."""
        if self._length == self._own.shape[3]:
            self._own = pad(self._own, (0, 0, 0, _GROWTH))
        self._own[0, :, :, self._length], self._own[1, :, :, self._length] = k, v
        self._length += 1
        first = 0 if window is None else max(0, self._length - window)
        keys, values = self._own[:, :, :, first : self._length]
        return keys, values

    def keep(self, answers: Tensor) -> None:
        """Forget all but these answers."""
        self._own = self._own[:, :, answers.to(self._own.device)]
