"""The README's picture from a real run: `script -qc 'tuneloop demo --exit' demo.log; python -m docs.picture demo.log`.

Takes what stayed on the terminal from the comparison on; the home folder and the key are made unrecognisable.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

BEGIN = "4  Compare"
WIDTH = 112
#: moves of the cursor and erased lines, but not colours
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Zhl]|\r")


def main(recording: Path) -> None:
    """Write docs/demo.svg."""
    lines = [CONTROL.sub("", line) for line in recording.read_text(errors="replace").splitlines()]
    start = max(i for i, line in enumerate(lines) if BEGIN in line)
    # Progress bars were gone in the end.
    kept = [line for line in lines[start:] if "━" not in line and not line.startswith("Script done")]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    text = re.sub(r"(Everything is in  ).*", r"\1~/.local/share/tuneloop", text)
    text = re.sub(r"tl-[\w-]{20,}", "tl-...", text)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print(Text.from_ansi(text))
    svg = console.export_svg(title="make demo", theme=SVG_EXPORT_THEME)
    # The font is not worth a request to another server.
    svg = re.sub(r"@font-face \{.*?\}\n", "", svg, flags=re.DOTALL)
    (Path(__file__).parent / "demo.svg").write_text(svg)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
