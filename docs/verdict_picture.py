"""The picture of a report in docs/verdict.md, from a real run: `make pictures`.

Tunes and compares the customer-service example in a home of its own (some minutes), writes the report and has Chromium
take a picture of its beginning. The report itself is kept nowhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "use_cases" / "customer_service"
#: of the window, in pixels
WIDTH, HEIGHT = 1200, 1500


def main(models: Path | None) -> None:
    """Write docs/verdict.png. `models` is a folder with base models, where they are here already."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("the picture needs Chromium: apt install chromium")
    with TemporaryDirectory() as name:
        home = Path(name)
        if models is not None:
            (home / "models").symlink_to(models.resolve())
        report = home / "report.html"
        environ = {**os.environ, "TUNELOOP_HOME": str(home)}
        command = [sys.executable, "-m", "tuneloop", "verdict", str(EXAMPLE / "train.jsonl")]
        command += ["--held-out", str(EXAMPLE / "held_out.jsonl"), "--name", "customer-service"]
        command += ["--short", "Say the key of the Skerry Line answer that fits.", "--epochs", "5"]
        command += ["--dollars-per-hour", "0.05"]
        command += ["--grader", str(EXAMPLE / "grader.json"), "--report", str(report)]
        subprocess.run(command, env=environ, check=True)
        picture = ROOT / "docs" / "verdict.png"
        options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}"]
        subprocess.run([browser, *options, f"--screenshot={picture}", report.as_uri()], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
