"""The README's picture from a real run: `script -qc 'tuneloop demo --exit' demo.log; python -m docs.picture demo.log`.

Takes what the terminal showed from the comparison on.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

BEGIN = "4  Compare"
WIDTH = 104


def main(recording: Path) -> None:
    """Write docs/demo.svg."""
    lines = recording.read_text(errors="replace").splitlines()
    start = max(i for i, line in enumerate(lines) if BEGIN in line)
    shown = [line for line in lines[start:] if not line.startswith("Script done")]
    # What a progress bar overwrote was not there in the end.
    plain = "\n".join(re.sub(r".*\x1b\[[0-9]*[AK]|\r", "", line) for line in shown)
    console = Console(record=True, width=WIDTH, file=sys.stderr, force_terminal=True)
    console.print(Text.from_ansi(re.sub(r"\x1b\[\?25[lh]", "", plain)))
    svg = console.export_svg(title="make demo", theme=SVG_EXPORT_THEME)
    (Path(__file__).parent / "demo.svg").write_text(svg)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
