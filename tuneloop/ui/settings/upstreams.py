"""Upstreams: where calls are passed on to, and whether they answer."""

from __future__ import annotations

from functools import partial

from nicegui.elements.mixins.text_element import TextElement

from tuneloop import settings
from tuneloop.engines.trying import Tried, shown_url, try_upstream
from tuneloop.errors import InvalidInput
from tuneloop.settings import Upstream
from tuneloop.ui import parts
from tuneloop.ui.here import Here
from tuneloop.ui.settings.things import outcome, say, thing, things

_SAMPLE = """[[upstreams]]
name = "openai"
base_url = "https://api.openai.com/v1"   # any server that speaks OpenAI's format
api_key_env = "OPENAI_API_KEY"           # the variable that holds the key
models = ["gpt-4o", "gpt-4o-mini*"]      # names it answers; * and ? are wild cards"""


async def show(here: Here) -> None:
    """Fill the part."""
    parts.heading(
        "Upstreams", "Servers that answer for models which are not here. Their keys never leave the environment."
    )
    with parts.card():
        known = here.loop.settings.upstreams
        if not known:
            parts.text("p", "There is none yet: only models on this machine answer.", "dim")
        with things("Upstreams"):
            for upstream in known:
                _one(here, upstream)
    parts.heading("Another one", f"Write these lines into {here.loop.settings.settings_file}, and start again.")
    parts.code(_SAMPLE, label="the lines")
    await say_if_changed(here)


async def say_if_changed(here: Here) -> None:
    """Whether settings.toml says something else than when the server started."""
    try:
        now = await here.do(settings.load)
    except InvalidInput as error:
        parts.text("p", f"The next start will fail: {error.message}", "wrong")
        return
    before = here.loop.settings
    said = ("upstreams", "webhooks", "prices", "dollars_per_hour")
    if now.home == before.home and any(getattr(now, name) != getattr(before, name) for name in said):
        parts.text(
            "p", "settings.toml has changed since the start: stop `tuneloop serve` and start it again.", "changed"
        )


def _one(here: Here, upstream: Upstream) -> None:
    with thing(upstream.name, shown_url(upstream), f"answers {', '.join(upstream.models) or 'nothing'}"):
        if upstream.api_key_env is None:
            parts.badge("no key")
        elif upstream.api_key():
            parts.badge(f"{upstream.api_key_env} is set", "good")
        else:
            parts.badge(f"{upstream.api_key_env} is not set", "bad")
        if here.may("owner"):
            label = f"Test {upstream.name}"
            button = parts.button("Test", label=label)
    said = outcome()
    if here.may("owner"):
        button.on("click", partial(_test, here, upstream, said))


async def _test(here: Here, upstream: Upstream, said: TextElement) -> None:
    await here.allowed("owner")
    say(said, "asking ...", None)
    tried = await try_upstream(upstream)
    say(said, _outcome(tried), tried.error is None)


def _outcome(tried: Tried) -> str:
    if tried.error is not None:
        return f"{tried.error[:1].upper()}{tried.error[1:]}. {tried.way_out or ''}"
    listed = "" if tried.models is None else f", and lists {len(tried.models):,} models"
    return f"It answers in {tried.latency_ms or 0:,.0f} ms{listed}."
