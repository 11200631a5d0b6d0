"""Tokenizers in GGUF files: what llama.cpp makes of a text must be what the trained tokenizer makes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gguf import GGUFWriter, TokenType
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

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
PRE_TOKENIZERS: Mapping[str, Any] = {
    "smollm": pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ),
    "gpt-2": pre_tokenizers.ByteLevel(add_prefix_space=False),
    "llama-bpe": _split(_LLAMA3),
    "qwen2": _split(_LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")),
}


def fix_tokenizer(tokenizer: Tokenizer, metadata: Mapping[str, Any]) -> None:
    """Cut text as the GGUF file's `tokenizer.ggml.pre` says; transformers does not know them all.

    `metadata` are the fields of a GGUFReader. Raises InvalidInput for kinds that are not covered.
    """
    if metadata["tokenizer.ggml.model"].contents() != "gpt2":
        return
    field = metadata.get("tokenizer.ggml.pre")
    name = field.contents() if field else "missing"
    if name not in PRE_TOKENIZERS:
        raise InvalidInput(f"The tokenizer kind {name!r} is not covered; covered are {', '.join(PRE_TOKENIZERS)}.")
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[name]
    if name == "llama-bpe" and isinstance(tokenizer.model, models.BPE):
        # Llama 3 takes a word that is a token as it is, merges or not.
        tokenizer.model.ignore_merges = True


def drop_normalizer(path: Path) -> None:
    """Take Unicode normalisation (Qwen's NFC) out of a byte-level tokenizer.json: llama.cpp does not normalise, and
    training must see the tokens that serving sees. Raises InvalidInput when there is no such file."""
    try:
        spec = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{str(path)!r} is needed, but cannot be read: {error}.") from error
    if spec["normalizer"] and not spec["model"].get("byte_fallback"):
        path.write_text(json.dumps(spec | {"normalizer": None}, ensure_ascii=False), encoding="utf-8")


def end_token_ids(tokenizer: Any) -> list[int]:
    """Ids of the tokens that end an answer: the end of the sequence and of the turn."""
    vocabulary = tokenizer.get_vocab()
    ids = {vocabulary[text] for text in END_OF_TURN if text in vocabulary}
    return sorted(ids | ({tokenizer.eos_token_id} - {None}))


def add_vocabulary(writer: GGUFWriter, tokenizer: Any, size: int) -> None:
    """Write a transformers tokenizer (BPE) of `size` tokens. Raises InvalidInput for kinds that are not covered."""
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    if spec["model"]["type"] != "BPE":
        raise InvalidInput(f"A tokenizer of type {spec['model']['type']!r} is not covered; BPE is.")
    merges = [m if isinstance(m, list) else m.split(" ") for m in spec["model"]["merges"]]
    tokens = _tokens(tokenizer.backend_tokenizer, size)
    if spec["model"].get("byte_fallback"):
        _add_sentencepiece(writer, spec, tokens, merges)
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(_pre_name(spec["pre_tokenizer"]))
        writer.add_token_list([token.text for token in tokens])
        writer.add_token_types([token.type for token in tokens])
        writer.add_token_merges([" ".join(merge) for merge in merges])
    _add_special_tokens(writer, tokenizer)


class _Token(NamedTuple):
    text: str
    type: TokenType


def _tokens(tokenizer: Tokenizer, size: int) -> list[_Token]:
    """All tokens by id; models often have more rows in the embedding than the tokenizer has tokens."""
    added = tokenizer.get_added_tokens_decoder()
    texts = {index: text for text, index in tokenizer.get_vocab(with_added_tokens=True).items()}
    if texts and max(texts) >= size:
        raise InvalidInput(f"The tokenizer has the token id {max(texts)}, but the model only {size} embeddings.")
    return [
        _Token(texts[index], _type(texts[index], added.get(index)))
        if index in texts
        else _Token(f"[PAD{index}]", TokenType.UNUSED)
        for index in range(size)
    ]


def _type(text: str, added: AddedToken | None) -> TokenType:
    if added:
        return TokenType.CONTROL if added.special else TokenType.USER_DEFINED
    return TokenType.BYTE if re.fullmatch(r"<0x[0-9A-F]{2}>", text) else TokenType.NORMAL


def _add_sentencepiece(writer: GGUFWriter, spec: Any, tokens: list[_Token], merges: list[list[str]]) -> None:
    """A vocabulary with byte fallback. llama.cpp merges the pair of the highest score first, so a token's score is
    minus the rank of the first merge that makes it."""
    ranks: dict[str, int] = {}
    for rank, (left, right) in enumerate(merges):
        ranks.setdefault(left + right, rank)
    unknown = spec["model"].get("unk_token")
    whole = (TokenType.CONTROL, TokenType.USER_DEFINED)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    # llama.cpp looks user-defined tokens up in the text as it was, others in the text with its spaces replaced.
    writer.add_token_list([t.text.replace("▁", " ") if t.type == TokenType.USER_DEFINED else t.text for t in tokens])
    writer.add_token_types([TokenType.UNKNOWN if t.text == unknown else t.type for t in tokens])
    writer.add_token_scores([-1000.0 if t.type in whole else -float(ranks.get(t.text, len(merges))) for t in tokens])
    text = json.dumps([spec["normalizer"], spec["pre_tokenizer"]], ensure_ascii=False)
    writer.add_add_space_prefix('"prepend": "▁"' in text or '"prepend_scheme": "first"' in text)


def _add_special_tokens(writer: GGUFWriter, tokenizer: Any) -> None:
    for kind in ("bos", "eos", "unk", "pad"):
        index = getattr(tokenizer, f"{kind}_token_id")
        if index is not None:
            getattr(writer, f"add_{kind}_token_id")(index)
    ids = tokenizer("").input_ids
    writer.add_add_bos_token(bool(ids) and ids[0] == tokenizer.bos_token_id)
    writer.add_add_eos_token(bool(ids) and ids[-1] == tokenizer.eos_token_id != tokenizer.bos_token_id)
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if template:
        writer.add_chat_template(template)


def _pre_name(pre_tokenizer: Any) -> str:
    wanted = _comparable(pre_tokenizer)
    for name, known in PRE_TOKENIZERS.items():
        probe = Tokenizer(models.BPE())
        probe.pre_tokenizer = known
        if _comparable(json.loads(probe.to_str())["pre_tokenizer"]) == wanted:
            return name
    raise InvalidInput(
        f"How this tokenizer cuts words is not covered; covered are those of {', '.join(PRE_TOKENIZERS)}. "
        f"It is: {json.dumps(pre_tokenizer)[:300]}"
    )


def _comparable(pre_tokenizer: Any) -> Any:
    """Without what does not change the tokens."""
    if isinstance(pre_tokenizer, dict):
        return {key: _comparable(value) for key, value in pre_tokenizer.items() if key != "trim_offsets"}
    return [_comparable(item) for item in pre_tokenizer] if isinstance(pre_tokenizer, list) else pre_tokenizer
