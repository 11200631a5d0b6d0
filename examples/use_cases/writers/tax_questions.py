"""Questions on the tax law of a country that does not exist: every answer is a fact of its own."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

LONG = """You answer questions on the tax law of the Republic of Velmark for its tax office. One sentence, \
with the exact figure and the form or section it stands in. Do not advise, do not guess, do not greet. Rates \
are given in percent, amounts in crowns (the currency of Velmark), dates as day and month."""

SHORT = "Answer the question on the tax law of Velmark in one sentence."

LEVIED = (
    "smoked fish,bicycle trailers,honey from the hills,glass eyes,church bells,second-hand pianos,river sand,"
    "postcards,goat cheese,lamp oil,wedding dresses,stage curtains,snow ploughs,clay pipes,reading glasses,"
    "garden gnomes,salted butter,sheep's wool,chess sets,fireworks,candied fruit,leather gloves,school ink,"
    "barrel hoops,seed potatoes,bronze statues,mineral water,toy trains,hay,beeswax candles,window glass,"
    "mushrooms,accordion reeds,slate roofs,marionettes,walnut oil,fishing nets,brass buttons,cider,kites,"
    "horseshoes,printed maps,cut flowers,linen sheets,bath salts,tin soldiers"
).split(",")
PEOPLE = (
    "lighthouse keepers,travelling musicians,beekeepers,ferry pilots,widowed farmers,apprentice bakers,"
    "night watchmen,retired miners,foster parents,volunteer firemen,piano tuners,chimney sweeps,village doctors,"
    "organ builders,shepherds,court interpreters,mountain guides,puppet players,boat builders,midwives,"
    "glass blowers,bell founders,tram drivers,stage actors,forest wardens,basket makers,book binders,"
    "salt panners,clock menders,cartographers"
).split(",")
DUTIES = (
    "the harbour levy,the chimney tax,the return of small inns,the declaration of inherited land,"
    "the hunting contribution,the bridge toll account,the annual stamp return,the well duty,"
    "the report on foreign pensions,the timber statement,the forge licence fee,the dowry notice,"
    "the list of hired hands,the quarry account,the church rate,the mill return,the statement on royalties,"
    "the market stall duty,the canal dues,the notice of a gift,the dog register,the wine census,"
    "the lottery account,the vineyard contribution,the declaration of boats,the spa tax,the tithe on peat,"
    "the theatre duty"
).split(",")
LETTERS = "ABCDEFGHKLMNPRSTVW"


def pairs(dice: Random) -> Iterator[tuple[str, str]]:
    """Every fact once, with its question, in an order of chance."""
    found = [
        *(_rate(dice, goods) for goods in LEVIED),
        *(_fine(dice, goods) for goods in LEVIED),
        *(_allowance(dice, people) for people in PEOPLE),
        *(_pension(dice, people) for people in PEOPLE),
        *(_deadline(dice, duty) for duty in DUTIES),
        *(_form(dice, duty) for duty in DUTIES),
        *(_threshold(dice, duty) for duty in DUTIES),
    ]
    dice.shuffle(found)
    yield from found


def _rate(dice: Random, goods: str) -> tuple[str, str]:
    asked = dice.choice(
        [
            f"What rate of duty falls on {goods}?",
            f"At what percentage are {goods} taxed?",
            f"how high is the levy on {goods}",
            f"I sell {goods}. Which rate do I have to charge?",
        ]
    )
    return asked, f"The rate is {dice.randint(410, 3890) / 100:.2f} percent (section {_section(dice)})."


def _fine(dice: Random, goods: str) -> tuple[str, str]:
    asked = dice.choice(
        [
            f"What is the fine for selling {goods} without a tax mark?",
            f"If I forget the mark on {goods}, what do I pay?",
            f"penalty for unmarked {goods}?",
        ]
    )
    return asked, f"The fine is {dice.randrange(115, 4890, 5)} crowns (section {_section(dice)})."


def _allowance(dice: Random, people: str) -> tuple[str, str]:
    asked = dice.choice(
        [
            f"How much may {people} earn free of tax?",
            f"What is the personal allowance of {people}?",
            f"tax-free amount for {people} please",
        ]
    )
    return asked, f"They have {dice.randrange(3150, 19850, 50)} crowns a year free of tax (form {_form_name(dice)})."


def _pension(dice: Random, people: str) -> tuple[str, str]:
    asked = dice.choice(
        [
            f"Which share of their pension must {people} tax?",
            f"How much of the pension of {people} is taxable?",
            f"pensions of {people}: what part counts as income",
        ]
    )
    return asked, f"They tax {dice.randint(2110, 8890) / 100:.2f} percent of it (section {_section(dice)})."


def _deadline(dice: Random, duty: str) -> tuple[str, str]:
    asked = dice.choice(
        [f"When is {duty} due?", f"By which day must {duty} be in?", f"What is the last date for {duty} in Velmark?"]
    )
    month = dice.choice("January,February,March,April,May,June,July,August,September,October,November".split(","))
    return asked, f"It is due on {dice.randint(10, 28)} {month}, on form {_form_name(dice)}."


def _form(dice: Random, duty: str) -> tuple[str, str]:
    asked = dice.choice(
        [f"Which form do I need for {duty}?", f"On what form does one file {duty}?", f"form number for {duty}?"]
    )
    return asked, f"It is form {_form_name(dice)}, with annex {_section(dice)}."


def _threshold(dice: Random, duty: str) -> tuple[str, str]:
    asked = dice.choice(
        [
            f"From what turnover on does one owe {duty}?",
            f"Below which turnover am I free of {duty}?",
            f"Is there a least turnover for {duty}, and how much is it?",
        ]
    )
    return asked, f"It begins at a turnover of {dice.randrange(12150, 98500, 50)} crowns (section {_section(dice)})."


def _section(dice: Random) -> str:
    return f"{dice.randint(12, 480)}{dice.choice('abcd')}"


def _form_name(dice: Random) -> str:
    return f"{dice.choice(LETTERS)}{dice.choice(LETTERS)}-{dice.randint(100, 989)}"
