"""The counts of a run, kept up row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tuneloop.eval_types import EvalItem
from tuneloop.graders import Usage
from tuneloop.types import Json


class Report:
    """What a run has come to so far. `criteria` are the names of its graders."""

    def __init__(self, criteria: Sequence[str], items: Iterable[EvalItem] = ()) -> None:
        self._criteria = criteria
        self._statuses: Counter[str] = Counter()
        self._passed: Counter[int] = Counter()
        self._failed: Counter[int] = Counter()
        self._usage: dict[str, Usage] = {}
        for item in items:
            self.add(item)

    @property
    def count(self) -> int:
        """Rows that are done."""
        return self._statuses.total()

    def add(self, item: EvalItem) -> None:
        """Count one more row. A result whose grader failed counts as neither passed nor failed."""
        self._statuses[item.status] += 1
        for index, result in enumerate(item.results):
            if result["passed"]:
                self._passed[index] += 1
            elif not result.get("errors"):
                self._failed[index] += 1
        for model, used in item.usage.items():
            self._usage[model] = self._usage.get(model, Usage()) + Usage(**used)

    def json(self) -> dict[str, Json]:
        """The fields of OpenAI's run object."""
        return {
            "result_counts": {
                "total": self.count,
                "passed": self._statuses["pass"],
                "failed": self._statuses["fail"],
                "errored": self._statuses["error"],
            },
            "per_testing_criteria_results": [
                {"testing_criteria": name, "passed": self._passed[index], "failed": self._failed[index]}
                for index, name in enumerate(self._criteria)
            ],
            "per_model_usage": [
                {"model_name": model, "invocation_count": used.invocation_count, **used.tokens}
                for model, used in sorted(self._usage.items())
            ],
        }
