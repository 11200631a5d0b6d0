"""A filter put together from a field, what it is compared by, and a value that there is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from nicegui import ui

from tuneloop import filter_text, filters
from tuneloop.errors import InvalidInput
from tuneloop.filters import FIELDS, Value
from tuneloop.pages import text
from tuneloop.store import Store
from tuneloop.ui import forms, parts
from tuneloop.ui.here import Here

_HAS = {"has": "has a value", "not": "has none"}
_SAME = {"=": "is", "!=": "is not"}
_MORE = {">": "is more than", ">=": "is at least", "<": "is less than", "<=": "is at most"}
_TEXT = {**_SAME, "~": "contains", "!~": "does not contain", **_HAS}
_BY_KIND: Mapping[str, Mapping[str, str]] = {
    "text": _TEXT,
    "number": {**_MORE, **_SAME, **_HAS},
    "time": {">": "is after", "<": "is before"},
    "bool": {"has": "yes", "not": "no"},
    "any": {**_SAME, **_MORE, **_HAS},
}
_HINTS = {
    "time": "such as 2026-08-31, 2026-08-31T12:00:00Z or now-7d (7 days ago; also s, m, h, w)",
    "number": "a number",
}
#: elements of the page need names of their own
_LIST = "known-values"


class Adding:
    """The window in which a filter is put together; `add` is called with it."""

    def __init__(self, here: Here, add: Callable[[str], Awaitable[None]]) -> None:
        self._here, self._add = here, add
        self._fields: dict[str, tuple[str, str | None]] = {}
        self._dialog = forms.Dialog("Add a filter")
        with self._dialog:
            self._body = parts.tag("div", "stack wide")

    async def open(self) -> None:
        """Show it, with the fields that there are now."""
        self._fields = await self._here.do(_fields, self._here.loop.store)
        self._draw("model")
        await self._offer()
        self._dialog.open()

    def _draw(self, chosen: str) -> None:
        self._body.clear()
        name, _ = self._fields[chosen]
        shown = {field: _named(field) for field in self._fields}
        with self._body:
            self._field = forms.choice("Field", shown, chosen, change=self._changed)
            operators = _BY_KIND[FIELDS[name][0]]
            self._op = forms.choice("Compare", operators, next(iter(operators)), change=lambda _: self._bare())
            self._value = forms.line("Value", hint=_HINTS.get(FIELDS[name][0], ""))
            self._value.props["list"] = _LIST
            self._value.on("keydown.enter", self._done)
            self._known = ui.html(f'<datalist id="{_LIST}"></datalist>', sanitize=False)
            self._wrong = parts.text("p", "", "wrong").props('role="alert"')
            with parts.row("end"):
                parts.button("Cancel", self._dialog.close)
                parts.button("Add", self._done, "main", label="Add this filter")
        self._bare()

    async def _changed(self, chosen: str) -> None:
        self._draw(chosen)
        await self._offer()

    async def _offer(self) -> None:
        name, key = self._fields[str(self._field.value)]
        known = await self._here.do(self._here.loop.store.logs.values.of, name, key)
        options = "".join(f'<option value="{text(_typed(one))}"></option>' for one in known if len(str(one)) < 200)
        self._known.content = f'<datalist id="{_LIST}">{options}</datalist>'

    def _bare(self) -> None:
        self._value.visible = self._op.value not in _HAS

    async def _done(self) -> None:
        name, key = self._fields[str(self._field.value)]
        try:
            condition = composed(filter_text.field(name, key), str(self._op.value), str(self._value.value or ""), name)
            filters.parse(condition)
        except InvalidInput as error:
            self._wrong.text = error.message.removeprefix("filter: ").partition("\n")[0]
            return
        self._dialog.close()
        await self._add(condition)


def composed(field: str, op: str, typed: str, name: str) -> str:
    """A condition of what was chosen and typed. Raises InvalidInput when a value is missing."""
    if op in _HAS:
        return field if op == "has" else f"not {field}"
    if not typed.strip():
        raise InvalidInput("a value is missing", param="where")
    is_plain = FIELDS[name][0] in ("number", "time") or (FIELDS[name][0] == "any" and _is_number(typed))
    return f"{field} {op} {typed.strip() if is_plain else filter_text.value(typed.strip())}"


def _is_number(typed: str) -> bool:
    try:
        float(typed)
    except ValueError:
        return typed.lower() in ("true", "false")
    return True


def _typed(known: Value) -> str:
    return known if isinstance(known, str) else filter_text.value(known)


def _named(field: str) -> str:
    meaning = FIELDS[field][1] if field in FIELDS else ""
    return f"{field} – {meaning}" if meaning else field


def _fields(store: Store) -> dict[str, tuple[str, str | None]]:
    """What there is to filter by, as it is written -> field and key: what people use most first."""
    scores: Sequence[str] = store.logs.values.keys("score")
    keys: Sequence[str] = store.logs.values.keys("metadata")
    found: dict[str, tuple[str, str | None]] = {name: (name, None) for name in ("model", "text", "created_at")}
    found |= {filter_text.field("score", name): ("score", name) for name in dict.fromkeys(["rating", *scores])}
    found |= {filter_text.field("metadata", key): ("metadata", key) for key in keys}
    rest = (name for name in FIELDS if name not in ("score", "metadata"))
    return found | {name: (name, None) for name in rest if name not in found}
