"""The command line. Every command says what it did and what to do next; errors go to stderr with exit status 1."""

from __future__ import annotations

import sys


def main() -> None:
    """The `tuneloop` command."""
    from tuneloop.cli.commands import app
    from tuneloop.cli.console import fail
    from tuneloop.errors import TuneloopError

    try:
        app()
    except TuneloopError as error:
        fail(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `tuneloop logs list | head`
        sys.stderr.close()
        sys.exit(141)
