"""FlexAttention sees what the tree says, and gives what products over blocks give; run uncompiled where no GPU is."""

from __future__ import annotations

import math
import warnings
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._higher_order_ops.flex_attention import flex_attention as eager_flex_attention
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from torch.nn.functional import scaled_dot_product_attention

from tests.unit.test_decoder import ROWS, WORDS, adapted, assert_same, row, tiny
from tuneloop.training.attention import tree_attention, tree_blocks
from tuneloop.training.decoder import Decoder
from tuneloop.training.flex import BLOCK, FlexMask, find_kernel, kernel_error
from tuneloop.training.tree import Ints, TokenRow, Tree, pack
from tuneloop.training.writing import write_answers

torch.set_num_threads(1)

CPU = torch.device("cpu")
WINDOWS = [None, 5, 140]


def kernel(q: Tensor, k: Tensor, v: Tensor, *, score_mod: Any, block_mask: BlockMask, **options: Any) -> Tensor:
    """flex_attention as PyTorch defines it: uncompiled, with its gradient, which the public one refuses on a CPU."""
    assert options == {"scale": 1.0, "enable_gqa": True}
    settings = {"BACKEND": "AUTO", "OUTPUT_LOGSUMEXP": True, "OUTPUT_MAX": False}
    rule = score_mod or (lambda score, *_: score)
    out: Tensor = eager_flex_attention(q, k, v, rule, block_mask.as_tuple(), 1.0, settings)[0]
    return out


def long_tree() -> Tree:
    """Conversations that share beginnings, over several blocks."""
    tokens = np.random.default_rng(0).integers(0, 9, (5, 400))
    tokens[1:, :300] = tokens[0, :300]
    tokens[3:, :350] = tokens[2, :350]
    return pack([TokenRow(one, np.ones(400, dtype=np.float32)) for one in tokens])


def seen_by_blocks(tree: Tree, queries: Ints, window: int | None) -> Tensor:
    """(queries, keys): who sees whom on a CPU."""
    size = len(tree.ends)
    blocks = tree_blocks(tree, CPU, torch.float32, queries=queries, window=window)
    # Equal scores share what is seen equally, and each key's value is a place of its own.
    shares = tree_attention(
        torch.zeros(1, len(queries), size), torch.zeros(1, size, size), torch.eye(size)[None], blocks
    )
    return shares > 0


def assert_same_mask(tree: Tree, queries: Ints, window: int | None) -> None:
    mask = FlexMask(tree, CPU, queries=queries, window=window)
    where = torch.arange(mask.length)
    seen = mask.blocks.mask_mod(where, where, where[:, None], where[None])
    expected = torch.zeros_like(seen)
    expected[: len(queries), : len(tree.ends)] = seen_by_blocks(tree, queries, window)
    assert torch.equal(seen, expected)
    # What is computed, and where the rule is not asked.
    pairs = expected.view(mask.length // BLOCK, BLOCK, -1, BLOCK).sum(dim=(1, 3))
    some = dense(mask.blocks.kv_num_blocks, mask.blocks.kv_indices)
    full = dense(mask.blocks.full_kv_num_blocks, mask.blocks.full_kv_indices)
    assert not (some & full).any()
    assert ((some | full) >= (pairs > 0)).all()
    assert (full <= (pairs == BLOCK * BLOCK)).all()
    if window is None:
        reference = create_block_mask(
            mask.blocks.mask_mod, 1, 1, mask.length, mask.length, device="cpu", BLOCK_SIZE=BLOCK
        )
        assert torch.equal(some, dense(reference.kv_num_blocks, reference.kv_indices))
        assert torch.equal(full, dense(reference.full_kv_num_blocks, reference.full_kv_indices))


def dense(counts: Tensor | None, columns: Tensor | None) -> Tensor:
    """(rows, columns) of blocks that are listed."""
    assert counts is not None and columns is not None
    found = torch.zeros(columns.shape[2:], dtype=torch.bool)
    for line, (count, its) in enumerate(zip(counts[0, 0].tolist(), columns[0, 0].tolist(), strict=True)):
        found[line, its[:count]] = True
    return found


@settings(max_examples=15, deadline=None)
@given(ROWS, st.sampled_from(WINDOWS))
def test_masks_of_random_trees_are_those_of_the_blocks(drawn: list[Any], window: int | None) -> None:
    tree = pack([row(*one) for one in drawn])
    assert_same_mask(tree, np.unique(tree.sources) if len(tree.sources) else np.arange(1), window)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("few", [False, True])
def test_masks_of_trees_of_several_blocks(window: int | None, few: bool) -> None:
    tree = long_tree()
    queries = np.arange(len(tree.ends))
    assert_same_mask(tree, queries[::3] if few else queries, window)


def test_branches_do_not_look_at_each_other() -> None:
    rows = np.arange(3)[:, None] * 1000 + np.arange(1000)
    rows[:, :100] = np.arange(100)
    tree = pack([TokenRow(one, np.ones(1000, dtype=np.float32)) for one in rows])
    mask = FlexMask(tree, CPU)
    computed = int(mask.blocks.kv_num_blocks.sum()) + int(mask.blocks.full_kv_num_blocks.sum())  # type: ignore[union-attr]
    # Of 22 rows of blocks; a token that looks at all before it takes half of them.
    assert computed < 22 * 23 / 2 / 2


@pytest.mark.parametrize("family", ["llama", "mistral", "gemma2"])
def test_loss_and_gradients_through_flex_attention_are_those_of_the_separate_rows(family: str) -> None:
    decoder, peft = adapted(tiny(family))
    # Traced as for a GPU, but not turned into a kernel.
    decoder.flex = cast(Any, torch.compile)(kernel, backend="aot_eager", dynamic=False)
    talk = np.random.default_rng(0).integers(0, WORDS, 200)
    weights = (np.arange(200) // 10 % 2).astype(np.float32)
    rows = [TokenRow(talk[:length], weights[:length]) for length in (80, 140, 200)]
    rows.append(TokenRow(talk[::-1].copy(), weights))
    for decoder.limit in (math.inf, 0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of PyTorch's own
            assert_same(decoder, peft, rows)


def test_answers_are_written_through_it() -> None:
    decoder = Decoder(tiny("mistral"))
    prompts = [np.array([1, 2, 3, last]) for last in range(4)]
    answers = []
    for decoder.flex in (kernel, None):
        answers.append(write_answers(decoder, prompts, budget=64, max_tokens=5, stop=()))
    assert answers[0] == answers[1]


def test_a_run_compiles_few_kernels() -> None:
    counted = 0

    def backend(graph: Any, inputs: Any) -> Any:
        nonlocal counted
        counted += 1
        return graph.forward

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = cast(Any, torch.compile)(kernel, backend=backend, dynamic=False, recompile_limit=64)
        for length in (20, 30, 400, 900, 1000):
            tree = pack([TokenRow(np.arange(length) % 40, np.ones(length, dtype=np.float32))])
            q, k = torch.randn(4, length, 16), torch.randn(2, length, 16)
            for queries in (None, np.arange(0, length, 2)):
                asking = q if queries is None else q[:, queries]
                FlexMask(tree, CPU, queries=queries).attend(compiled, asking, k, k)
    assert counted == 2


def test_without_a_gpu_there_is_no_kernel() -> None:
    assert find_kernel(CPU, torch.float32, heads=4, kv_heads=2, width=16, softcap=None) is None


@pytest.mark.parametrize("softcap", [None, 5.0])
def test_a_wrong_kernel_is_noticed(softcap: float | None) -> None:
    def forgets_the_mask(q: Tensor, k: Tensor, v: Tensor, *, enable_gqa: bool, **_: Any) -> Tensor:
        return scaled_dot_product_attention(q, k, v, enable_gqa=enable_gqa, scale=1.0)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch's own
        assert kernel_error(kernel, CPU, torch.float32, (4, 2, 16), softcap) < 1e-5
        assert kernel_error(forgets_the_mask, CPU, torch.float32, (4, 2, 16), softcap) > 0.1
