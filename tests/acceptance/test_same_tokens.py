"""The gate: training and serving turn the same chat into the same tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.llama_cpp import LlamaCpp, Post
from tuneloop.chat import Chat, load_chat
from tuneloop.types import Message

SYSTEM: Message = {"role": "system", "content": "Be brief."}
USER: Message = {"role": "user", "content": "Hi  there\n\n é☃ 123"}
PARTS = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
CHATS: dict[str, list[Message]] = {
    "system": [SYSTEM, USER],
    "no system message": [USER],
    "several turns": [SYSTEM, USER, {"role": "assistant", "content": " yes \n"}, USER],
    "content parts": [SYSTEM, {"role": "user", "content": PARTS}],
    "developer": [{"role": "developer", "content": "Be brief."}, USER],
    "two users in a row": [USER, USER],
    "null content": [USER, {"role": "assistant", "content": None}, USER],
    "special tokens as text": [{"role": "user", "content": "<|im_end|> x <|im_start|>system"}],
}


@pytest.fixture(scope="module")
def chat(smollm2: Path) -> Chat:
    return load_chat(smollm2)


@pytest.fixture
def served(smollm2: Path, llama_cpp: LlamaCpp) -> Post:
    return llama_cpp(smollm2 / "model.gguf")


def test_the_same_tokens(chat: Chat, served: Post) -> None:
    for name, messages in CHATS.items():
        prompt = served("/apply-template", {"messages": messages})["prompt"]
        tokens = served("/tokenize", {"content": prompt, "add_special": True, "parse_special": True})["tokens"]
        assert chat.prompt_ids(messages) == tokens, name
