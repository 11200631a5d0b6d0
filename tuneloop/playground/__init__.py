"""The playground: prompts and models asked the same, side by side; in the terminal, and on a sheet of the web page."""

from tuneloop.playground.asking import Case, Side, ask, check, of_input, of_rows, side

__all__ = ["Case", "Side", "ask", "check", "of_input", "of_rows", "side"]
