"""A chat with a model, or with whatever answers under a name: streamed, and logged as any call is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from nicegui import ui

from tuneloop import calls, origins
from tuneloop.errors import InvalidInput, NotFound, TuneloopError
from tuneloop.loop import Loop
from tuneloop.playground import streams
from tuneloop.playground.streams import Heard
from tuneloop.reports.numbers import dollars, milliseconds
from tuneloop.types import Log, Message
from tuneloop.ui import deployments, forms, parts, writing
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here
from tuneloop.ui.models import callable_names

_INSTRUCTIONS = ("system", "developer")
#: Enter sends, unless a word is being put together; Shift and Enter begin a line
_ENTER = """(event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); emit(); }
}"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """How a chat begins."""

    model: str
    #: what can be chosen
    names: list[str]
    #: what was said already
    messages: list[Message]
    instructions: str
    #: what could be asked
    questions: list[str]
    #: what takes the place of the instructions
    told: str | None
    #: what it goes on after
    log: Log | None


def start(loop: Loop, model: str, log_id: str | None) -> Start:
    """A chat with `model`, which goes on after a Log. Raises NotFound."""
    catalog = loop.routes.catalog()
    names = list(dict.fromkeys([*sorted(catalog.aliases), *callable_names(catalog)]))
    if not names:
        raise NotFound("there is no model to chat with: bring one with `tuneloop models pull`")
    model = model or names[0]
    target = loop.routes.route(model)
    log = loop.store.logs.get(log_id) if log_id else None
    said = _said(log) if log is not None else []
    shared = catalog.traffic[model].answering if model in catalog.traffic else ()
    rehearsals = (origins.rehearsal(loop.store, name) for name in (target.model.id, *(one.model for one in shared)))
    instructions, questions = next((one for one in rehearsals if one[1]), ("", []))
    if log is not None:
        instructions = "\n\n".join(calls.text_of(one) for one in said if one["role"] in _INSTRUCTIONS)
    return Start(
        model=model,
        names=names if model in names else [model, *names],
        messages=[one for one in said if one["role"] not in _INSTRUCTIONS],
        instructions=instructions,
        questions=questions,
        told=target.instructions.prompt if target.instructions else None,
        log=log,
    )


def _said(log: Log) -> list[Message]:
    """The conversation up to and with the answer of a Log of chat."""
    request, answer = calls.parse(log.request), calls.answer_of(log.response)
    if not isinstance(request, dict) or not isinstance(request.get("messages"), list):
        raise InvalidInput(f"the log {log.id} is no chat")
    asked = [one for one in request["messages"] if isinstance(one, dict) and isinstance(one.get("role"), str)]
    return [*asked, answer] if answer else asked


async def _chat(here: Here) -> None:
    begun = await here.do(start, here.loop, here.query.get("model", ""), here.query.get("log"))
    parts.link("All models", "/models").classes("back")
    _Chat(here, begun)


class _Chat:
    """One conversation."""

    def __init__(self, here: Here, begun: Start) -> None:
        self._here = here
        self._model = begun.model
        self._messages = list(begun.messages)
        self._task: asyncio.Task[Heard] | None = None
        self._head(begun)
        with parts.tag("section", "card chat"):
            self._talk = parts.tag("div", "talk").props('role="log" aria-live="polite" aria-label="Conversation"')
            with self._talk:
                self._hello = parts.tag("div", "hello")
                with self._hello:
                    self._suggest(begun.questions)
                for message in begun.messages:
                    _turn(message["role"], calls.text_of(message))
                if begun.log is not None:
                    _measured(begun.log.served_by, _logged(begun.log), begun.log.id)
            if begun.messages:
                self._hello.set_visibility(False)
            if here.may("owner"):
                self._desk()
            else:
                parts.text("p", "You may look, but not ask: that takes the role owner.", "dim")

    def _head(self, begun: Start) -> None:
        with parts.row("between top-of-page"):
            parts.title("Chat", "Ask what your application would ask. Every call is logged as any other.")
            parts.link("New chat", deployments.to_chat(begun.model), "plain")
        with parts.card("stack chat-head"):
            forms.choice(
                "Model or name", begun.names, begun.model, change=lambda name: ui.navigate.to(deployments.to_chat(name))
            )
            with parts.tag("details"):
                parts.text("summary", "Instructions" if begun.instructions else "Instructions (none)")
                hint = "what the model is told first"
                if begun.told:
                    hint = f"{begun.told} takes their place: that is what is deployed there"
                self._instructions = forms.area("Instructions", begun.instructions, hint=hint)

    def _suggest(self, questions: list[str]) -> None:
        parts.text("p", "Say something." if not questions else "Say something, or ask what it was not shown:", "dim")
        for question in questions if self._here.may("owner") else ():
            short = question if len(question) < 90 else f"{question[:88]}..."
            parts.button(short, lambda question=question: self._send(question), label=f"Ask: {short}")

    def _desk(self) -> None:
        with parts.tag("div", "composer"):
            self._box = forms.area("Message")
            self._box.on("keydown", lambda: self._send(), js_handler=_ENTER)
            self._go = parts.button("Send", lambda: self._send(), "main")
            self._halt = parts.button("Stop", self._stop)
        self._halt.set_visibility(False)

    async def _send(self, question: str | None = None) -> None:
        said = (self._box.value if question is None else question).strip()
        if not said or self._task is not None:
            return
        await self._here.allowed("owner")
        self._box.set_value("")
        self._hello.set_visibility(False)
        self._messages.append({"role": "user", "content": said})
        with self._talk:
            _turn("user", said)
            answer = _Answer()
        self._busy(True)
        self._task = asyncio.create_task(self._listen(answer))
        try:
            await asyncio.wait([self._task])
            heard = answer.heard if self._task.cancelled() else self._task.result()
        finally:
            self._task = None
            self._busy(False)
        await self._finish(answer, heard)

    async def _listen(self, answer: _Answer) -> Heard:
        here, told = self._here, self._instructions.value.strip()
        body = {
            "model": self._model,
            "messages": [*([{"role": "system", "content": told}] if told else []), *self._messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            "user": here.session.name,
        }
        try:
            async for heard in streams.listen(here.loop, body):
                answer.show(heard)
        except asyncio.CancelledError:
            return streams.stopped(answer.heard)
        except TuneloopError as error:
            return Heard(error=error.message, done=True)
        return answer.heard

    async def _finish(self, answer: _Answer, heard: Heard) -> None:
        here = self._here
        answer.end(heard, await here.do(_served_by, here.loop, heard.log_id))
        if heard.error is not None or not heard.text:
            self._messages.pop()
            return
        self._messages.append({"role": "assistant", "content": heard.text})
        if heard.finish_reason != "stopped":  # the log of one that was stopped has no answer to go on from
            here.remember(model=self._model, log=heard.log_id)

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _busy(self, busy: bool) -> None:
        self._go.set_visibility(not busy)
        self._halt.set_visibility(busy)


def _served_by(loop: Loop, log_id: str | None) -> str | None:
    """The model that answered a call, as soon as it is logged."""
    try:
        return loop.store.logs.get(log_id).served_by if log_id else None
    except NotFound:
        return None


def _turn(role: str, said: str) -> None:
    with parts.tag("article", f"utterance {role}"):
        parts.text("h2", {"user": "You", "assistant": "Model"}.get(role, role), "role")
        ui.html(writing.plain(said) if role == "user" else writing.written(said), sanitize=False)


class _Answer:
    """An answer that is coming."""

    def __init__(self) -> None:
        self.heard = Heard()
        with parts.tag("article", "utterance assistant") as self._place:
            self._who = parts.text("h2", "Model", "role")
            self._text = parts.text("div", "...", "as-is")

    def show(self, heard: Heard) -> None:
        """What has come of it."""
        self.heard = heard
        if heard.text:
            self._text.set_text(heard.text)

    def end(self, heard: Heard, served: str | None) -> None:
        """The whole of it, and what it took."""
        self._text.delete()
        with self._place:
            if heard.text:
                ui.html(writing.written(heard.text), sanitize=False)
            if heard.error is not None:
                parts.text("p", heard.error, "wrong").props('role="alert"')
            elif not heard.text:
                parts.text("p", "It said nothing.", "dim")
            _measured(served, _took(heard), heard.log_id)


def _measured(served: str | None, measures: list[str], log_id: str | None) -> None:
    """Who has answered, and what it took."""
    with parts.row("took"):
        if served:
            parts.link(served, deployments.to_model(served))
        for said in measures:
            parts.text("span", said, "dim")
        if log_id:
            parts.link("Log", f"/logs/{log_id}")


def _logged(log: Log) -> list[str]:
    return _took(
        Heard(
            latency_ms=log.latency_ms,
            prompt_tokens=log.prompt_tokens,
            completion_tokens=log.completion_tokens,
            cost=log.cost,
        )
    )


def _took(heard: Heard) -> list[str]:
    found = [] if heard.latency_ms is None else [milliseconds(heard.latency_ms)]
    if heard.prompt_tokens is not None and heard.completion_tokens is not None:
        found.append(f"{heard.prompt_tokens:,} + {heard.completion_tokens:,} tokens")
    if heard.cost:
        found.append(dollars(heard.cost))
    if heard.finish_reason == "stopped":
        found.append("stopped")
    return found


PAGE = page("/models/chat", "Chat")(_chat)
