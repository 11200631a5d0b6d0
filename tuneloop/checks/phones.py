"""Phone numbers: by the numbering plans of libphonenumber, by how they are written, and by the words around them.

A number with a country's prefix is one wherever it stands. Others look like order numbers, amounts and dates: they are
phone numbers where they are written as such, or where the nearest word before them that speaks of numbers says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tuneloop.checks.texts import any_of

_NUMBER = re.compile(r"(?<![\w@.,:/#$€£=-])(?:\+ ?|\(\+)?\(?\d(?:[ \u00a0()/.‑–-]{0,3}\d){6,30}(?![\w@%]|[,:]\d)")
#: "tel:+44...", "Phone=0..."
_GLUED = re.compile(r"(?<=[:=/])(?:\+|0)\d[\d ()./-]{6,20}\d(?![\w@%]|[,:]\d)")
_ABOUT = any_of(
    "tel telephone phone(?:s)? mobile cell(?:phone)? call(?:ed|ing)? ring text(?:ed)? reach sms whatsapp fax dial "
    "contact (?:my|our|new|his|her|work|home)\\snumber telefon\\w* handy\\w* mobil\\w* móvil anruf\\w* rufen rückruf "
    "erreichbar tél téléphone portable appel\\w* rappel\\w* teléfono telefono cellulare llám\\w* llama\\w* "
    "chiam\\w* bel bellen numéro nummer número numero telefone celular ligue"
)
_ABOUT_OTHERS = any_of(
    "order(?:s)? invoice(?:s)? ticket(?:s)? ref(?:erence)? tracking parcel(?:s)? package shipment customer serial "
    "account iban isbn issn zip sku article item(?:s)? model booking case policy meter error code id imei transaction "
    "po vat postcode ean ups dhl fedex usps pin bitcoin version build ip uuid timestamp coordinates lat lon contract "
    "member membership card(?:s)? amount price cost(?:s)? pay paid total years? pages? size date bestell\\w* "
    "rechnung\\w* kunden\\w* commande pedido factura ordine part passport licence license case centre center option"
)
_BEFORE = re.compile(rf"\b(?:(?P<phone>{_ABOUT})|(?P<other>{_ABOUT_OTHERS}))\b", re.IGNORECASE)
_AFTER = re.compile(
    r"\W{0,3}(?:is|are) (?:my|our|the|his|her) (?:\w+ )?(?:number|phone|mobile|cell)|\W{0,3}(?:please )?(?:call|ring|"
    r"text|phone) (?:me|us)\b|\W{0,3}(?:is )?(?:where|how) (?:you|to) (?:can )?(?:reach|call)",
    re.IGNORECASE,
)
_NO_PHONE = re.compile(
    # dates and times
    r"(?:19|20)\d\d[-/. ]\d{1,2}[-/. ]\d{1,2}(?:\D.*)?|\d{1,2}[-/. ]\d{1,2}[-/. ](?:19|20)\d\d(?:\D.*)?"
    r"|\d{1,2}[-/.]\d{1,2}[-/.]\d\d|(?:(?:19|20)\d\d\W*)+"
    # amounts, decimals, addresses in networks, books
    r"|\d{1,3}(?:[ .]000)+|0\.\d+.*|\d+\.\d\d? .*|(?:\d{1,3}\.){3}\d{1,3}|97[89][ -].*|\d-\d{2,6}-\d{2,6}-[\dX]"
    # years in brackets
    r"|\((?:19|20)\d\d\).*"
)
#: North America's numbers, and numbers with their area in brackets
_WRITTEN = re.compile(r"(?:1[-. ])?\(?[2-9]\d\d\)?[-. ]{0,2}[2-9]\d\d[-. ]\d{4}|\d? ?\(0?\d{2,5}\)[ -]?[\d -]{5,12}")
#: where a number without a country's prefix may be from
_REGIONS = ("GB", "US", "DE", "FR", "ES", "IT", "NL", "IN", "AU", "IE", "RU", "BR", "JP", "PL")


def phones(text: str) -> Iterator[tuple[str, int]]:
    """Phone numbers in a text, and where they begin."""
    for pattern in (_NUMBER, _GLUED):
        for match in pattern.finditer(text):
            start = match.start()
            for value in _parts(match.group()):
                at = text.index(value, start)
                start = at + len(value)
                if whole := _phone(value, text[max(0, at - 40) : at], text[start : start + 40]):
                    yield whole, at


def _parts(value: str) -> list[str]:
    """A run of digits, or the several numbers that it is too long for."""
    value = value.rstrip(" (-./–‑\u00a0")
    if sum(map(str.isdigit, value)) <= 15:
        return [value]
    return [part for part in re.split(r" ?[/–] ?| (?=0\d{3,})| {2,}", value) if len(part) >= 7]


def _phone(value: str, before: str, after: str) -> str | None:
    """The phone number that a value is, without what follows it; None where it is none."""
    if _NO_PHONE.fullmatch(value) or _is_list(value):
        return None
    if value.startswith(("+", "(+")):
        return _possible(value)
    said = list(_BEFORE.finditer(before))
    about = bool(said and said[-1]["phone"]) or _AFTER.match(after) is not None
    if said and not about and not _is_certain(value):
        return None
    if value.startswith("00") and (whole := _possible(value)):
        return whole
    digits = sum(map(str.isdigit, value))
    written = (value.lstrip("(").startswith("0") and digits >= 9) or _WRITTEN.fullmatch(value) is not None
    if not written and not (about and (digits >= 8 or re.fullmatch(r"\d{3}[-. ]\d{4}", value))):
        return None
    return value if digits <= 13 and any(_possible(value, region) for region in _REGIONS) else None


def _is_certain(value: str) -> bool:
    """Whether only phone numbers are written so."""
    return bool(
        re.fullmatch(r"\([2-9]\d\d\) ?[2-9]\d\d[-. ]\d{4}|0[1-9]\d{3} \d{6}|0[1-9]\d{1,3} \d{3,4} \d{3,4}", value)
    )


def _is_list(value: str) -> bool:
    """Whether a value is rather several small numbers."""
    groups = re.findall(r"\d+", value)
    return len(groups) > 7 or len(groups) > 2 * sum(len(group) > 1 for group in groups)


def _possible(value: str, region: str | None = None) -> str | None:
    """The value, or its beginning without a last group, that its country's plan allows."""
    import phonenumbers

    for candidate in (value, re.sub(r"[ .-]+\d{1,2}$", "", value)):
        number = candidate.replace("(+", "+", 1)
        try:
            if region is None and number.startswith("00"):
                number = "+" + number[2:].lstrip()
            if phonenumbers.is_possible_number(phonenumbers.parse(number, region)):
                return candidate
        except phonenumbers.NumberParseException:
            continue
    return None
