"""The Logs page: the calls that match a filter, newest first, and what one does with many of them."""

from __future__ import annotations

from tuneloop.ui.logs.page import PAGE

__all__ = ["PAGE"]
