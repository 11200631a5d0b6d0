"""Tuneloop: turn the log of your LLM application into a smaller, cheaper, faster model that you own."""

__version__ = "0.1.0"
