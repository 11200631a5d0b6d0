"""A report as a file: a page, Markdown or JSON, by the ending of its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from tuneloop.reports.markdown import write_markdown
from tuneloop.reports.page import write_page

#: the endings that there are
FORMS = (".html", ".md", ".json")


def write(evaluation_id: str, report: Mapping[str, Any], form: str) -> bytes:
    """The report of an evaluation in one of the FORMS."""
    if form == ".json":
        return orjson.dumps({"id": evaluation_id, **report}, option=orjson.OPT_INDENT_2)
    return (write_page if form == ".html" else write_markdown)(report).encode()
