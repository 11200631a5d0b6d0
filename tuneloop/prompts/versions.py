"""Versions of prompts: saved, found by what names them, shown, compared, and told from the calls they made."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

from tuneloop import calls
from tuneloop.calls import content_text
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.prompt_types import Draft, Prompt
from tuneloop.prompts import templates, text_form
from tuneloop.prompts.drafts import NAME
from tuneloop.prompts.rendering import INSTRUCTIONS, texts
from tuneloop.store import Store
from tuneloop.store.database import clean
from tuneloop.store.ids import content_id, new_id
from tuneloop.store.prompts import Saved
from tuneloop.types import Log, Message

_REFERENCE = re.compile(rf"({NAME.pattern})(?:@(latest|[0-9]{{1,9}}))?")


class Reference(NamedTuple):
    """What a text names: a prompt, and one of its versions or the newest."""

    name: str
    version: int | None


def reference(text: str, param: str = "name") -> Reference:
    """Read "support", "support@2" or "support@latest". Raises InvalidInput."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise InvalidInput(f"{text!r} names no prompt: write NAME or NAME@VERSION, such as support@2.", param=param)
    name, version = match.groups()
    return Reference(name, None if version in (None, "latest") else int(version))


def find(store: Store, named: str, *, param: str = "name") -> Prompt:
    """A version by its name ("support@2", "support" for the newest) or its id. Raises NotFound and InvalidInput."""
    if by_id := store.prompts.find(clean(named)):
        return by_id
    name, version = reference(named, param)
    found = store.prompts.version(name, version)
    if found is None:
        numbers = store.prompts.versions(name)
        if not numbers:
            raise NotFound(f"no prompt {name!r}: `tuneloop prompts list` shows what there is.", param=param)
        has = ", ".join(map(str, numbers[-20:]))
        raise NotFound(f"prompt {name!r} has no version {version}; it has {has}.", param=param)
    return found


def save(store: Store, draft: Draft) -> Saved:
    """Keep a draft as the next version of its name. What says the same as a version that there is, note aside, is that
    version."""
    said = {
        "messages": draft.messages,
        "model": draft.model,
        "parameters": draft.parameters,
        "tools": draft.tools,
        "response_format": draft.response_format,
    }
    content = asdict(draft)
    content |= {name: list(content[name]) for name in ("messages", "tools")}  # as they come back
    content |= {name: clean(content[name]) for name in ("model", "note")}
    prompt = Prompt(**content, id=new_id("pmpt_"), version=0, created_at=time.time())
    return store.prompts.save(prompt, content_id("", said))


def delete(store: Store, named: str) -> int:
    """Delete a version ("support@2", or its id) or a whole prompt ("support"); returns how many versions are gone. The
    calls they made stay. Raises NotFound and InvalidInput."""
    found = find(store, named)
    one = named == found.id or reference(named).version is not None or named.endswith("@latest")
    return store.prompts.delete(found.name, found.version if one else None)


def of_log(store: Store, log: Log) -> Prompt | None:
    """The version that made a call: the one it was asked with, else the one whose messages the call begins with. Of
    several, the one with most text of its own, the newest of those; None where there is none."""
    if log.prompt is not None:
        name, version = reference(log.prompt)
        return store.prompts.version(name, version)
    request = calls.parse(log.request)
    try:
        asked, _ = calls.conversation(request) if isinstance(request, dict) else ([], [])
    except InvalidInput:
        return None
    asked = [message for message in asked if isinstance(message, dict)]
    made_by = [prompt for prompt in store.prompts.each() if _begins(asked, prompt.messages)]
    return max(made_by, key=lambda prompt: (_weight(prompt), prompt.id), default=None)


def diff(before: Prompt, after: Prompt) -> str:
    """What has changed, as a unified diff of their texts; empty where nothing has."""
    lines = difflib.unified_diff(
        text_form.write(before)[:-1].split("\n"),
        text_form.write(after)[:-1].split("\n"),
        before.reference,
        after.reference,
        lineterm="",
    )
    return "".join(f"{line}\n" for line in lines)


def _begins(asked: Sequence[Message], template: Sequence[Message]) -> bool:
    """Whether a conversation begins with a template's messages, which have some text of their own."""
    if len(asked) < len(template) or not any(map(templates.weight, texts(template))):
        return False
    return all(
        _role(said) == _role(message)
        and templates.matches(content_text(message.get("content")), content_text(said.get("content")))
        for said, message in zip(asked, template, strict=False)
    )


def _weight(prompt: Prompt) -> int:
    return sum(map(templates.weight, texts(prompt.messages)))


def _role(message: Message) -> str:
    role = str(message.get("role"))
    return "system" if role in INSTRUCTIONS else role
