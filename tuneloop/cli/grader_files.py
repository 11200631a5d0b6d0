"""Graders as JSON files, for every command that takes one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tuneloop.errors import InvalidInput


def read(file: Path) -> Any:
    """The JSON in a file, "-" for standard input. Raises InvalidInput."""
    try:
        return json.loads(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    except OSError as error:
        raise InvalidInput(f"cannot read the grader in {str(file)!r}: {error.strerror}", param="grader") from None
    except ValueError as error:
        raise InvalidInput(f"the grader in {str(file)!r} is not valid JSON: {error}", param="grader") from None
