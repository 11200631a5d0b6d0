"""A maker of rain gear: a plain note from the warehouse becomes a message in the voice of the brand."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

LONG = """You write to customers for Puddle & Co, makers of rain gear. You get a note from the warehouse and return \
the message, ready to send: two short sentences and our farewell.

Voice: cheerful, dry wit, British. Speak of the weather as of a difficult relative. Name every number, name and day \
of the note, and add no facts.
Our words: raincoats are Drizzlers, boots are Stompers, umbrellas are Canopies, trousers are Splashers, hats are \
Brims, bags are Drybags, capes are Big Tops, socks are Toasties.
Begin with the name. Good news ends with "Stay puddly!", bad news with "Dry wishes, Puddle & Co". No exclamation \
mark elsewhere, no emoji, no "dear customer"."""

SHORT = "Write the note as a message in the voice of Puddle & Co."

NAMES = (
    "Ada,Bram,Carla,Dev,Esme,Femi,Gus,Hattie,Ivo,Jun,Kirsten,Lowell,Mina,Noor,Otis,Priya,Quentin,Rosa,Sol,Tilda,"
    "Uma,Viktor,Wren,Xanthe,Yusuf,Zoe,Alba,Benno,Cleo,Dara,Elif,Finn,Greta,Hugo,Isla,Jonas,Kemi,Leif,Maud,Nico"
).split(",")
#: how the warehouse calls the goods: one and several; and how the brand does
GOODS = {
    ("raincoat", "raincoats"): ("Drizzler", "Drizzlers"),
    ("pair of boots", "boots"): ("pair of Stompers", "Stompers"),
    ("umbrella", "umbrellas"): ("Canopy", "Canopies"),
    ("pair of trousers", "trousers"): ("pair of Splashers", "Splashers"),
    ("hat", "hats"): ("Brim", "Brims"),
    ("bag", "bags"): ("Drybag", "Drybags"),
    ("cape", "capes"): ("Big Top", "Big Tops"),
    ("pair of socks", "socks"): ("pair of Toasties", "Toasties"),
}
COLOURS = "yellow,navy,green,red,grey,plum,orange,black,teal,white".split(",")
DAYS = "Monday,Tuesday,Wednesday,Thursday,Friday,Saturday".split(",")
CARRIERS = "post,courier,bicycle messenger,parcel locker".split(",")


class Kind(NamedTuple):
    """What a note may be about: ways to note it down, first and second sentences of the message, and its farewell."""

    notes: tuple[str, ...]
    first: tuple[str, ...]
    second: tuple[str, ...]
    farewell: str


GOOD, BAD = "Stay puddly!", "Dry wishes, Puddle & Co"
#: slots: {name}, {one} and {many} goods as the warehouse calls them, {One} and {Many} as the brand does, {day}, {n} a
#: number, {carrier}
KINDS = (
    Kind(
        (
            "{name}: {one} sent today by {carrier}, arrives {day}.",
            "Order of {name} left the warehouse ({one}, {carrier}). Due {day}.",
            "shipped to {name}: {one}. {carrier}, {day}",
            "{carrier} has {one} for {name}, should be there {day}",
        ),
        (
            "your {One} has put on its travelling shoes.",
            "we have waved your {One} goodbye, and only one of us cried.",
        ),
        (
            "It comes by {carrier} and knocks on {day}, whatever the sky has to say about it.",
            "The {carrier} brings it on {day}, weather permitting or not.",
        ),
        GOOD,
    ),
    Kind(
        (
            "{name}: {one} delayed, now {day}.",
            "Delay for {name}, {one} will not be there before {day}.",
            "{one} for {name} late. new date {day}",
            "Supplier trouble, {one} of {name} moves to {day}.",
        ),
        (
            "your {One} is dawdling, much like a drizzle in November.",
            "your {One} has missed its bus, and we blame the fog.",
        ),
        ("We have had a stern word with it, and it promises {day}.", "It will be with you on {day}, looking sheepish."),
        BAD,
    ),
    Kind(
        (
            "{name}: {many} sold out until {day}.",
            "No {many} left for {name}. Next delivery {day}.",
            "out of stock: {many} ({name}), back {day}",
            "can't fill order of {name} before {day}, {many} are gone",
        ),
        (
            "the clouds have been busy and so have our tills: not one of the {Many} is left.",
            "a wet week has carried off the last of the {Many}.",
        ),
        ("Fresh ones float in on {day}.", "We fill the shelf again on {day} and keep one eye on yours."),
        BAD,
    ),
    Kind(
        (
            "{name}: {many} back in stock, {n} pieces.",
            "Tell {name} that {many} are here again. We have {n}.",
            "restocked {many}, {n} of them, {name} had asked",
            "{n} {many} came in. {name} is on the waiting list.",
        ),
        ("guess who is back from holiday: the {Many}.", "dry your tears, for the {Many} have come home."),
        (
            "There are {n} of them on the shelf, and the forecast is on their side.",
            "All {n} of them are looking out of the window for you.",
        ),
        GOOD,
    ),
    Kind(
        (
            "{name}: refund of {n} pounds for {one}, on account by {day}.",
            "Refunded {name} {n} pounds ({one}). Money there {day}.",
            "{n} pounds back to {name} for {one}, takes until {day}",
            "{one} returned by {name}, we pay {n} pounds, bank says {day}.",
        ),
        (
            "your {n} pounds for the {One} are swimming home.",
            "the {One} is back with us, so {n} pounds are on their way to you.",
        ),
        ("They should climb ashore on your account by {day}.", "Look for them on {day}, a little damp but complete."),
        GOOD,
    ),
    Kind(
        (
            "{name}: return of {one} refused, worn for {n} weeks.",
            "Can't take back {one} from {name}, used for {n} weeks.",
            "return rejected, {name}, {one}, {n} weeks of wear",
            "{name} wants to return {one} after {n} weeks of use. No.",
        ),
        (
            "your {One} has seen {n} weeks of weather and tells wonderful stories.",
            "after {n} weeks in the rain a {One} becomes part of the family.",
        ),
        ("That makes it yours for keeps, so we cannot take it back.", "We could not part you two, and so it stays."),
        BAD,
    ),
    Kind(
        (
            "{name}: repair of {one} done, collect from {day}.",
            "{one} of {name} is mended. Pick up from {day}.",
            "mended {one}, {name} can fetch it {day} or later",
            "workshop has finished {one} ({name}), ready {day}",
        ),
        (
            "your {One} has been to the doctor and laughs at clouds again.",
            "the patient is well: your {One} holds water out once more.",
        ),
        ("It receives visitors from {day} on.", "Fetch it from {day} on, before it gets bored."),
        GOOD,
    ),
    Kind(
        (
            "{name}: {one} can't be repaired. Offer {n} percent off a new one.",
            "Repair of {one} not possible, {name} gets {n} percent on the next.",
            "beyond repair: {one} ({name}), give {n} percent",
            "{one} of {name} is too far gone. {n} percent on another.",
        ),
        (
            "we did all we could, but your {One} has fought its last storm.",
            "your {One} has gone where the sun always shines.",
        ),
        ("Its heir costs you {n} percent less.", "In its memory we take {n} percent off the next."),
        BAD,
    ),
    Kind(
        (
            "{name}: wrong colour sent, {one} follows {day}, keep the other.",
            "We packed the wrong colour for {name}. {one} comes {day}, no need to send back the first.",
            "colour mix-up, {name}: right {one} on {day}, the wrong one is a gift",
            "{name} was to get {one}, got another colour. Right one {day}, other one free.",
        ),
        (
            "somebody packed your parcel in the fog, and it was us.",
            "it seems that rain washes out labels as well as plans.",
        ),
        (
            "The right {One} arrives on {day}, and the stray one may live with you.",
            "Your {One} follows on {day}; the other is yours, as a souvenir of our shame.",
        ),
        BAD,
    ),
    Kind(
        (
            "{name}: invite to sale of {many} on {day}, {n} percent off.",
            "Sale on {day}: {many} at {n} percent less. For {name}.",
            "{n} percent off {many} this {day}, write to {name}",
            "let {name} know, {many} reduced by {n} percent on {day}",
        ),
        (
            "the sky plans to misbehave, so we lower the price of shelter.",
            "our barometer has fallen, and the prices went with it.",
        ),
        ("On {day} all {Many} go for {n} percent less.", "Come on {day}: the {Many} shed {n} percent."),
        GOOD,
    ),
)


def pairs(dice: Random) -> Iterator[tuple[str, str]]:
    """Notes and messages without end, kind by kind in turn."""
    while True:
        for kind in KINDS:
            (one, many), (own, owns) = dice.choice(list(GOODS.items()))
            colour = dice.choice(COLOURS)
            slots = {
                "name": dice.choice(NAMES),
                "one": _coloured(colour, one),
                "One": _coloured(colour, own),
                "many": f"{colour} {many}",
                "Many": f"{colour} {owns}",
                "day": dice.choice(DAYS),
                "n": dice.choice([*range(5, 60, 5), *range(2, 30)]),
                "carrier": dice.choice(CARRIERS),
            }
            note = dice.choice(kind.notes).format(**slots)
            said = f"{{name}}, {dice.choice(kind.first)} {dice.choice(kind.second)} {kind.farewell}"
            yield note[0].upper() + note[1:], said.format(**slots)


def _coloured(colour: str, thing: str) -> str:
    return thing.replace("pair of ", f"pair of {colour} ") if thing.startswith("pair of") else f"{colour} {thing}"
