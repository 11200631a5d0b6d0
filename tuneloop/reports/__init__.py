"""The report of an evaluation for people: one page, or Markdown, from its JSON alone."""

from tuneloop.reports.forms import FORMS, write
from tuneloop.reports.markdown import write_markdown
from tuneloop.reports.page import write_page

__all__ = ["FORMS", "write", "write_markdown", "write_page"]
