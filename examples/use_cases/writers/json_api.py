"""A smart home's front end: what somebody says becomes one call of its API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

LONG = """You turn what people say to their house into one call of its API. Reply with one JSON object on one \
line, nothing else.

{"call": "light", "room": ROOM, "level": 0 to 100}
{"call": "heating", "room": ROOM, "celsius": number}
{"call": "blinds", "room": ROOM, "open": 0 to 100}
{"call": "timer", "minutes": number, "for": words}
{"call": "door", "door": DOOR, "locked": true or false}
{"call": "list", "add": words}
{"call": "music", "room": ROOM, "play": words}

ROOM is kitchen, living_room, bedroom, bathroom, office, hall, nursery or attic. DOOR is front, back, garage \
or cellar. Off is level 0, full is 100, half is 50. Shut is open 0. Copy words as they were said."""

SHORT = "Turn what is said to the house into its API call, as JSON."

ROOMS = {
    "kitchen": ["the kitchen"],
    "living_room": ["the living room", "the lounge", "the sitting room"],
    "bedroom": ["the bedroom", "our bedroom"],
    "bathroom": ["the bathroom", "the bath"],
    "office": ["the office", "my study"],
    "hall": ["the hall", "the hallway"],
    "nursery": ["the nursery", "the baby's room"],
    "attic": ["the attic", "the loft"],
}
DOORS = {
    "front": ["the front door", "the main door"],
    "back": ["the back door", "the garden door"],
    "garage": ["the garage", "the garage door"],
    "cellar": ["the cellar", "the cellar door"],
}
LIGHT_TO = [
    "Dim {room} to {n} percent",
    "set the lights in {room} to {n}",
    "{n} percent light in {room} please",
    "Bring the lamps in {room} to {n}",
    "could you put the light in {room} at {n}",
    "I'd like {room} at {n} percent brightness",
    "make it {n} percent bright in {room}",
]
LIGHT_WORDS = {
    0: [
        "Switch off the light in {room}",
        "lights out in {room}",
        "it should be dark in {room}",
        "Kill the lamps in {room}",
    ],
    100: ["full light in {room}", "Make {room} as bright as it gets", "All lamps on in {room}, full power"],
    50: ["Half the light in {room} will do", "dim {room} by half", "put {room} on half brightness"],
}
HEATING = [
    "Heat {room} to {n} degrees",
    "set {room} to {n} degrees please",
    "I want {n} degrees in {room}",
    "could it be {n} degrees in {room}",
    "Turn the radiator in {room} to {n}",
    "warm {room} up to {n}",
    "{room} is too chilly, make it {n} degrees",
    "let {room} cool to {n} degrees",
]
BLINDS_WORDS = {
    0: [
        "Close the blinds in {room}",
        "shut the blinds in {room} please",
        "blinds down in {room}, the sun is blinding me",
    ],
    100: ["Open the blinds in {room}", "blinds up in {room}", "let the daylight into {room}"],
    50: ["blinds half way in {room}", "Open the blinds in {room} by half", "half close the blinds in {room}"],
}
BLINDS_TO = ["Open the blinds in {room} to {n} percent", "set the blinds of {room} to {n}", "blinds at {n} in {room}"]
TIMER = [
    "Set a timer of {n} minutes for {what}",
    "{n} minutes for {what}",
    "remind me of {what} in {n} minutes",
    "timer, {n} minutes, {what}",
    "Tell me in {n} minutes to look after {what}",
    "Wake me in {n} minutes for {what}",
    "I need {n} minutes on the clock for {what}",
]
TIMED = (
    "the eggs,the pasta,the bread,the washing,yoga,the cake,my nap,the rice,the call with Nina,the tea,the roast,"
    "homework,the sprinkler,the soup,the football match,a walk with Bruno,the pizza,piano practice,the iron,"
    "the bins"
).split(",")
LOCKED = {
    True: [
        "Lock {door}",
        "is {door} locked? If not, lock it",
        "make sure that {door} is locked",
        "Bolt {door} for the night",
    ],
    False: ["Unlock {door}", "open {door} for the postman", "let my aunt in by {door}", "{door} may be unlocked now"],
}
LIST = [
    "Put {what} on the list",
    "we are out of {what}",
    "add {what} to the shopping list",
    "don't let me forget to buy {what}",
    "We need {what}",
    "{what}, on the list please",
    "I have to get {what} tomorrow, note that",
    "shopping: {what}",
]
GOODS = (
    "oat milk,toothpaste,two lemons,cat food,bin bags,brown rice,a birthday card,candles,washing powder,ten eggs,"
    "olive oil,batteries,a bunch of parsley,coffee beans,light bulbs,nappies,sparkling water,red onions,"
    "a new sponge,dog biscuits,flour,honey,matches,paper towels,tuna,soap,sunflower seeds,plasters,baking powder,"
    "a jar of pickles,frozen peas,black tea,string,cheddar,dishwasher tablets,ginger,shampoo,a bag of ice,"
    "cinnamon,stamps"
).split(",")
MUSIC = [
    "Play {what} in {room}",
    "some {what} in {room} please",
    "I feel like {what} in {room}",
    "put {what} on in {room}",
    "Can we have {what} in {room}",
    "let {room} hear {what}",
]
TUNES = (
    "jazz,Bach,the news,rain sounds,old tango records,my running mix,lullabies,a waltz,the Beatles,whale songs,"
    "swing,piano music,Italian pop,the radio play,techno,country ballads,Chopin,a cello suite,party songs,"
    "bird song,blues,the football report,film music,reggae"
).split(",")
BEFORE = ["", "", "", "", "", "Hey house, ", "Please, ", "ok, ", "Oh, and ", "Quick: ", "Good evening! ", "Now "]


def pairs(dice: Random) -> Iterator[tuple[str, str]]:
    """Requests and calls without end, kind by kind in turn, none twice with another greeting only."""
    asked: set[str] = set()
    while True:
        for kind in (_light, _heating, _blinds, _timer, _door, _list, _music):
            said, call = kind(dice)
            if said.lower() not in asked:
                asked.add(said.lower())
                yield _greeted(said, dice), json.dumps(call)


def _greeted(said: str, dice: Random) -> str:
    before = dice.choice(BEFORE)
    if before and not before.endswith(("! ", ": ")) and not said.startswith(("I ", "I'd ")):
        said = said[0].lower() + said[1:]
    return before + said + dice.choice(["", "", "."])


def _room(dice: Random) -> tuple[str, str]:
    room = dice.choice(list(ROOMS))
    return room, dice.choice(ROOMS[room])


def _light(dice: Random) -> tuple[str, dict]:
    room, words = _room(dice)
    if dice.random() < 0.5:
        level = dice.choice(list(LIGHT_WORDS))
        return dice.choice(LIGHT_WORDS[level]).format(room=words), {"call": "light", "room": room, "level": level}
    level = dice.randrange(5, 100, 5)
    return dice.choice(LIGHT_TO).format(room=words, n=level), {"call": "light", "room": room, "level": level}


def _heating(dice: Random) -> tuple[str, dict]:
    room, words = _room(dice)
    celsius = dice.randint(15, 25)
    said = dice.choice(HEATING).format(room=words, n=celsius)
    return said[0].upper() + said[1:], {"call": "heating", "room": room, "celsius": celsius}


def _blinds(dice: Random) -> tuple[str, dict]:
    room, words = _room(dice)
    if dice.random() < 0.7:
        share = dice.choice(list(BLINDS_WORDS))
        return dice.choice(BLINDS_WORDS[share]).format(room=words), {"call": "blinds", "room": room, "open": share}
    share = dice.randrange(10, 100, 10)
    return dice.choice(BLINDS_TO).format(room=words, n=share), {"call": "blinds", "room": room, "open": share}


def _timer(dice: Random) -> tuple[str, dict]:
    minutes, what = dice.choice([3, 4, 5, 6, 8, 10, 12, 15, 18, 20, 25, 30, 35, 40, 45, 50, 60, 90]), dice.choice(TIMED)
    return dice.choice(TIMER).format(n=minutes, what=what), {"call": "timer", "minutes": minutes, "for": what}


def _door(dice: Random) -> tuple[str, dict]:
    door, locked = dice.choice(list(DOORS)), dice.random() < 0.5
    said = dice.choice(LOCKED[locked]).format(door=dice.choice(DOORS[door]))
    return said[0].upper() + said[1:], {"call": "door", "door": door, "locked": locked}


def _list(dice: Random) -> tuple[str, dict]:
    what = dice.choice(GOODS)
    return dice.choice(LIST).format(what=what), {"call": "list", "add": what}


def _music(dice: Random) -> tuple[str, dict]:
    (room, words), what = _room(dice), dice.choice(TUNES)
    return dice.choice(MUSIC).format(room=words, what=what), {"call": "music", "room": room, "play": what}
