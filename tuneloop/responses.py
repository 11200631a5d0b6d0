"""Stored responses: what OpenAI's Responses API keeps of its calls, and goes on from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from tuneloop import calls, items
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.store import Store
from tuneloop.store.stored import Kept
from tuneloop.types import Json

Item = Mapping[str, Json]

#: the ids of items: kind, id of the response without "resp_", in or out, number
_ITEM_ID = re.compile(r"[a-z]+_(.+)([io])(\d{1,6})")
_PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco"}


def get(store: Store, response_id: str) -> dict[str, Any]:
    """The response as it was, though it may have been streamed. Raises NotFound."""
    return _answer(_kept(store, response_id))


def delete(store: Store, response_id: str) -> None:
    """Forget it; its Log stays. Raises NotFound."""
    if not store.stored.remove("response", response_id):
        raise _unknown(response_id)


def cancel(store: Store, response_id: str) -> NoReturn:
    """Raises NotFound, or InvalidInput: what is stored has ended."""
    _kept(store, response_id)
    raise InvalidInput("Cannot cancel a synchronous response: only those made with `background: true` can be.")


def input_items(store: Store, response_id: str) -> list[dict[str, Any]]:
    """What the response was made from, oldest first, earlier responses that it goes on from included. Raises NotFound
    and InvalidInput."""
    *before, last = _chain(store, response_id)
    memory = Memory(store)
    earlier = [dict(item) for kept in before for item in memory.all_of(kept)]
    return [*earlier, *memory.asked(last)]


class Memory:
    """What stored responses hold, for calls that go on from them."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def conversation(self, response_id: str) -> list[Item]:
        """The items of a response and of those before it, oldest first. Raises InvalidInput."""
        try:
            chain = _chain(self.store, response_id)
        except NotFound as error:
            raise InvalidInput(
                f"Previous response with id '{response_id}' not found.",
                param="previous_response_id",
                code="previous_response_not_found",
            ) from error
        return [item for kept in chain for item in self.all_of(kept)]

    def item(self, item_id: str) -> Item:
        """An item by its id. Raises NotFound."""
        named = _ITEM_ID.fullmatch(item_id)
        kept = self.store.stored.find("response", f"resp_{named[1]}") if named else None
        if named and kept:
            for item in self.asked(kept) if named[2] == "i" else _said(kept):
                if item.get("id") == item_id:
                    return item
        raise NotFound(
            f"Item with id '{item_id}' not found. Items are not persisted when `store` is set to false.", param="input"
        )

    def all_of(self, kept: Kept) -> list[Item]:
        """The items of a response's own input, then those of its output."""
        return [*self.asked(kept), *_said(kept)]

    def asked(self, kept: Kept) -> list[dict[str, Json]]:
        """The items of a response's own input as they are listed, references resolved."""
        stored, log = kept
        request = calls.parse(log.request)
        given = items.listed(request.get("input")) if isinstance(request, dict) else []
        return [self._listed(item, stored.id, number) for number, item in enumerate(given)]

    def _listed(self, item: Mapping[str, Json], response_id: str, number: int) -> dict[str, Json]:
        if item["type"] == "item_reference":
            return dict(self.item(str(item.get("id"))))
        prefix = _PREFIXES.get(str(item["type"]), "item")
        item_id = item.get("id") or f"{prefix}_{response_id.removeprefix('resp_')}i{number}"
        shown = {"status": "completed", **item, "id": item_id}
        return shown if item["type"] != "message" else {**shown, "content": _parts(item)}


def _parts(item: Mapping[str, Json]) -> Json:
    """A message's content in parts, of the kind that its role has."""
    content = item.get("content")
    said = item.get("role") == "assistant"
    if isinstance(content, str):
        content = [{"type": "output_text" if said else "input_text", "text": content}]
    if said and isinstance(content, list):
        return [{"annotations": [], "logprobs": [], **part} if _is_text(part) else part for part in content]
    return content


def _is_text(part: Json) -> bool:
    return isinstance(part, dict) and part.get("type") == "output_text"


def _chain(store: Store, response_id: str) -> Sequence[Kept]:
    """The response and all those it goes on from, oldest first. Raises NotFound."""
    chain = store.stored.chain(response_id)
    if not chain or chain[0][0].previous is not None:
        missing = chain[0][0].previous if chain else response_id
        raise _unknown(str(missing))
    return chain


def _kept(store: Store, response_id: str) -> Kept:
    found = store.stored.find("response", response_id)
    if found is None:
        raise _unknown(response_id)
    return found


def _answer(kept: Kept) -> dict[str, Any]:
    answer = calls.whole(kept[1].response)
    return answer if isinstance(answer, dict) else {}


def _said(kept: Kept) -> list[Item]:
    output = _answer(kept).get("output")
    return [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []


def _unknown(response_id: str) -> NotFound:
    return NotFound(
        f"Response with id '{response_id}' not found. Those made with `store: false`, or by an upstream in the "
        "background, are not kept here.",
        param="response_id",
    )
