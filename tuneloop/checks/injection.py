"""Attempts to steer the model: a user's message that speaks to the model about its instructions, not about the task.

Customers write of instructions, rules and labels too. What tells the two apart is who is to do it: an order to whoever
answers ("ignore your rules"), not something that the writer did, wants to do or was told ("can I ignore the rule?").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from tuneloop.checks.findings import Finding
from tuneloop.checks.kinds import finding
from tuneloop.checks.leaking import ANYHOW
from tuneloop.checks.orders import ORDERS
from tuneloop.checks.rows import Row, text_of
from tuneloop.checks.steering import SAY, Group
from tuneloop.checks.texts import clip

#: what words before an order make of it: something that is done, asked or told by others, to others
_NOT_TO_US = re.compile(
    r"(?:\b(?:i|we|he|she|they|it|one|who|people|users|customers|that|which)(?:'d|'ll|'ve)?\s+(?:\w+\s+){0,2}"
    r"|(?<!you)(?<!you are)(?<!you have)(?<!you need)\s+to\s+(?:\w+\s+)?"
    r"|\b(?:can|could|should|may|do|does|did|would|shall|must|might|will|if|when)(?:n't)?\s+"
    r"(?:i|we|he|she|they|it|one|people|my|the|a|an|this|his|her|our|your)\s+(?:\w+\s+){0,3}"
    r"|\b(?:my|his|her|our|their|the|an?)\s+\w+\s+(?:will|can|could|should|would|must|may|might)\s+"
    r"|\b(?:my|his|her|its|our|their|the)\s+(?:\w+\s+){0,2}(?:preferences|notes|settings|terms|papers|e-?mails|signs)\s+"
    r"|\b(?:says?|said|reads?|wrote|states?|told me|told us)\b[^.]{0,12}?[:,]?\s*[\"'“‘«]?(?:please )?"
    r"|(?<!can )(?<!could )(?<!would )(?<!will )(?<!: )\byou\s+(?:always |never |just |only )?"
    r"|\b(?:makes?|made|lets?|helps?|saw|see)\s+(?:me|us|him|her|them|(?:my|the|our)\s+\w+)\s+"
    r"|\b(?:what (?:does|is|do)|how to|phrase|message|text|button|error|option|says?|said|called"
    r"|titled)\s*[:,]?\s*[\"'“‘«]"
    r"|\b(?:don't|do not|never|not|cannot|can't|won't|didn't)\s+)$",
    re.IGNORECASE,
)
_MARKED = re.compile(
    r"<\|[\w ]{2,24}\|>|</?s>\s?<s>|\{\{?\s?#?(?:system|assistant|instructions?)\s?\}\}?|\[/?INST\]|<</?SYS>>|"
    r"\bEND OF (?:USER |THE )?(?:INPUT|PROMPT|MESSAGE|TICKET|CONTEXT|QUERY|TEXT|INSTRUCTIONS)\b(?=.{0,60}(?:system"
    r"|task|instruction|SYSTEM))"
)
#: a role as templates or scripts mark it, and what is said in its voice
_VOICE = re.compile(
    r"(?:(?:^|[\s.!?\"'([{<])(?:SYSTEM|ADMIN|ADMINISTRATOR|ASSISTANT|DEVELOPER|ROOT|[Ss]ystem|[Dd]eveloper)"
    r"(?: ?(?:PROMPT|MESSAGE|OVERRIDE|NOTE|UPDATE|COMMAND|prompt|message|override|note|update|command))?\s*:"
    r"|</?(?:system|admin|instructions?)>|#{2,} *(?:[Ss]ystem|SYSTEM|(?:[Nn]ew )?[Ii]nstruction|INSTRUCTION)s?\b"
    r"|\[(?:system|admin|developer|SYSTEM|ADMIN|DEVELOPER|System|Admin)\b)"
    r"(?=.{0,80}?\b(?i:from now on|new (?:instructions?|policy|rules?|task)|ignore|disregard|override"
    r"|always (?:answer|reply|say)|disable|approve|"
    rf"grant|unlock|reveal|you (?:are now|may now)|you (?:must|will|shall|should) (?:\w+ )?{SAY}|set (?:the )?label"
    rf"|(?:{SAY}) (?:an?|the|all|every|"
    r"only|with|as|in|this|everyone)|give (?:every|all)))",
    re.DOTALL,
)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")


def check(row: Row) -> Iterator[Finding]:
    """A finding for a row in which a user or a tool's result tries to steer the model."""
    for message in row.messages:
        if message["role"] in ("user", "tool", "function"):
            text = text_of(message)
            if found := attempt(text):
                what, start, end = found
                where = text[max(0, start - 30) : end + 60]
                said = f"{clip(where, 110)!r} {what}"
                yield finding("prompt_injection", row.number, said, text=clip(where, 160), what=what)
                return


def attempt(text: str) -> tuple[str, int, int] | None:
    """The first way in which a text tries to steer a model, and the characters [start, end) that do."""
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).replace("’", "'")
    if match := _MARKED.search(text) or _VOICE.search(text):
        return "speaks with the system's voice", *match.span()
    lower, known = text.lower(), dict[Group, bool]()
    for ways, anyhow in ((ORDERS, False), (ANYHOW, True)):
        for way in ways:
            for match in way.pattern.finditer(text) if way.may_be_in(lower, known) else ():
                if anyhow or _is_order(text, match.start()):
                    return way.what, *match.span()
    return None


def _is_order(text: str, start: int) -> bool:
    """Whether what begins there is said to whoever answers: a new beginning, or not by others or to others."""
    before = re.split(r"[.!?;\n]", text[max(0, start - 60) : start])[-1]
    if before[-1:].isspace() and text[start].isupper() and before.strip()[-1:].islower():
        return True
    return _NOT_TO_US.search(before) is None
