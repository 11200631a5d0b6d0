"""The answer of one side: as it comes, and what it took."""

from __future__ import annotations

import asyncio

from tuneloop.playground import sheets, streams
from tuneloop.playground.streams import Heard
from tuneloop.ui import parts
from tuneloop.ui.parts import Click
from tuneloop.ui.playground.desk import Desk


class AnswerPlace:
    """Where the answer of one side appears. `again` asks this side alone."""

    def __init__(self, desk: Desk, place: int, again: Click) -> None:
        self._desk = desk
        self._place = place
        self._task: asyncio.Task[None] | None = None
        name = ("first", "second")[place]
        with parts.tag("div", "answer").props(f'role="region" aria-label="Answer of the {name} side"'):
            self._said = parts.text("div", "", "said").props('aria-live="polite"')
            with parts.row("measures"):
                self._measured = parts.text("span", "", "dim grow")
                self._log = parts.link("Log", "#", "quiet")
                self._again = parts.button("Again", again, "quiet", label=f"Ask the {name} side again")
                self._stop = parts.button("Stop", self.stop, "quiet", label=f"Stop the {name} side")
        self.show(streams.read(desk.sheet.sides[place].answer))

    @property
    def running(self) -> bool:
        """Whether an answer is coming."""
        return self._task is not None

    def show(self, heard: Heard | None) -> None:
        """This answer; None is none yet."""
        text = "The answer appears here." if heard is None else heard.text
        if heard is not None and heard.error is not None:
            text = f"{text}\n\n{heard.error}".strip()
        self._said.set_text(text)
        self._said.classes(
            add="wrong" if heard is not None and heard.error else "dim" if heard is None else "",
            remove="wrong dim" if heard is not None and not heard.error else "dim",
        )
        self._measured.set_text("" if heard is None else measures(heard))
        self._log.set_visibility(heard is not None and heard.done and heard.log_id is not None)
        if heard is not None and heard.log_id:
            self._log.props["href"] = f"/logs/{heard.log_id}"
        self._buttons(heard is not None)

    def wait(self, why: str) -> None:
        """Nothing has come yet."""
        self._said.classes(add="dim", remove="wrong").set_text(why)
        self._measured.set_text("")
        self._log.set_visibility(False)
        self._buttons(self.running)

    async def ask(self) -> None:
        """Ask, and show what comes until it is whole, or stopped."""
        self.wait("It starts ...")
        self._task = asyncio.create_task(self._listen())
        self._buttons(True)
        try:
            await asyncio.wait([self._task])
            if not self._task.cancelled():
                self._task.result()
        finally:
            self._task = None
            self._buttons(True)

    def stop(self) -> None:
        """Let the model say no more."""
        if self._task is not None:
            self._task.cancel()

    async def _listen(self) -> None:
        desk = self._desk
        last = Heard()
        try:
            body = await desk.here.do(sheets.request, desk.here.loop.store, desk.sheet, self._place)
            await streams.start(desk.here.loop, str(body["model"]))
            self.wait("...")
            async for last in streams.listen(desk.here.loop, body):
                self.show(last)
        except asyncio.CancelledError:
            last = streams.stopped(last)
            self.show(last)
            raise
        except Exception as error:
            self.show(Heard(error=str(error), done=True))
            return
        finally:
            if last.done:
                desk.change_side(self._place, answer=streams.write(last))

    def _buttons(self, asked: bool) -> None:
        may = self._desk.here.may("owner")
        self._again.set_visibility(may and asked and not self.running)
        self._stop.set_visibility(may and self.running)


def measures(heard: Heard) -> str:
    """What an answer took, in one line."""
    found = []
    if heard.first_token_ms is not None:
        found.append(f"first token {_duration(heard.first_token_ms)}")
    if heard.latency_ms is not None:
        found.append(f"{_duration(heard.latency_ms)} in all" if heard.done else _duration(heard.latency_ms))
    if heard.prompt_tokens is not None and heard.completion_tokens is not None:
        found.append(f"{heard.prompt_tokens:,} + {heard.completion_tokens:,} tokens")
        seconds = ((heard.latency_ms or 0) - (heard.first_token_ms or 0)) / 1000
        if seconds > 0 and heard.completion_tokens > 1:
            found.append(f"{(heard.completion_tokens - 1) / seconds:,.0f} tokens/s")
    if heard.cost is not None:
        found.append(f"${heard.cost:.6f}")
    if heard.finish_reason == "length":
        found.append("cut off at its most tokens")
    return " · ".join(found)


def _duration(milliseconds: float) -> str:
    return f"{milliseconds:,.0f} ms" if milliseconds < 10_000 else f"{milliseconds / 1000:,.1f} s"
