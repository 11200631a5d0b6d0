"""Settings: keys, people, upstreams, prices, this machine, how long logs are kept, webhooks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tuneloop.ui import parts
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here
from tuneloop.ui.settings import keys, machine, people, prices, retention, upstreams, webhooks

#: parts of the page: what each is called in the URL and on the page, and what fills it
_PARTS: dict[str, tuple[str, Callable[[Here], Awaitable[None]]]] = {
    "keys": ("API keys", keys.show),
    "people": ("People", people.show),
    "upstreams": ("Upstreams", upstreams.show),
    "prices": ("Prices", prices.show),
    "machine": ("This machine", machine.show),
    "retention": ("Old calls", retention.show),
    "webhooks": ("Webhooks", webhooks.show),
}


async def _settings(here: Here) -> None:
    chosen = here.query.get("part", "")
    chosen = chosen if chosen in _PARTS else "keys"
    parts.title("Settings", "Who and what may come in, where calls go, and what they cost.")
    with parts.tag("div", "settings"):
        with parts.tag("nav", "rail").props('aria-label="Parts of the settings"'):
            for name, (said, _) in _PARTS.items():
                link = parts.link(said, f"{here.path}?part={name}")
                if name == chosen:
                    link.props('aria-current="page"')
        with parts.tag("div", "stack part"):
            await _PARTS[chosen][1](here)


PAGE = page("/settings", "Settings")(_settings)
