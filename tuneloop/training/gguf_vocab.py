"""Tokenizers in GGUF files: what llama.cpp makes of the text must be what the trained tokenizer makes of it."""

from __future__ import annotations

from typing import Any

from tokenizers import Regex, Tokenizer, pre_tokenizers

from tuneloop.errors import InvalidInput

#: texts of the tokens that end a turn, whatever the metadata calls the end of the sequence
END_OF_TURN = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>")

_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _split(pattern: str) -> Any:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


#: `tokenizer.ggml.pre` of byte-level vocabularies -> how text is cut before merges apply (llama.cpp's llama-vocab.cpp)
PRE_TOKENIZERS = {
    "smollm": pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ),
    "gpt-2": pre_tokenizers.ByteLevel(add_prefix_space=False),
    "llama-bpe": _split(_LLAMA3),
    "qwen2": _split(_LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")),
}


def fix_pre_tokenizer(tokenizer: Tokenizer, fields: Any) -> None:
    """Cut text as the GGUF file's `tokenizer.ggml.pre` says; transformers guesses for some of them."""
    if fields["tokenizer.ggml.model"].contents() != "gpt2":
        return
    name = fields["tokenizer.ggml.pre"].contents() if "tokenizer.ggml.pre" in fields else "missing"
    if name not in PRE_TOKENIZERS:
        raise InvalidInput(
            f"The tokenizer kind {name!r} is not covered; those covered are {', '.join(PRE_TOKENIZERS)}."
        )
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[name]


def end_token_ids(tokenizer: Any) -> list[int]:
    """Ids of the tokens that end an answer: the end of the sequence and of the turn."""
    vocabulary = tokenizer.get_vocab()
    ids = {vocabulary[text] for text in END_OF_TURN if text in vocabulary}
    return sorted(ids | ({tokenizer.eos_token_id} - {None}))
