"""Secrets: keys that providers give out, and passwords and codes that somebody calls so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

#: a text without any of these holds no key
_LIKE_KEYS = re.compile(r"[\w+/=.~-]{20}|://[^\s/@]{0,100}:[^\s/@]{1,100}@|BEGIN [A-Z ]{0,20}PRIVATE KEY")
#: a piece of a text that may be a key; longer ones are data
_PIECE = re.compile(r"(?<!\S)\S{16,1000}(?!\S)|-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----")
#: how keys begin that detect-secrets does not know, or knows in an old form only
_BEGINNINGS = re.compile(
    r"(?<![\w-])(?:sk-(?:proj-|ant-|svcacct-|or-v1-)?|[srp]k_(?:live|test)_|whsec_|hf_|gsk_|AIza|github_pat_|npm_|dop_v1_"
    r"|xapp-|r8_|nvapi-|shpat_|ya29\.)(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{16,300}"
)
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?")
_LABELLED = re.compile(
    r"\b(?:api[ _-]?key|secret(?:[ _-](?:access[ _-])?key)?|(?:access|auth|api)[ _-]?token|access[ _-]?key|bearer|"
    r"client[ _-]secret|private[ _-]key)\b[\"']?(?:\s+is|\s*[:=])?\s*[\"'`]?"
    r"(?=[\w+/=.~-]{0,200}\d)(?=[\w+/=.~-]{0,200}[a-z])(?!\w*your)([\w+/=.~-]{16,200})",
    re.IGNORECASE,
)
_PASSWORD = re.compile(
    r"\b(?:pass(?:word|code|phrase|wort)|kennwort|contraseña|mot de passe|senha|wachtwoord|pwd)\b\s{0,3}"
    r"(?::|=|(?:is|was|ist|es|est|lautet|è|é)\b:?)\s{0,3}[\"'`]?([^\s\"'`<>()\[\]]{6,64})",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"\b(?:pin|cvv|cvc|cvv2)(?: ?(?:code|number|nummer))?\s{0,2}(?:is|:|=|ist|es|est)\s{0,2}(\d{3,8})\b(?! digit)", re.I
)


def keys(text: str) -> Iterator[tuple[str, int, int]]:
    """Keys, passwords and codes in a text, with the characters [start, end) that they are."""
    for match in _PASSWORD.finditer(text):
        word = match.group(1).rstrip(".,;!?")
        if len(word) >= 6 and any(map(str.isdigit, word)) and not word.isdigit() or (word.isdigit() and len(word) >= 6):
            yield word, match.start(1), match.start(1) + len(word)
    for match in _CODE.finditer(text):
        yield match.group(1), *match.span(1)
    if _LIKE_KEYS.search(text):
        for match in _LABELLED.finditer(text):
            yield match.group(1), *match.span(1)
        for piece in _PIECE.finditer(text):
            for value, start, end in _in_piece(piece.group()):
                yield value, piece.start() + start, piece.start() + end


def _in_piece(piece: str) -> Iterator[tuple[str, int, int]]:
    for pattern in (_BEGINNINGS, _JWT, *_patterns()):
        for match in pattern.finditer(piece):
            group = match.lastindex or 0
            yield match.group(group), *match.span(group)


@cache
def _patterns() -> Sequence[re.Pattern[str]]:
    """Patterns of keys that providers give out, from detect-secrets; what it guesses by entropy is left out."""
    from detect_secrets.plugins import (
        aws,
        azure_storage_key,
        basic_auth,
        discord,
        github_token,
        gitlab_token,
        mailchimp,
        private_key,
        pypi_token,
        sendgrid,
        slack,
        square_oauth,
        telegram_token,
        twilio,
    )

    plugins = (
        aws.AWSKeyDetector,
        azure_storage_key.AzureStorageKeyDetector,
        basic_auth.BasicAuthDetector,
        discord.DiscordBotTokenDetector,
        github_token.GitHubTokenDetector,
        gitlab_token.GitLabTokenDetector,
        mailchimp.MailchimpDetector,
        private_key.PrivateKeyDetector,
        pypi_token.PypiTokenDetector,
        sendgrid.SendGridDetector,
        slack.SlackDetector,
        square_oauth.SquareOAuthDetector,
        telegram_token.TelegramBotTokenDetector,
        twilio.TwilioKeyDetector,
    )
    return [pattern for plugin in plugins for pattern in plugin().denylist]
