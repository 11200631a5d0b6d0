"""Answers written by the model that is being trained: the likeliest ones or drawn ones, many at once, their prompts a
prefix tree.

The prompts are computed as in training, each distinct prefix once, and what attention needs of them is kept. Then all
answers go on token by token together; each sees its own path in the tree and what it has written itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from tuneloop.training.attention import tree_blocks
from tuneloop.training.decoder import Decoder, Paths
from tuneloop.training.tree import Floats, Ints, TokenRow, Tree, micro_batches, shared_prefixes

#: answers whose attention is one product: neighbours in the tree, so that they see much the same
_BLOCK = 32
#: places that are added to the memory of answers at once
_GROWTH = 32
#: training keeps at least so many times more numbers of a token than its keys and values
_LIGHTER = 16
#: rows of logits at once, and of probabilities to draw from, which take more memory
_CHUNK, _DRAWN = 256, 32

#: the next tokens (n,) of the answers with these numbers (n,), from hidden states (n, d); all of them have the same
#: place in their answers, counted from 0
_Choose = Callable[[Tensor, Ints, int], Ints]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An answer as it was drawn."""

    #: (n,) token ids, the one that ends it included
    tokens: Ints
    #: (n,) of each token, after the ones before it
    log_probabilities: Floats
    #: whether it came to its end before it had as many tokens as it may have
    ended: bool


@torch.no_grad()
def write_answers(
    decoder: Decoder, prompts: Sequence[Ints], *, budget: int, max_tokens: int, stop: Collection[int]
) -> list[list[int]]:
    """The likeliest next token of each prompt, again and again: at most `max_tokens` of them, up to one in `stop`,
    which is left out.

    `budget` is the number of distinct tokens of prompts computed at once (a longer prompt is computed by itself). No
    prompt may be empty.
    """

    def likeliest(hidden: Tensor, _: Ints, __: int) -> Ints:
        head = decoder.head.to(hidden.dtype)
        # A cap on logits would not change their order.
        parts = [(part @ head.T).float().argmax(dim=-1) for part in torch.split(hidden, _CHUNK)]
        tokens: Ints = torch.cat(parts).cpu().numpy()
        return tokens

    writer = _Writer(decoder, max_tokens, stop, likeliest)
    answers = writer.write(prompts, budget, copies=1)
    return [answer[:-1] if answer and answer[-1] in stop else answer for answer in answers]


@torch.no_grad()
def draw_answers(
    decoder: Decoder,
    prompts: Sequence[Ints],
    chances: NDArray[np.float64],
    *,
    budget: int,
    stop: Collection[int],
    temperature: float = 1.0,
) -> list[list[Answer]]:
    """Answers to each prompt as chance will have it, each up to one in `stop`, from probabilities at a `temperature`.

    `chances` (prompts, answers to each, most tokens of an answer) are even from 0 to 1, 1 left out: each decides about
    one token, so that the same ones draw the same answers. `budget` is as in write_answers.
    """
    _, copies, max_tokens = chances.shape
    dice = _Dice(decoder, chances.reshape(-1, max_tokens), temperature)
    written = _Writer(decoder, max_tokens, stop, dice).write(prompts, budget, copies)
    answers = [
        Answer(
            tokens=np.array(tokens, dtype=np.int64),
            log_probabilities=found[: len(tokens)],
            ended=bool(tokens) and tokens[-1] in stop,
        )
        for tokens, found in zip(written, dice.log_probabilities, strict=True)
    ]
    return [answers[start : start + copies] for start in range(0, len(answers), copies)]


class _Dice:
    """Draws tokens, and remembers how likely they were."""

    def __init__(self, decoder: Decoder, chances: NDArray[np.float64], temperature: float) -> None:
        self._decoder, self._chances, self._temperature = decoder, chances, temperature
        self.log_probabilities = np.zeros(chances.shape, dtype=np.float32)

    def __call__(self, hidden: Tensor, answers: Ints, place: int) -> Ints:
        chances = torch.from_numpy(self._chances[answers, place]).to(hidden.device)
        tokens, found = zip(*map(self._draw, torch.split(hidden, _DRAWN), torch.split(chances, _DRAWN)), strict=True)
        self.log_probabilities[answers, place] = torch.cat(found).cpu().numpy()
        drawn: Ints = torch.cat(tokens).cpu().numpy()
        return drawn

    def _draw(self, hidden: Tensor, chances: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens in whose stretch of the added-up probabilities the chances fall, and their log-probabilities."""
        logits, softcap = (hidden @ self._decoder.head.to(hidden.dtype).T).float(), self._decoder.softcap
        if softcap is not None:
            logits = logits.div_(softcap).tanh_().mul_(softcap)
        likely = torch.log_softmax(logits.div_(self._temperature), dim=-1)
        # In float32 the sum over a large vocabulary would be off by more than many words have.
        reached = likely.exp().cumsum(dim=-1, dtype=torch.float64)
        where = torch.searchsorted(reached, chances[:, None] * reached[:, -1:], right=True)
        tokens = where.clamp_(max=logits.shape[1] - 1)
        return tokens[:, 0], likely.gather(1, tokens)[:, 0]


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes answers of at most so many tokens, up to and with one in `stop`."""

    decoder: Decoder
    max_tokens: int
    stop: Collection[int]
    choose: _Choose

    def write(self, prompts: Sequence[Ints], budget: int, copies: int) -> list[list[int]]:
        """So many answers to each prompt, one prompt after the other."""
        answers: list[list[int]] = [[] for _ in range(len(prompts) * copies)]
        rows = [TokenRow(prompt, np.zeros(len(prompt), dtype=np.float32)) for prompt in prompts]
        at_once = max(1, _LIGHTER * budget // max(1, self.max_tokens))
        for tree, members in micro_batches(rows, budget):
            # Each row of a tree, in its order, ends where the tokens end that it and those before it have added.
            ordered = [rows[index] for index in members]
            ends = np.cumsum([len(row.tokens) for row in ordered] - shared_prefixes(ordered)) - 1
            numbers = (copies * members[:, None] + np.arange(copies)).ravel()
            self._write_below(tree, np.repeat(ends, copies), numbers, at_once, answers)
        return answers

    def _write_below(self, tree: Tree, leaves: Ints, numbers: Ints, at_once: int, answers: list[list[int]]) -> None:
        """Write those answers that follow some tokens of a tree, given in ascending order, `at_once` at a time."""
        decoder, prompt = self.decoder, list[tuple[Tensor, Tensor]]()
        asked, asking = np.unique(leaves, return_inverse=True)
        paths = [_Kept(its.cos, its.sin, its.blocks, its, prompt) for its in decoder.paths(tree, asked)]
        first = decoder.compute(tree.tokens, paths, asked)
        for start in range(0, len(leaves), at_once):
            part = slice(start, start + at_once)
            batch, its = _Batch(decoder, tree, leaves[part], prompt), numbers[part]
            hidden = first[torch.from_numpy(asking[part]).to(first.device)]
            for place in range(self.max_tokens):
                tokens = self.choose(hidden, its, place)
                for number, token in zip(its, tokens, strict=True):
                    answers[number].append(int(token))
                going = ~np.isin(tokens, list(self.stop))
                if not going.any() or place + 1 == self.max_tokens:
                    break
                batch.keep(going)
                tokens, its = tokens[going], its[going]
                hidden = batch.step(tokens)


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
