"""Personal data and secrets in what was asked and answered. Instructions are the owner's own words and not looked at;
what stands in them (the desk's own number) is no secret anywhere else.

Numbers are checked, not guessed: cards by issuer, length and Luhn's digit (ISO/IEC 7812), accounts by country, length
and modulo 97 (ISO 13616), phone numbers by the numbering plans of libphonenumber.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Literal, NamedTuple

from tuneloop.checks.findings import Finding
from tuneloop.checks.keys import keys
from tuneloop.checks.kinds import finding
from tuneloop.checks.phones import phones
from tuneloop.checks.rows import Row, text_of
from tuneloop.checks.texts import any_of
from tuneloop.types import Json

PiiKind = Literal["email", "phone", "card", "iban", "name_address", "secret"]


class Found(NamedTuple):
    """A piece of personal data in a text."""

    kind: PiiKind
    value: str
    #: characters [start, end) of the text
    start: int
    end: int


_EMAIL = re.compile(
    r"(?<![\w.%+'-])[\w%+'&-]{1,64}(?:\.[\w%+'&-]{1,64}){0,8}\.?@(?:[\w-]{1,63}\.){1,8}[^\W\d_][\w-]{0,22}[^\W\d_]"
    r"(?![\w])(?!-\w)"
)
#: what follows an "@" in the names of files
_FILES = re.compile(r"@\d+x\.\w+$")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}[ -]?\d{2}(?:[ \u00a0\u202f-]?[A-Z0-9]){11,30}", re.IGNORECASE)
#: any run of digits; cards are looked for in it
_DIGITS = re.compile(r"(?<![\w+*])(?<!\d[.,])\d(?:[ \u00a0.-]{0,2}\d){12,}(?![\w*])")
#: the beginnings of card numbers by their lengths (Visa; Mastercard; Amex; Diners; Discover; JCB; UnionPay; Mir;
#: RuPay; Verve; Maestro)
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[01]|720)\d{12,13}|3[47]\d{13}|3(?:0[0-5]"
    r"|[689]\d)\d{11}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|35\d{14}|62\d{14,17}|220[0-4]\d{12}|(?:60|8[12])\d{14}|508\d{13}|506[01]\d{12,15}"
    r"|(?:5018|5020|5038|5[6-8]\d\d|6304|6390|67\d\d)\d{8,15}"
)
#: lengths of the groups that card numbers are written in
_GROUPS = (*([4] * n + [k] for n in (3, 4) for k in (4, 3, 2, 1)), [4, 6, 5], [4, 6, 4], [6, 13])
_ABOUT_OTHERS = re.compile(
    r"\b(?:order|tracking|parcel|invoice|imei|ticket|transaction|reference|ref|shipment|serial|isbn|ean|sku|id)\b"
    r"(?:\W+(?:no|nr|number|id|code|is|was|my|the)\b)*\W{0,4}$",
    re.IGNORECASE,
)
#: what may follow a card's number: when it ends, and its code
_END = re.compile(r"(?:0[1-9]|1[0-2])(?:2[3-9]|3\d)|20[23]\d|\d{1,3}")

_STREET = any_of(
    "Street St Road Rd Lane Ln Avenue Ave Court Ct Drive Dr Close Way Square Sq Place Pl Terrace Boulevard Blvd "
    "Crescent Gardens Grove Hill Row Walk Mews Park Parade Highway Hwy"
)
_NAME = (
    r"(?P<name>\b[A-ZÀ-Þ][a-zß-ÿ'’-]+(?: (?:van|von|de|der|da|di|la|el|bin)){0,2}(?: [A-ZÀ-Þ][a-zA-Zß-ÿ'’-]*\.?){1,3}"
    r"(?:,| at| of| in)? ?\n?)?\b"
)
_TOWN = r"(?:,? [A-Z][\w'’ -]{2,30}?(?=[,.;\n]|$))?"
_ADDRESSES = [
    re.compile(_NAME + pattern)
    for pattern in (
        rf"\d{{1,5}}[A-Za-z]?,? (?:[A-Z][\w'’-]{{1,30}} ){{1,3}}{_STREET}\b\.?{_TOWN}",
        r"[A-ZÄÖÜ][a-zäöüß]{1,30}(?:straße|strasse|str\.|weg|platz|allee|gasse) \d{1,4}[a-z]?\b",
        r"\d{1,4},? (?:rue|boulevard|chemin|impasse|quai|(?:avenue|place)(?= (?:de|du|des|d'|la|le|[A-Z])))"
        r" (?:[\w'’-]{1,30} ){0,3}[A-Z][\w'’-]+",
        r"(?:[Cc]alle|[Vv]ia|[Rr]ua|[Pp]laza|[Pp]iazza) (?:[\w'’]{1,30} ){0,3}[A-Z][\w'’-]+,? \d{1,4}\b",
    )
]
#: whose address it is: words before one without a name
_HOME = re.compile(
    r"\b(?:(?:my|our|new|home|his|her|delivery|billing|shipping) address|liv(?:e|es|ing)|moved?|moving|deliver(?:ed)?|"
    r"ship|send|sent|write to|post(?:ed)? (?:it |them )?to|i(?:'m| am) at|we(?:'re| are) at|reside|residing|adresse"
    r"|dirección|indirizzo|wohne|wohnhaft|habite|vivo|abito|domicil\w+)\b[^.!?\n]{0,40}$",
    re.IGNORECASE,
)

#: a text without any of these holds nothing personal that is looked for
_MAY_HOLD = re.compile(r"@|\d.*\d|[Pp]ass|[\w+/=.~-]{20}")


def check(row: Row) -> Iterator[Finding]:
    """Personal data and secrets of a row, a finding for each kind, and one more for those in the answer."""
    own = row.instructions
    asked = [found for m in row.messages if m["role"] not in ("system", "developer") for found in pii(text_of(m), own)]
    answered = list(pii(row.answer_text, own))
    for kind in dict.fromkeys(found.kind for found in (*asked, *answered)):
        values = list(dict.fromkeys(found.value for found in (*asked, *answered) if found.kind == kind))
        code = "secret" if kind == "secret" else f"pii_{kind}"
        shown = ", ".join(hidden(kind, value) for value in values[:3])
        yield finding(code, row.number, f"{_WORDS[kind]} {shown}", values=[hidden(kind, v) for v in values])
    if answered:
        values = [hidden(found.kind, found.value) for found in answered]
        yield finding("pii_in_answer", row.number, f"the answer has {', '.join(values[:3])}", values=values)


_WORDS = {
    "email": "e-mail address",
    "phone": "phone number",
    "card": "card number",
    "iban": "bank account",
    "name_address": "name and address",
    "secret": "key or password",
}


def hidden(kind: PiiKind, value: str) -> str:
    """A value as a report may show it: enough to find it by, not enough to use it."""
    if kind == "email":
        name, _, domain = value.partition("@")
        return f"{name[:1]}…@{domain}"
    if kind == "name_address":
        return f"{value[:3]}…{value[-3:]}"
    return f"{value[:4]}…{value[-2:]}"


def discreet(value: Json) -> Json:
    """A value with personal data in its texts hidden, at any depth."""
    if isinstance(value, str):
        found = sorted(pii(value), key=lambda one: one.start, reverse=True) if _MAY_HOLD.search(value) else ()
        for one in found:
            value = value[: one.start] + hidden(one.kind, one.value) + value[one.end :]
        return value
    if isinstance(value, dict):
        return {discreet(key): discreet(inner) for key, inner in value.items()}
    return [discreet(inner) for inner in value] if isinstance(value, list) else value


def pii(text: str, public: str = "") -> Iterator[Found]:
    """Personal data in a text, in no order, none inside another; what also stands in `public` is left out."""
    #: where they are, in order and apart from each other
    taken: list[tuple[int, int]] = []
    for found in _all(text):
        at = bisect(taken, (found.start, found.end))
        overlaps = any(found.start < end and start < found.end for start, end in taken[max(0, at - 1) : at + 1])
        if not overlaps and found.value not in public:
            taken.insert(at, (found.start, found.end))
            yield found


def _all(text: str) -> Iterator[Found]:
    """What looks like personal data, the surest kinds first."""
    yield from (Found("secret", *key) for key in keys(text))
    if "@" in text:
        yield from (Found("email", m.group(), *m.span()) for m in _EMAIL.finditer(text) if not _FILES.search(m.group()))
    digits = sum(map(str.isdigit, text))
    if digits >= 10:
        yield from _ibans(text)
        yield from _cards(text)
    if digits >= 7:
        yield from (Found("phone", value, start, start + len(value)) for value, start in phones(text))
    if digits:
        yield from _addresses(text)


def _ibans(text: str) -> Iterator[Found]:
    from stdnum import iban

    for match in _IBAN.finditer(text):
        value = match.group()
        letters = [at for at, character in enumerate(value) if character.isalnum()]
        length = _iban_length("".join(value[at] for at in letters[:2]).upper())
        if length is None or len(letters) < length:
            continue
        # Words may follow the number.
        end = letters[length - 1] + 1
        after = text[match.start() + end : match.start() + end + 1]
        ends = not after.isalnum() or (after.islower() and value[end - 1].isdigit() and value[:2].isupper())
        if ends and iban.is_valid(re.sub(r"\W", "", value[:end]), check_country=False):
            yield Found("iban", value[:end], match.start(), match.start() + end)


@cache
def _iban_length(country: str) -> int | None:
    """Characters of a country's account numbers; None where it has none."""
    from stdnum import numdb

    _, about = numdb.get("iban").info(f"{country}00")[0]
    parts = re.findall(r"\d+", about.get("bban", ""))
    return 4 + sum(map(int, parts)) if parts else None


def _cards(text: str) -> Iterator[Found]:
    for match in _DIGITS.finditer(text):
        groups = [(group.group(), *group.span()) for group in re.finditer(r"\d+", match.group())]
        at = 0
        while at < len(groups):
            if len(groups[at][0]) < 4:
                at += 1
                continue
            size = _card(
                groups[at : at + 6], text[max(0, match.start() + groups[at][1] - 40) : match.start() + groups[at][1]]
            )
            if size:
                start, end = match.start() + groups[at][1], match.start() + groups[at + size - 1][2]
                yield Found("card", text[start:end], start, end)
            at += size or 1


def _card(groups: Sequence[tuple[str, int, int]], before: str) -> int:
    """Of how many groups of digits a card's number is that begins here; 0 where none does."""
    from stdnum import luhn

    sizes = [len(group) for group, _, _ in groups]
    for wanted in ([sizes[0]], *_GROUPS):
        if sizes[: len(wanted)] != wanted:
            continue
        number = "".join(group for group, _, _ in groups[: len(wanted)])
        following = groups[len(wanted)][0] if len(groups) > len(wanted) else ""
        if wanted[0] == wanted[-1] == 4 and following and not _END.fullmatch(following):
            continue
        named = len(wanted) == 1 and (_ABOUT_OTHERS.search(before) or re.search(r"\d[.,]$", before))
        if not named and _ISSUERS.fullmatch(number) and luhn.is_valid(number) and len(set(number)) > 1:
            return len(wanted)
    return 0


def _addresses(text: str) -> Iterator[Found]:
    """Addresses of people: with a name, or where words before them say so."""
    for pattern in _ADDRESSES:
        for match in pattern.finditer(text):
            if match["name"] or _HOME.search(text[max(0, match.start() - 60) : match.start()]):
                yield Found("name_address", match.group(), *match.span())
