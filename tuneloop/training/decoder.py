"""A transformer that computes a prefix tree: the layers of Llama, Qwen and Gemma, written for training.

transformers reads the files; its modules are then taken apart and put together anew, so that products of the same
input are one, what needs no gradient gets none, and the last layer computes only what is predicted from. Whether the
result is the same model is not assumed but looked at, each time one is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from tuneloop.errors import InvalidInput
from tuneloop.training.attention import Block, tree_attention, tree_blocks
from tuneloop.training.flex import FlexMask, Kernel, find_kernel
from tuneloop.training.fused import rms_norm, rotate, swiglu
from tuneloop.training.lora import AdaptedLinear
from tuneloop.training.tree import Ints, TokenRow, Tree, pack

#: how far our hidden states may be from those of transformers, relative to their size; rounding gives 0.01 at most in
#: bfloat16, a forgotten scale or norm 0.3 and more
_TOLERANCE = {torch.bfloat16: 0.05, torch.float32: 1e-3}


class Norm(nn.Module):
    """The RMS norm of a family: Gemma's adds 1 to its weights."""

    def __init__(self, name: str, source: nn.Module) -> None:
        super().__init__()
        source_: Any = source
        self.name = name
        self.eps = float(source_.eps if hasattr(source, "eps") else source_.variance_epsilon)
        self.offset = 1.0 if type(source).__name__.startswith("Gemma") else 0.0
        self.weight = nn.Parameter(source_.weight.detach().float(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Over the last dimension."""
        return rms_norm(x, self.weight + self.offset if self.offset else self.weight, self.eps)

    def named_weights(self) -> Iterator[tuple[str, Tensor]]:
        """Names in transformers' model, and values."""
        yield f"{self.name}.weight", self.weight


#: the norm before a part of a layer, and that before its result is added to the residual, if any
_Norms = tuple[Norm, Norm | None]


@dataclass(frozen=True, slots=True)
class Paths:
    """What the layers of a kind share: the angles of all tokens and who sees whom."""

    cos: Tensor
    sin: Tensor
    blocks: Sequence[Block]

    def attend(self, q: Tensor, k: Tensor, v: Tensor, softcap: float | None) -> Tensor:
        """Each query's mixture of what it sees; shapes as in tree_attention."""
        return tree_attention(q, k, v, self.blocks, softcap)


@dataclass(frozen=True, slots=True)
class _FlexPaths(Paths):
    """Paths whose attention is FlexAttention."""

    mask: FlexMask
    kernel: Kernel

    def attend(self, q: Tensor, k: Tensor, v: Tensor, softcap: float | None) -> Tensor:
        return self.mask.attend(self.kernel, q, k, v, softcap)


class Attention(nn.Module):
    """Self-attention over the tree, between a norm and the residual it is added to."""

    def __init__(self, name: str, source: nn.Module, norms: _Norms, last: bool) -> None:
        super().__init__()
        attention: Any = source
        self.width: int = attention.head_dim
        self.scaling: float = attention.scaling
        self.window: int | None = getattr(
            attention, "sliding_window", getattr(attention.config, "sliding_window", None)
        )
        self.softcap: float | None = getattr(attention, "attn_logit_softcapping", None)
        layers = {f"{name}.{part}": attention.get_submodule(part) for part in ("q_proj", "k_proj", "v_proj")}
        self.sizes = [layer.out_features for layer in layers.values()]
        # The last layer asks from few tokens about all of them, so that its queries are a product of their own.
        query = {key: layer for key, layer in layers.items() if key.endswith("q_proj")}
        rest = {key: layer for key, layer in layers.items() if key not in query}
        self.inputs = nn.ModuleList([AdaptedLinear(query), AdaptedLinear(rest)] if last else [AdaptedLinear(layers)])
        self.output = AdaptedLinear({f"{name}.o_proj": attention.o_proj})
        self.norm, self.post_norm = norms
        self.q_norm = Norm(f"{name}.q_norm", attention.q_norm) if hasattr(attention, "q_norm") else None
        self.k_norm = Norm(f"{name}.k_norm", attention.k_norm) if hasattr(attention, "k_norm") else None

    def forward(self, hidden: Tensor, paths: Paths, queries: Tensor | None) -> Tensor:
        """(n, d) -> (n, d), or (m, d) for the m tokens of `queries` only."""
        x = self.norm(hidden)
        asking = x if queries is None else x[queries]
        if len(self.inputs) == 1:
            q, k, v = self.inputs[0](x).split(self.sizes, dim=-1)
        else:
            q = self.inputs[0](asking)
            k, v = self.inputs[1](x).split(self.sizes[1:], dim=-1)
        cos, sin = (paths.cos, paths.sin) if queries is None else (paths.cos[queries], paths.sin[queries])
        q, k, v = (part.view(len(part), -1, self.width) for part in (q, k, v))
        q = rotate(q if self.q_norm is None else self.q_norm(q), cos * self.scaling, sin * self.scaling)
        k = rotate(k if self.k_norm is None else self.k_norm(k), paths.cos, paths.sin)
        mixed = paths.attend(q, k, v.transpose(0, 1).contiguous(), self.softcap)
        residual = hidden if queries is None else hidden[queries]
        if self.post_norm is None:
            return cast(Tensor, self.output(mixed, residual))
        return residual + cast(Tensor, self.post_norm(self.output(mixed)))


class Mlp(nn.Module):
    """A gated feed-forward network, between a norm and the residual it is added to."""

    def __init__(self, name: str, source: nn.Module, norms: _Norms) -> None:
        super().__init__()
        mlp: Any = source
        self.inputs = AdaptedLinear({f"{name}.gate_proj": mlp.gate_proj, f"{name}.up_proj": mlp.up_proj})
        self.output = AdaptedLinear({f"{name}.down_proj": mlp.down_proj})
        self.norm, self.post_norm = norms
        self.activation = mlp.act_fn
        self.is_silu = "silu" in type(mlp.act_fn).__name__.lower()

    def forward(self, hidden: Tensor) -> Tensor:
        """(n, d) -> (n, d)."""
        both = self.inputs(self.norm(hidden))
        if self.is_silu:
            active = swiglu(both)
        else:
            gate, up = both.chunk(2, dim=-1)
            active = self.activation(gate) * up
        if self.post_norm is None:
            return cast(Tensor, self.output(active, hidden))
        return hidden + cast(Tensor, self.post_norm(self.output(active)))


class Layer(nn.Module):
    """Attention, then a feed-forward network."""

    def __init__(self, name: str, source: nn.Module, last: bool) -> None:
        super().__init__()

        def norm(part: str) -> Norm:
            return Norm(f"{name}.{part}", source.get_submodule(part))

        before, middle = norm("input_layernorm"), norm("post_attention_layernorm")
        norms: list[_Norms] = [(before, None), (middle, None)]
        if hasattr(source, "pre_feedforward_layernorm"):
            # Gemma 2 and 3 norm what goes into the residual as well; the names of norms shift with that.
            norms = [(before, middle), (norm("pre_feedforward_layernorm"), norm("post_feedforward_layernorm"))]
        self.attention = Attention(f"{name}.self_attn", source.get_submodule("self_attn"), norms[0], last)
        self.mlp = Mlp(f"{name}.mlp", source.get_submodule("mlp"), norms[1])

    def forward(self, hidden: Tensor, paths: Paths, queries: Tensor | None = None) -> Tensor:
        """(n, d) -> (n, d), or (m, d) for the m tokens of `queries` only."""
        return cast(Tensor, self.mlp(self.attention(hidden, paths, queries)))


class Decoder(nn.Module):
    """A causal language model without its cache, its padding and its batches."""

    def __init__(self, source: nn.Module) -> None:
        """Takes the weights out of transformers' model, which is of no use afterwards."""
        super().__init__()
        model: Any = source
        base = model.base_model
        names = {module: name for name, module in model.named_modules()}
        self.config = model.config
        self.embedding: nn.Module = base.embed_tokens.requires_grad_(False)
        self.tied = model.get_output_embeddings().weight is base.embed_tokens.weight
        self.output = self.embedding if self.tied else model.get_output_embeddings().requires_grad_(False)
        self._names = {self.embedding: names[base.embed_tokens]}
        if not self.tied:
            self._names[self.output] = names[model.get_output_embeddings()]
        self.rotary = base.rotary_emb
        count = len(base.layers)
        self.kinds = [getattr(layer.self_attn, "layer_type", None) for layer in base.layers]
        self.layers = nn.ModuleList()
        for index in range(count):
            self.layers.append(Layer(f"{names[base.layers]}.{index}", base.layers[index], last=index == count - 1))
            base.layers[index] = nn.Identity()
        self.norm = Norm(names[base.norm], base.norm)
        self.softcap: float | None = getattr(model.config, "final_logit_softcapping", None)
        #: the type that is computed in, also when the weights are kept more exactly
        self.dtype: torch.dtype = self.head.dtype
        #: bytes that a tree may take until its gradient is made; above that each layer is computed again for it, in
        #: place of keeping what is inside
        self.limit = math.inf
        #: FlexAttention, where a GPU computes it; None is products over blocks
        self.flex: Kernel | None = None
        #: whether each of several processes has but a part of each layer (distributed.shard)
        self.sharded = False

    @property
    def head(self) -> Tensor:
        """The matrix that makes logits of hidden states, (words, d)."""
        return cast(Tensor, self.output.weight)

    def forward(self, tree: Tree) -> Tensor:
        """Hidden states at the tree's sources, (t, d)."""
        return self.hidden_at(tree, tree.sources)

    def hidden_at(self, tree: Tree, nodes: Ints) -> Tensor:
        """Hidden states of some tokens of a tree, in the order given; a token may be given more than once."""
        queries, inverse = np.unique(nodes, return_inverse=True)
        again = torch.is_grad_enabled() and self.bytes_of(tree) > self.limit
        hidden = self.compute(tree.tokens, self.paths(tree, queries), queries, again=again)
        return hidden[torch.from_numpy(inverse).to(hidden.device, non_blocking=True)]

    def paths(self, tree: Tree, queries: Ints) -> list[Paths]:
        """Of each layer; only `queries`, in ascending order, ask in the last one."""
        known, last = _PathsOf(self, tree), len(self.layers) - 1
        return [known.of(index, queries if index == last else None) for index in range(last + 1)]

    def compute(
        self, tokens: Ints, paths: Sequence[Paths], queries: Ints | None = None, *, again: bool = False
    ) -> Tensor:
        """Hidden states of tokens (n,), or of the `queries` (m,) among them, after all layers: (n, d) or (m, d).

        With `again` each layer is computed anew for its gradient, in place of keeping what is inside it.
        """
        device = self.head.device
        hidden = self.embedding(torch.from_numpy(tokens).to(device, non_blocking=True)).to(self.dtype)
        for layer, its in zip(self.layers[:-1], paths, strict=False):
            hidden = _run(layer, again, hidden, its)
        asking = None if queries is None else torch.from_numpy(queries).to(device, non_blocking=True)
        return cast(Tensor, self.norm(_run(self.layers[-1], again, hidden, paths[-1], asking)))

    def angles(self, index: int, positions: Ints) -> tuple[Tensor, Tensor]:
        """cos and sin (n, d / 2) of positions in a layer; some families turn their kinds of layers at different
        speeds."""
        rotary: Any = self.rotary
        like = torch.empty(0, dtype=self.dtype, device=self.head.device)
        where = torch.from_numpy(positions).to(like.device, non_blocking=True)[None]
        per_kind = hasattr(rotary, "layer_types")
        cos, sin = rotary(like, where, self.kinds[index]) if per_kind else rotary(like, where)
        half = cos.shape[-1] // 2
        return cos[0, :, :half].contiguous(), sin[0, :, :half].contiguous()

    def train_everything(self) -> list[nn.Parameter]:
        """Make every weight trainable, kept in float32 from now on; returns them."""
        self.float().requires_grad_(True)
        return list(self.parameters())

    def named_weights(self) -> Iterator[tuple[str, Tensor]]:
        """Every weight with its name in transformers' model, without what LoRA adds."""
        for module, name in self._names.items():
            yield f"{name}.weight", cast(Tensor, module.weight)
        for part in self.modules():
            if isinstance(part, Norm | AdaptedLinear):
                yield from part.named_weights()

    def bytes_of(self, tree: Tree) -> int:
        """Memory for what a tree's gradient is made of, when nothing is computed again."""
        return len(tree.tokens) * self.bytes_per_token + tree.pairs * self.bytes_per_pair

    @property
    def bytes_per_token(self) -> int:
        """What the layers keep of a token: inputs and outputs of their products, norms and activations."""
        kept: int = 0
        for layer in cast(Any, self.layers):
            width, sizes = layer.mlp.output.outputs, layer.attention.sizes
            kept += 4 * width + sum(sizes) + sizes[0] + 2 * layer.mlp.inputs.outputs
        return kept * self.dtype.itemsize

    @property
    def bytes_per_pair(self) -> int:
        """What the layers keep of a token that sees another: the share of its attention in each head."""
        if self.flex is not None:
            return 0
        heads: int = sum(layer.attention.sizes[0] // layer.attention.width for layer in cast(Any, self.layers))
        return heads * self.dtype.itemsize


def _run(layer: nn.Module, again: bool, *arguments: Any) -> Tensor:
    return cast(Tensor, checkpoint(layer, *arguments, use_reentrant=False) if again else layer(*arguments))


class _PathsOf:
    """The paths of each kind of layer (full or sliding attention), made once a tree."""

    def __init__(self, decoder: Decoder, tree: Tree) -> None:
        self._decoder, self._tree = decoder, tree
        self._known: dict[tuple[Any, ...], Paths] = {}

    def of(self, index: int, queries: Ints | None = None) -> Paths:
        decoder, tree = self._decoder, self._tree
        window = cast(Any, decoder.layers[index]).attention.window
        key = (decoder.kinds[index], window, queries is None)
        if key not in self._known:
            angles, device = decoder.angles(index, tree.positions), decoder.head.device
            if decoder.flex is None:
                blocks = tree_blocks(tree, device, decoder.dtype, queries=queries, window=window)
                self._known[key] = Paths(*angles, blocks)
            else:
                mask = FlexMask(tree, device, queries=queries, window=window)
                self._known[key] = _FlexPaths(*angles, (), mask, decoder.flex)
        return self._known[key]


def load_decoder(
    model_dir: Path,
    device: torch.device,
    dtype: torch.dtype,
    *,
    quantize: bool = False,
    place: Callable[[Decoder, torch.device], object] = nn.Module.to,
) -> Decoder:
    """The base model in `model_dir`, with `quantize` the weights of its linear layers in 4 bits.

    `place` puts it on the device. Raises InvalidInput for models that would be trained wrongly.
    """
    cast(Any, transformers_logging).disable_progress_bar()
    model: Any = AutoModelForCausalLM.from_pretrained(
        model_dir, dtype=dtype, attn_implementation="eager", local_files_only=True
    )
    kind = model.config.model_type
    sample = np.random.default_rng(0).integers(0, model.config.get_text_config().vocab_size, 24)
    with torch.no_grad():
        expected = model.base_model(input_ids=torch.from_numpy(sample)[None], use_cache=False).last_hidden_state[0]
        try:
            decoder = Decoder(model.requires_grad_(False))
            found = decoder.hidden_at(pack([TokenRow(sample, np.ones(24, dtype=np.float32))]), np.arange(24))
        except (AttributeError, RuntimeError) as error:
            raise InvalidInput(f"models of type {kind!r} cannot be tuned: {error}", param="model") from None
    distance = (found - expected).float().norm() / expected.float().norm()
    if not distance < _TOLERANCE[dtype]:
        raise InvalidInput(
            f"models of type {kind!r} cannot be tuned: their layers differ from those of Llama, Qwen and Gemma",
            param="model",
        )
    if quantize:
        # One after the other, so that the device never has all of them in full.
        for part in decoder.modules():
            if isinstance(part, AdaptedLinear):
                part.quantize(device)
    decoder.flex = _kernel_for(decoder, device)
    place(decoder, device)
    return decoder


def _kernel_for(decoder: Decoder, device: torch.device) -> Kernel | None:
    attention = cast(Any, decoder.layers[0]).attention
    heads, kv_heads, _ = (size // attention.width for size in attention.sizes)
    return find_kernel(
        device, decoder.dtype, heads=heads, kv_heads=kv_heads, width=attention.width, softcap=attention.softcap
    )
