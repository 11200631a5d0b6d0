"""Random models of a few thousand weights, one of each family, with a tokenizer of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from tuneloop.training.gguf_vocab import PRE_TOKENIZERS

FAMILIES = {"llama": "smollm", "qwen2": "qwen2", "qwen3": "qwen2", "gemma3_text": "sentencepiece"}
_TEXT = ["the cat sat on the mat", "the dog ran around the house 12 times", "I'll say: don't, won't, can't\n\n"] * 20
_fast: Any = PreTrainedTokenizerFast
_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def tiny_model(family: str, folder: Path, **settings: Any) -> tuple[Any, Any]:
    """A model of the family and its tokenizer, saved in `folder`; `settings` go into its configuration."""
    torch.manual_seed(3)
    tokenizer = _byte_level(FAMILIES[family]) if FAMILIES[family] in PRE_TOKENIZERS else _sentencepiece()
    config = AutoConfig.for_model(
        family,
        vocab_size=len(tokenizer) + 3,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=family != "qwen2",
        **({"query_pre_attn_scalar": 16, "sliding_window": 8} if family == "gemma3_text" else {}),
        **settings,
    )
    auto: Any = AutoModelForCausalLM
    model = auto.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            # Larger than at a real start, so that an error anywhere shows in the logits.
            parameter.copy_(torch.randn_like(parameter) * (0.15 if parameter.ndim > 1 else 0.3) + (parameter.ndim == 1))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model, tokenizer


def _byte_level(pre: str) -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[pre]
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=_SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TEXT, trainer)
    return _fast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )


def _sentencepiece() -> Any:
    """As Gemma's: spaces become ▁, no cutting into words, bytes for what is unknown."""
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<|im_start|>", "<|im_end|>"]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Replace(" ", "▁")
    trained.train_from_iterator(_TEXT, trainers.BpeTrainer(vocab_size=120, show_progress=False))
    spec = json.loads(trained.to_str())["model"]
    vocabulary = {token: index for index, token in enumerate([*specials, *bytes_, *spec["vocab"]])}
    merges = [tuple(merge) for merge in spec["merges"]]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(specials)
    return _fast(tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>")


def next_token(model: Any, ids: list[int]) -> torch.Tensor:
    """Log probabilities of the next token according to transformers; [vocabulary]."""
    with torch.no_grad():
        logits: torch.Tensor = model(torch.tensor([ids])).logits[0, -1]
    return torch.log_softmax(logits.float(), -1)
