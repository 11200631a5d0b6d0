"""Prompts: named, versioned templates of messages with variables and parameters; kept, filled in, told from calls."""

from tuneloop.prompt_types import Draft, Prompt
from tuneloop.prompts.drafts import read
from tuneloop.prompts.from_logs import MOST_LOGS, from_logs
from tuneloop.prompts.rendering import INPUT, defaults, fix, messages, render, request, variables
from tuneloop.prompts.requests import Expanded, expand
from tuneloop.prompts.templates import escape
from tuneloop.prompts.versions import delete, diff, find, of_log, reference, save

__all__ = [
    "INPUT",
    "MOST_LOGS",
    "Draft",
    "Expanded",
    "Prompt",
    "defaults",
    "delete",
    "diff",
    "escape",
    "expand",
    "find",
    "fix",
    "from_logs",
    "messages",
    "of_log",
    "read",
    "reference",
    "render",
    "request",
    "save",
    "variables",
]
