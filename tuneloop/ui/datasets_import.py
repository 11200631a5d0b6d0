"""A data set of a file that somebody has on their own machine."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement
from nicegui.elements.upload_files import FileUpload
from nicegui.events import UploadEventArguments

from tuneloop import datasets
from tuneloop.errors import TuneloopError
from tuneloop.importers.rows import training_rows
from tuneloop.types import Dataset, Split
from tuneloop.ui import forms, parts
from tuneloop.ui.datasets_words import newest
from tuneloop.ui.here import Here

_KINDS = ".jsonl,.ndjson,.json,.txt"
_INTO = {
    "": "80 % train, 10 % validation, 10 % test",
    "train": "All rows into train",
    "validation": "All rows into validation",
    "test": "All rows into test",
}


class Import:
    """The dialog that asks for the file, and a name for what is made of it."""

    def __init__(self, here: Here) -> None:
        self._here = here
        self._file: FileUpload | None = None
        self._dialog = forms.Dialog("Import a file")
        with self._dialog:
            parts.text(
                "p",
                "JSON Lines, one example a line, as OpenAI has it: chat rows, pairs of a better and a worse answer, or "
                "rows with a label.",
                "dim",
            )
            self._chosen = self._field()
            self._name = forms.line("Name", hint="A name that there is already gets a new version")
            self._into = forms.choice("Splits", _INTO, "", hint="Equal questions always go to the same split")
            self._wrong = parts.text("p", "", "wrong").props('role="alert"')
            with parts.row("end"):
                parts.button("Not now", self._dialog.close)
                self._button = parts.button("Make the data set", self._import, "main")

    def open(self) -> None:
        """Ask."""
        self._dialog.open()

    def _field(self) -> TextElement:
        """Where a file is chosen or dropped; what is returned says which one it is."""
        self._upload = upload = ui.upload(auto_upload=True, max_files=1, on_upload=self._take).classes("drop")
        upload.props(f'accept="{_KINDS}" flat')
        with upload.add_slot("header"), parts.tag("div", "row"):
            choose = parts.button("Choose a file")
            choose.on("click", js_handler=f"(event) => getElement({upload.id}).$refs.qRef.pickFiles(event)")
            said = parts.text("span", "or drop it here", "dim")
            said.props('aria-live="polite"')
            with parts.tag("span").props('aria-hidden="true"'):  # the field itself lies over all of this, unseen
                ui.element("q-uploader-add-trigger")
        upload.add_slot("list")
        return said

    def _take(self, given: UploadEventArguments) -> None:
        self._file = given.file
        self._chosen.set_text(f"{given.file.name}, {_size(given.file.size())}")
        self._wrong.set_text("")
        if not self._name.value:
            self._name.value = re.sub(r"(\.(jsonl|ndjson|json|txt))+$", "", given.file.name)
        self._upload.reset()

    async def _import(self) -> None:
        await self._here.allowed("owner")
        if self._file is None:
            self._wrong.set_text("Choose a file first.")
            return
        self._wrong.set_text("")
        with TemporaryDirectory(prefix="tuneloop-") as folder:
            copy = Path(folder) / (Path(self._file.name).name or "file.jsonl")
            await self._file.save(copy)
            self._button.props("disabled")  # it takes a while, and once is enough
            try:
                made = await self._here.do(self._make, copy)
            except TuneloopError as error:  # said where the file was chosen: the way out is another file
                self._wrong.set_text(_in_lines(error.message))
                return
            finally:
                self._button.props(remove="disabled")
        ui.navigate.to(await self._here.do(newest, self._here.loop.store, made))

    def _make(self, file: Path) -> Dataset:
        into = self._into.value
        split: Split | None = datasets.parse_split(into, "split") if into else None
        rows = training_rows(file)
        return datasets.import_rows(
            self._here.loop.store, (self._name.value or "").strip(), rows, origin=file.name, split=split
        )


def _in_lines(message: str) -> str:
    """A complaint in OpenAI's words, said of the lines of a file."""
    said = re.sub(r"(?:Invalid file format\. )?Example (\d+)", r"Line \1", message)
    return said.replace(": line 1 column ", ": column ")


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"
