"""Tuneloop: turn the log of your LLM application into a smaller, cheaper, faster model that you own.

What an application needs is here; everything else has its module.
"""

from tuneloop.client import Client, feedback, log

__all__ = ["Client", "__version__", "feedback", "log"]

__version__ = "0.1.0"
