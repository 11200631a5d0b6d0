"""Moments of scripts in the manner of classic films: six genres, one screenplay format."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

LONG = """You write one moment of a film script from its genre, its place, and who wants what from whom. Six \
lines in our format, nothing else:

1. slug line in capitals: INT. or EXT., the place, a hyphen, DAY or NIGHT
2. one sentence of action, with weather or light
3. the name of who wants, in capitals
4. the demand, at most eighteen words
5. the name of the other, in capitals
6. the reply, at most eighteen words

Noir is weary and bitter; screwball comedy fast and absurd; western slow and sparse; melodrama grand and tearful; \
swashbuckler gallant and boastful; space serial breathless, with strange machines. No camera directions, no \
parentheses, no other names."""

SHORT = "Write the moment as six lines of film script, in the manner of its genre."

#: places of each genre; whether they are indoors
PLACES = {
    "noir": {
        "diner": True,
        "pier": False,
        "detective's office": True,
        "back alley": False,
        "hotel lobby": True,
        "parking lot": False,
        "jazz cellar": True,
    },
    "screwball comedy": {
        "ballroom": True,
        "golf course": False,
        "newspaper office": True,
        "hotel terrace": False,
        "dining car": True,
        "zoo": False,
        "department store": True,
    },
    "western": {
        "saloon": True,
        "main street": False,
        "sheriff's office": True,
        "water hole": False,
        "barn": True,
        "canyon": False,
        "general store": True,
    },
    "melodrama": {
        "music room": True,
        "railway platform": False,
        "sickroom": True,
        "rose garden": False,
        "chapel": True,
        "lake shore": False,
        "attic room": True,
    },
    "swashbuckler": {
        "throne room": True,
        "ship's deck": False,
        "wine cellar": True,
        "castle wall": False,
        "armoury": True,
        "harbour steps": False,
        "dungeon": True,
    },
    "space serial": {
        "control room": True,
        "moon crater": False,
        "engine room": True,
        "ice plain": False,
        "laboratory": True,
        "landing field": False,
        "star palace": True,
    },
}
#: a sentence of action for each genre by day and by night
ACTION = {
    ("noir", "day"): (
        "Grey light falls through the haze, and {a} waits beside {b} with a dead cigarette.",
        "The heat sits on everything while {a} watches {b} count dirty money.",
    ),
    ("noir", "night"): (
        "Rain and neon run together while {a} steps out of the shadow towards {b}.",
        "One bare bulb swings over {b}, and {a} shuts the rain out with a slow hand.",
    ),
    ("screwball comedy", "day"): (
        "Sun everywhere as {a} hurries after {b} with one shoe and somebody's leopard.",
        "In blazing sunshine {a} backs into {b}, and forty hats roll away.",
    ),
    ("screwball comedy", "night"): (
        "Under far too many lamps {a} spins into {b} and apologises to a potted palm.",
        "The lights go out, come on again, and {a} is holding {b} by the ear.",
    ),
    ("western", "day"): (
        "Dust hangs in the hard sun, and {a} looks at {b} for a long while.",
        "The sun stands high. {a} spits, and {b} does not blink.",
    ),
    ("western", "night"): (
        "A lantern swings in the wind, and {a} stands before {b} without a word.",
        "Cold stars, far coyotes. {a} lays a hand on the belt, and {b} sees it.",
    ),
    ("melodrama", "day"): (
        "Pale sunlight trembles on the floor as {a} sinks down before {b}.",
        "Spring light, cruelly bright, shows every tear of {a} to {b}.",
    ),
    ("melodrama", "night"): (
        "By the light of one candle {a} turns a tear-stained face to {b}.",
        "The storm beats on and {a}, pale as the moon, clings to the hand of {b}.",
    ),
    ("swashbuckler", "day"): (
        "Sunlight flashes on steel as {a} leaps down in front of {b} and bows.",
        "In the bright wind {a} cuts a rope, lands before {b} and doffs a feathered hat.",
    ),
    ("swashbuckler", "night"): (
        "Torches flare in the wind when {a} swings out of the dark at {b}.",
        "Moonlight runs along two blades, and {a} smiles at {b} across them.",
    ),
    ("space serial", "day"): (
        "Two suns blaze on brass dials while {a} runs to {b} through a hiss of steam.",
        "In the violet daylight a great dish turns, and {a} shouts to {b} above its roar.",
    ),
    ("space serial", "night"): (
        "Green sparks leap under strange stars as {a} seizes the arm of {b}.",
        "Three moons rise over the humming coils, and {a} pulls {b} back from the beam.",
    ),
}
#: demands
DEMANDS = {
    "noir": (
        "I came for {x}, {b}. Don't make me ask twice.",
        "Hand over {x}, {b}, and we both get old.",
        "Let's skip the lies tonight. Where's {x}?",
    ),
    "screwball comedy": (
        "Darling, I simply must have {x}, it's for my aunt and possibly a goose.",
        "Would you mind awfully giving me {x} before the judge wakes?",
        "Don't argue, {b}, just throw me {x} and look like a bishop!",
    ),
    "western": (
        "I'll be taking {x} now, {b}.",
        "Reckon {x} belongs to me.",
        "Rode nine days for {x}. Ain't riding back without.",
    ),
    "melodrama": (
        "Oh, {b}, grant me {x}, and I shall ask heaven for nothing more.",
        "If ever you loved me, {b}, let me have {x}.",
        "Only {x} can heal this poor heart. Do not be cruel!",
    ),
    "swashbuckler": (
        "Yield me {x}, {b}, and keep your moustache.",
        "By your leave, {b}, {x} sails with me tonight.",
        "I have crossed three seas for {x}, and I never go home hungry!",
    ),
    "space serial": (
        "Quick, {b}, {x}, or the planet bursts in nine minutes!",
        "Give me {x}, {b}. The robots of Zarn are at the hatch!",
        "Only {x} can stop the comet now, {b}!",
    ),
}
#: replies
REPLIES = {
    "noir": (
        "You're late. In this town {x} only brings the undertaker.",
        "Nobody gets old around {x}. They just get tired.",
        "I sold {x} for a bottle. It was a bad bottle.",
    ),
    "screwball comedy": (
        "But I am engaged to {x}. Or was until lunch, do keep up.",
        "Give you {x}? We've not even been properly divorced!",
        "I never lend {x} on a Thursday, it upsets the butler.",
    ),
    "western": (
        "Men have died over {x}. Mostly quick ones.",
        "Come and get it slow, {a}.",
        "Then you'd best get comfortable.",
    ),
    "melodrama": (
        "Too late, my heart. I gave {x} away the night you left.",
        "I loved you, and {x} is all that love has left me.",
        "Weep no more, {a}. Fate itself has locked {x} away!",
    ),
    "swashbuckler": (
        "For {x} you must first dance with my blade, {a}.",
        "Ha! Ten better men have begged for {x}, and I buried them politely.",
        "Take {x}, then, if your arm is as long as your tongue!",
    ),
    "space serial": (
        "Impossible, {a}! The ray has sealed {x} behind the atom gate!",
        "Never! With {x} I shall rule the seven moons!",
        "Hold on, {a}, the magnetic storm has swallowed {x}!",
    ),
}
#: what is wanted
THINGS = {
    "noir": (
        "the photographs,the ledger,the truth,the key to locker nine,the ring,the last ticket south,the tape,"
        "the widow's letter"
    ),
    "screwball comedy": (
        "the penguin,the marriage licence,the hat,the headline,the tiara,the wrong suitcase,the trombone,the cake"
    ),
    "western": "the deed,the grey horse,the badge,the map,the water rights,the silver watch,the rifle,the last whiskey",
    "melodrama": (
        "the child,the old song,the letter,forgiveness,the locket,one last waltz,the truth of that summer,the violin"
    ),
    "swashbuckler": (
        "the crown,the prisoner,the map of the isles,the ruby,the queen's glove,the ship,the royal seal,the sword"
    ),
    "space serial": (
        "the crystal,the star chart,the cure,the radium key,the rocket,the frozen princess,the code,the time engine"
    ),
}
NAMES = {
    "noir": "Vera,Jack,Lou,Mona,Eddie,Walsh,Ruth,Sal",
    "screwball comedy": "Bunny,Ralph,Constance,Peabody,Hildy,Walter,Trudy,Gerald",
    "western": "Cole,Martha,Tate,Judge Lamb,Ellie,Sam,Dutch,Abel",
    "melodrama": "Helena,Edmund,Clara,Sister Agnes,Rudolf,Lily,Count Orlo,Marguerite",
    "swashbuckler": "Don Rafael,Isabel,Captain Flint,Gaston,Lady Blanche,Rico,Baron Voss,Armand",
    "space serial": "Captain Nova,Doctor Quill,Zara,Emperor Krang,Buck,Lieutenant Vale,Orla,Tarkon",
}
ASKED = [
    "{genre}: {place}, {time}. {a} wants {x} from {b}.",
    "A {genre} moment. Place: {place}, by {time}. {a} demands {x}, and {b} has it.",
    "{genre}, {place}, {time}: {a} asks {b} for {x}",
    "Where: {place} ({time}). Genre: {genre}. {a} is after {x}; {b} won't part with it.",
    "{a} has come for {x} and {b} stands in the way. {genre}, {place}, {time}.",
]


def pairs(dice: Random) -> Iterator[tuple[str, str]]:
    """Tasks and moments without end, genre by genre in turn."""
    while True:
        for genre, places in PLACES.items():
            place, indoors = dice.choice(list(places.items()))
            time = dice.choice(["day", "night"])
            a, b = dice.sample(NAMES[genre].split(","), 2)
            slots = {"genre": genre, "place": place, "time": time, "a": a, "b": b}
            slots["x"] = dice.choice(THINGS[genre].split(","))
            asked = dice.choice(ASKED).format(**slots)
            slug = f"{'INT' if indoors else 'EXT'}. {place.upper()} - {time.upper()}"
            action, demand, reply = map(dice.choice, (ACTION[genre, time], DEMANDS[genre], REPLIES[genre]))
            lines = "\n".join([slug, action, "{A}", demand, "{B}", reply])
            yield asked[0].upper() + asked[1:], lines.format(A=a.upper(), B=b.upper(), **slots)
