"""What a tuning would take, beside the form: time, memory and cost, what is wrong, what one should know."""

from __future__ import annotations

import psutil

from tuneloop import estimates
from tuneloop.estimates import Estimate
from tuneloop.reports import numbers
from tuneloop.ui import parts

_WAIT = "…"
#: problems and warnings
_Said = tuple[tuple[str, ...], tuple[str, ...]]


class Panel:
    """The figures, which change in place."""

    def __init__(self) -> None:
        with parts.card("tune-panel stack"):
            parts.text("h2", "What it takes")
            with parts.tag("div", "tune-figures"):
                self._time = _Figure("Time")
                self._memory = _Figure("Memory")
                self._cost = _Figure("Cost")
            self._sentence = parts.text("p", "", "dim tune-sentence").props('aria-live="polite"')
            nothing: _Said = ((), ())
            self._said = parts.live(_complaints, nothing)

    def looking(self) -> None:
        """Nothing is known yet."""
        self._figures(_WAIT, _WAIT, _WAIT)
        self._sentence.set_text("Looking at the rows …")

    def measuring(self, known: Estimate) -> None:
        """The rows are known, and the first steps are being timed."""
        self.show(known)
        self._figures(_WAIT, _WAIT, _WAIT)
        self._sentence.set_text(f"{_rows(known)} Measuring on this machine …")

    def show(self, known: Estimate) -> None:
        """All that is known."""
        if known.seconds is None or known.bytes is None:
            self._figures(numbers.UNKNOWN, numbers.UNKNOWN, numbers.UNKNOWN)
            self._sentence.set_text(_rows(known))
        else:
            self._figures(
                f"about {estimates.duration(known.seconds)}",
                estimates.memory(known.bytes),
                numbers.dollars(known.dollars),
            )
            steps = f"{known.n_epochs} times through, {known.steps:,} steps."
            self._sentence.set_text(f"{_rows(known)} {steps}")
        self._memory.hint(f"of {estimates.memory(psutil.virtual_memory().total)}")
        self._time.hint("from the first step to the last")
        priced = known.dollars is not None
        self._cost.hint("this machine's time" if priced else "no price per hour is set (settings.toml, [machine])")
        self._said.show((tuple(known.problems), tuple(known.warnings)))

    def wrong(self, why: str) -> None:
        """What is asked for cannot be."""
        self._figures(numbers.UNKNOWN, numbers.UNKNOWN, numbers.UNKNOWN)
        self._sentence.set_text("")
        self._said.show(((why,), ()))

    def _figures(self, time: str, memory: str, cost: str) -> None:
        self._time.show(time)
        self._memory.show(memory)
        self._cost.show(cost)


class _Figure:
    """A name, a value, and a hint below."""

    def __init__(self, name: str) -> None:
        with parts.tag("div", "tune-figure"):
            parts.text("span", name, "dim")
            self._value = parts.text("strong", _WAIT)
            self._hint = parts.text("small", "", "dim")

    def show(self, value: str) -> None:
        """Another value."""
        self._value.set_text(value)

    def hint(self, said: str) -> None:
        """Another hint."""
        self._hint.set_text(said)


def _rows(known: Estimate) -> str:
    what = {"dpo": "pairs", "reinforcement": "prompts"}.get(known.method, "rows")
    said = f"{known.rows:,} {what} to learn from"
    return f"{said}, {known.validation_rows:,} to choose the best epoch by." if known.validation_rows else f"{said}."


def _complaints(said: _Said) -> None:
    problems, warnings = said
    for tone, found in (("bad", problems), ("warn", warnings)):
        if found:
            with parts.tag("ul", f"tune-said {tone}").props('role="alert"' if tone == "bad" else ""):
                for one in found:
                    parts.text("li", one[:1].upper() + one[1:])
