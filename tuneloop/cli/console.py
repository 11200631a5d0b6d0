"""How the command line speaks: tables, progress and errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from tuneloop.errors import TuneloopError

#: columns that may be cut
PROSE = frozenset({"input", "output", "made of", "note"})
NARROWEST = 12

console = Console(highlight=False, emoji=False)
stderr = Console(stderr=True, highlight=False, emoji=False)


def say(text: str) -> None:
    """A line to read; markup is rendered."""
    console.print(text, soft_wrap=True)


def warn(text: str) -> None:
    """A line on stderr that should not be overlooked."""
    stderr.print(f"[yellow]warning:[/] {escape(text)}", soft_wrap=True)


def fail(error: TuneloopError) -> None:
    """What went wrong, on stderr."""
    stderr.print(f"[bold red]error:[/] {escape(error.message)}", soft_wrap=True)


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """Rows under headers. In a terminal prose is cut to fit, names never are; in a pipe nothing is."""
    lines = [tuple(headers), *(tuple(row) for row in rows)]
    widths = [max(cell_len(line[i]) for line in lines) for i in range(len(headers))]
    prose = [i for i, header in enumerate(headers) if header in PROSE]
    spare = sum(widths) + 2 * (len(widths) - 1) - console.width if console.is_terminal else 0
    for i in prose:
        cut = max(0, min(-(-spare // len(prose)), widths[i] - NARROWEST))
        widths[i] -= cut
    if title:
        console.print(f"[bold]{escape(title)}[/]")
    for line in lines:
        cells = (_fitted(text, width) for text, width in zip(line, widths, strict=True))
        console.print(
            "  ".join(cells).rstrip(), style="bold" if line is lines[0] else None, markup=False, soft_wrap=True
        )


def _fitted(text: str, width: int) -> str:
    flat = text if cell_len(text) <= width else f"{set_cell_size(text, width - 1)}…"
    return flat + " " * (width - cell_len(flat))


def moment(seconds: float | None) -> str:
    """A time in UTC, to the second."""
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def one_line(text: str, width: int = 60) -> str:
    """The beginning of a text on one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= width else f"{flat[: width - 1]}…"


class PullProgress:
    """One bar for what a pull is doing now: downloading, converting, checking. It is gone when that is done."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal)
        self._task: TaskID | None = None
        self._what = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self._what:
            self.stop()
            self._progress.start()
            self._task, self._what = self._progress.add_task(what), what
        if self._task is not None:
            self._progress.update(self._task, completed=done, total=total or None)
        if 0 < total <= done:
            self.stop()

    def stop(self) -> None:
        """Take the bar away."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._progress.stop()
        self._task, self._what = None, ""


@contextmanager
def pull_progress() -> Iterator[PullProgress]:
    """Bars that are gone afterwards."""
    progress = PullProgress()
    try:
        yield progress
    finally:
        progress.stop()
