"""Texts made comparable: what is left of one when case, punctuation, spacing and politeness are taken away."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:['’_.@-]*[^\W_]+)*")

#: greetings, thanks and the like, which make no other question of one; not "no" or "not", which do
_POLITE = frozenset(
    "hi hello hey hallo hola bonjour ciao greetings dear thanks thank thx ty cheers please pls plz kindly um uh er "
    "well so ok okay oh regards merci gracias danke bitte grazie".split()
)


def plain(text: str) -> str:
    """The words of a text in lower case, one space apart, without punctuation."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).lower()))


def bare(text: str) -> tuple[str, ...]:
    """The words of a text without greetings and thanks, unless nothing else is left."""
    words = tuple(plain(text).replace("thank you", "thank").split())
    return tuple(word for word in words if word not in _POLITE) or words


def any_of(words: str) -> str:
    """A regular expression for any of some words; `\\s` stands for the space in one."""
    return f"(?:{'|'.join(words.split())})"


def digest(text: str) -> bytes:
    """A short fingerprint of a text; two texts share one by accident once in 10^18 pairs."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


@lru_cache(maxsize=1 << 18)
def word_hash(word: str) -> int:
    """64 bits of a word."""
    return int.from_bytes(digest(word), "little")


def clip(text: str, length: int = 80) -> str:
    """The beginning of a text on one line, for a message."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
