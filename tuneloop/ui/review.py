"""Review: one call, or one question of a grader, at a time, and a key for each thing that can be said of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from nicegui import ui

from tuneloop import filters, scores
from tuneloop.pages import text
from tuneloop.reports.numbers import milliseconds
from tuneloop.store import Store, log_order
from tuneloop.types import Log, Message, Score
from tuneloop.ui import conversation, corrections, parts, questions, turns
from tuneloop.ui.corrections import Editor
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here
from tuneloop.ui.log import path
from tuneloop.ui.scoring import corrected, correction, give, is_own, rating, shown, tone
from tuneloop.ui.sitting import MOST, Key, Mark, Sitting, since
from tuneloop.ui.tables import when


class _Row(NamedTuple):
    """What a sitting is made of."""

    things: list[str]
    #: whether there are more than fit into one
    more: bool
    done: list[tuple[str, Mark]]
    #: answered calls that match, rated or not
    answered: bool
    #: graders that ask, and how much
    waiting: dict[str, int]


async def _review(here: Here) -> None:
    if here.query.get("grader"):
        await questions.review(here)
        return
    began = since(here)
    found = await here.do(_row, here, began)
    parts.title("Review", "Say of one answer after another whether it is good. A small model learns the good ones.")
    _asking(found.waiting)
    if not found.things:
        _nothing(here, found)
        return
    here.query["since"] = f"{began:.3f}"
    mode = _Calls(here)
    mode.sitting = Sitting(here, mode, found.things, found.done, more=found.more)
    await mode.sitting.begin()


def _row(here: Here, began: float) -> _Row:
    store, tree = here.loop.store, filters.parse(here.query.get("where", ""))
    wanted = log_order.answered if here.query.get("all") else log_order.unrated
    things, more = wanted(store.logs, tree, until=began, limit=MOST)
    at = here.query.get("at")
    if at and at not in things and store.logs.exists(at):
        things = [at, *things]
    done = _done(here, things, began) if "since" in here.query else []
    answered = bool(things) or bool(log_order.answered(store.logs, tree, until=began, limit=1).ids)
    return _Row(things, more, done, answered, dict(store.reviews.waiting()))


def _done(here: Here, things: Sequence[str], began: float) -> list[tuple[str, Mark]]:
    """What was said in this sitting before the page was loaded again."""
    found = [
        (log_id, score)
        for log_id, all_scores in here.loop.store.scores.of(things).items()
        for score in all_scores
        if score.created_at >= began and score.name == "rating" and is_own(here, score)
    ]
    found.sort(key=lambda one: one[1].created_at)
    return [(log_id, _mark(here.loop.store, score)) for log_id, score in found]


def _mark(store: Store, score: Score) -> Mark:
    word = "corrected" if score.correction else shown(score.value) if score.value is not None else "commented"
    return Mark(word, "accent" if score.correction else tone(score), lambda: scores.take_back(store, score.id))


def _nothing(here: Here, found: _Row) -> None:
    where = {"where": here.query["where"]} if here.query.get("where") else {}
    if found.more:
        with parts.empty(
            "None found yet", "Nearly all of these many calls are rated. Choose fewer of them to look at."
        ):
            parts.link("Choose other calls", f"/logs?{urlencode(where)}", "main")
        return
    if not found.answered:
        with parts.empty("Nothing to review", "No answered call matches. Calls that failed cannot be rated."):
            parts.link("Choose other calls", "/logs", "main")
        return
    with parts.empty("Everything here is rated", "Each of these calls has been rated or corrected by somebody."):
        with parts.row():
            parts.link("Back to these calls", f"/logs?{urlencode(where)}", "main")
            parts.link("Look through all of them again", f"/review?{urlencode({**where, 'all': '1'})}", "plain")


def _asking(waiting: dict[str, int]) -> None:
    """Graders that wait for people."""
    if waiting:
        with parts.row("sitting-asking"):
            parts.text("span", "Graders that ask, too:", "dim")
            for name, count in sorted(waiting.items()):
                parts.link(f"{name} ({count:,})", f"/review?{urlencode({'grader': name})}")


class _Call(NamedTuple):
    """A call, ready to be shown."""

    log: Log
    about: str
    asked: str
    answer: str


class _Calls:
    """Calls, each rated good or bad, or corrected."""

    keys: Sequence[Key] = (
        Key("g", "Good", "worth learning"),
        Key("b", "Bad", "not to be learnt"),
        Key("c", "Correct", "write the better answer; Ctrl+Enter saves it"),
    )
    sitting: Sitting[_Call]

    def __init__(self, here: Here) -> None:
        self._here = here
        self._store = here.loop.store

    def load(self, thing: str) -> _Call:
        """The call as markup."""
        log = self._store.logs.get(thing)
        found = self._store.scores.of([log.id])[log.id]
        return _Call(log, _about(log, found), _asked(log), _answer(log, found))

    def build(self) -> None:
        """Question and answer beside each other."""
        self._about = ui.html("", sanitize=False).classes("sitting-about")
        with parts.tag("div", "sitting-pair"):
            with parts.card("stack"):
                parts.text("h2", "Asked")
                self._asked = ui.html("", sanitize=False).classes("conversation")
            with parts.card("stack log-answered"):
                parts.text("h2", "Answered")
                self._answer = ui.html("", sanitize=False).classes("conversation spoken")
                self._place = parts.tag("div", "stack writing-place")

    def show(self, shown: _Call) -> None:
        """Fill the elements; they stay, so that nothing flickers."""
        self._about.content, self._asked.content, self._answer.content = shown.about, shown.asked, shown.answer
        ui.run_javascript("window.scrollTo({top: 0})")

    async def judge(self, key: str, shown: _Call) -> Mark | None:
        """Good, bad, or open the correction."""
        await self._here.allowed("reviewer")
        if key == "c":
            self._edit(shown.log)
            return None
        score = await self._here.do(give, self._here, shown.log.id, value="good" if key == "g" else "bad")
        return _mark(self._store, score)

    def finished(self) -> None:
        """On to the data set."""
        where = {"where": self._here.query["where"]} if self._here.query.get("where") else {}
        with parts.row():
            parts.link("Back to these calls", f"/logs?{urlencode(where)}", "main")
            parts.link("Data sets", "/datasets", "plain")

    def _edit(self, log: Log) -> None:
        said = corrections.answer_of(log)

        async def save(better: Message) -> None:
            async def keep() -> Mark:
                await self._here.allowed("reviewer")
                return _mark(self._store, await self._here.do(corrected, self._here, log.id, better))

            await self.sitting.said(keep)
            close()

        def close() -> None:
            self._place.clear()
            self.sitting.pause(False)

        self.sitting.pause(True)
        with self._place:
            Editor(said, said, save=save, close=close)


def _about(log: Log, found: Sequence[Score]) -> str:
    """One line of what is known of a call."""
    last, better = rating(found), correction(found)
    tokens = sum(filter(None, (log.prompt_tokens, log.completion_tokens)))
    told = [
        text(log.model),
        str(when(log.created_at).markup),
        f"{tokens:,} tokens" if tokens else "",
        milliseconds(log.latency_ms) if log.latency_ms is not None else "",
        f"rated {text(shown(last.value))}" if last is not None and last.value is not None else "",
        "corrected" if better is not None else "",
        f'<a href="{path(log.id)}">Open</a>',
    ]
    return '<span aria-hidden="true"> · </span>'.join(part for part in told if part)


def _asked(log: Log) -> str:
    """What was asked; instructions, which are the same again and again, are folded."""
    found = turns.asked(log)
    told = [turn for turn in found if turn.role in ("system", "developer")]
    rest = [turn for turn in found if turn not in told]
    folded = "".join(conversation.said(turn) for turn in told)
    head = f'<details class="instructions"><summary>Instructions</summary>{folded}</details>' if told and rest else ""
    return head + conversation.markup(rest or told)


def _answer(log: Log, found: Sequence[Score]) -> str:
    said, better = turns.answers(log), correction(found)
    markup = conversation.said(said[0]) if said else '<p class="dim">Nothing was said.</p>'
    if better is not None and better.correction:
        markup += f"<h3>Corrected</h3>{corrections.marked(corrections.answer_of(log), better.correction)}"
    return markup


PAGE = page("/review", "Review")(_review)
