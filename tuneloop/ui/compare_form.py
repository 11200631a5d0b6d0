"""What is filled in for a new comparison: a data set, models, how answers are graded, what it may cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nicegui import ui

from tuneloop.graders import METRICS
from tuneloop.loop import Loop
from tuneloop.reports.numbers import plural
from tuneloop.types import SPLITS, Dataset, Json
from tuneloop.ui import forms, parts
from tuneloop.ui.here import Here

_COMPARE, _TUNE = "compare", "tune"
_KINDS = {_COMPARE: "Compare models", _TUNE: "Tune a model, then compare it"}
_PICKS = {"random": "the same for all rows", "similar": "for each row the most similar", "both": "both ways"}
#: data sets and graders to choose from
_MANY = 200


class Known(NamedTuple):
    """What there is to choose from."""

    datasets: dict[str, Dataset]
    models: list[str]
    graders: list[str]


def known(loop: Loop) -> Known:
    """What there is to choose from: the newest data set of each name, every model and grader."""
    datasets: dict[str, Dataset] = {}
    for one in loop.store.datasets.page(limit=_MANY)[0]:
        datasets.setdefault(one.name, one)
    catalog = loop.routes.catalog()
    kept = [one.name for one in loop.store.graders.newest(limit=_MANY)[0]]
    return Known(
        datasets=datasets,
        models=[*catalog.aliases, *catalog.tuned, *catalog.upstream, *catalog.base],
        graders=[*kept, *METRICS],
    )


async def draw(here: Here) -> None:
    """The form, filled in from the URL."""
    found = await here.do(known, here.loop)
    with parts.card("stack new-comparison"):
        parts.heading("New comparison")
        if not found.datasets:
            parts.text("p", "There is no data set to compare on yet.", "dim")
            parts.link("Make one", "/datasets", "main")
            return
        _Form(here, found).draw()


class _Form:
    """The fields, by the names that the request has for them."""

    def __init__(self, here: Here, found: Known) -> None:
        self._here, self._known = here, found
        self._fields: dict[str, Any] = {}
        #: so that a double click asks once
        self._is_asked = False

    def draw(self) -> None:
        """What nearly everybody chooses, then the rest, folded away."""
        with parts.tag("div", "fields"):
            self._what()
        with parts.tag("div", "fields tuning") as self._tuning:
            self._tune()
        with parts.tag("details"):
            parts.text("summary", "How it is judged, and what it may cost")
            with parts.tag("div", "fields"):
                self._judged()
        self._count = parts.text("p", "", "dim").props('aria-live="polite"')
        with parts.row():
            parts.button("Compare", self._create, "main")
            parts.link("Not now", "/compare", "quiet")
        self._changed()

    def _what(self) -> None:
        query, datasets = self._here.query, self._known.datasets
        names = {name: f"{name} ({_held_out(one)})" for name, one in datasets.items()}
        asked = query.get("dataset", "")
        chosen = asked if asked in datasets else next(iter(datasets))
        self._add("dataset", forms.choice("Data set", names, chosen, change=self._remember("dataset")))
        kind = _TUNE if query.get("new") == _TUNE else _COMPARE
        self._add("kind", forms.choice("What is wanted", _KINDS, kind, change=self._remember("new")))
        bases = {"": "the usual one", **{name: name for name in self._known.models}}
        self._add(
            "base",
            forms.choice("Prompted model", bases, "", hint="Usually what the others were tuned from."),
        )
        models = [name for name in query.get("model", "").split(",") if name]
        self._add(
            "models",
            _several(
                "Models to compare",
                [*self._known.models, *(one for one in models if one not in self._known.models)],
                models,
                hint="With a prompt of yours: MODEL+PROMPT.",
                change=self._remember("model"),
            ),
        )
        self._add(
            "shots",
            forms.number("Examples in its prompt", 5, low=0, high=100, hint="0: it is not asked with examples."),
        )
        self._add("pick", forms.choice("Examples are chosen", _PICKS, "random"))
        self._add("logged", forms.tick("Compare with the logged answers, too"))

    def _tune(self) -> None:
        self._add("short", forms.line("Short prompt", hint="In place of the long one; empty: its start."))
        self._add("epochs", forms.number("Epochs", None, low=1, high=50, hint="Empty: as many as it takes."))
        with parts.tag("div", "stack ticks"):
            self._add("curve", forms.tick("Would more rows help? (trains twice more)", True))
            self._add("regression", forms.tick("Has it forgotten anything?", True))

    def _judged(self) -> None:
        graders = _several("Graders", self._known.graders, [], hint="Empty: what suits the answers. The first decides.")
        self._add("graders", graders)
        self._add(
            "margin", forms.number("Margin, points", 2, low=0, high=99, hint="The loss of quality that you accept.")
        )
        self._add("split", forms.choice("Rows of", list(SPLITS), "test"))
        self._add("rows", forms.number("Rows at most", None, low=1, hint="Empty: all of them."))
        self._add("max_dollars", forms.number("Limit, dollars", None, low=0, hint="Calls and judges together."))
        self._add("concurrency", forms.number("Calls at once", 4, low=1, high=256))
        self._add("timeout", forms.number("Seconds for an answer", 120, low=0.1))

    def _add(self, name: str, field: Any) -> None:
        self._fields[name] = field
        field.on_value_change(lambda: self._changed())

    def _remember(self, name: str) -> Callable[[Any], None]:
        def remember(value: Any) -> None:
            self._here.remember(**{name: ",".join(value) if isinstance(value, list) else str(value or "")})

        return remember

    def _value(self, name: str) -> Any:
        return self._fields[name].value

    def _changed(self) -> None:
        """Say what it takes, once all fields are there."""
        if not hasattr(self, "_count"):
            return
        tunes = self._value("kind") == _TUNE
        self._tuning.set_visibility(tunes)
        self._count.set_text(_takes(self.request(), self._known.datasets[self._value("dataset")]))

    def request(self) -> dict[str, Json]:
        """What is asked for, as `POST /v1/evaluations` has it."""
        tunes = self._value("kind") == _TUNE
        whole = ("rows", "shots", "concurrency")
        asked = {
            **{name: self._value(name) for name in ("dataset", "models", "logged", "graders", "split", "pick")},
            **{name: None if self._value(name) is None else int(self._value(name)) for name in whole},
            **{name: self._value(name) for name in ("max_dollars", "timeout")},
            "base": self._value("base") or None,
            "margin": None if self._value("margin") is None else self._value("margin") / 100,
            "tune": self._trainings() if tunes else None,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def _trainings(self) -> dict[str, Json]:
        epochs = self._value("epochs")
        return {
            "short": self._value("short") or None,
            "curve": self._value("curve"),
            "regression": self._value("regression"),
            "hyperparameters": {} if epochs is None else {"n_epochs": int(epochs)},
        }

    async def _create(self) -> None:
        await self._here.allowed("owner")
        if self._is_asked:
            return
        self._is_asked = True
        try:
            await self._ask()
        finally:
            self._is_asked = False

    async def _ask(self) -> None:
        from tuneloop import evaluating  # brings in SciPy, and a server is to start at once

        made = await self._here.do(evaluating.create, self._here.loop, self.request())
        ui.navigate.to(f"/compare/{made.id}")


def _several(
    label: str,
    options: Sequence[str],
    value: list[str],
    *,
    hint: str,
    change: Callable[[Any], Any] | None = None,
) -> ui.select:
    """Some of many; others may be typed."""
    made = ui.select(
        list(dict.fromkeys(options)),
        label=label,
        value=value,
        multiple=True,
        with_input=True,
        new_value_mode="add-unique",
        on_change=None if change is None else lambda event: change(event.value),
    )
    made.props('outlined dense stack-label use-chips options-dense popup-content-class="choices"')
    made.props["hint"] = hint
    return made.classes("whole")


def _held_out(dataset: Dataset) -> str:
    return f"{plural(dataset.counts.get('test', 0), 'row')} held out"


def _takes(asked: Mapping[str, Json], dataset: Dataset) -> str:
    """How many answers that takes."""
    there = dataset.counts.get(asked["split"], 0)
    rows = min(there, asked.get("rows") or there)
    if not rows:
        return f"{dataset.name} has no {asked['split']} rows: nothing can be compared on them."
    examples = 2 if asked["pick"] == "both" else 1
    arms = 1 + (examples if asked.get("shots") else 0) + len(asked["models"]) + int(asked["logged"])
    asks = arms - int(asked["logged"])
    trained, more = (", and what is tuned,", " and more") if "tune" in asked else ("", "")
    return f"{plural(arms, 'arm')}{trained} on {plural(rows, 'row')}: {asks * rows:,} answers{more}."
