"""Where a call went: the data sets that have it as a row, and the models that were tuned on them."""

from __future__ import annotations

from dataclasses import dataclass

from tuneloop.store import Store, schema
from tuneloop.types import Dataset, FineTuningJob, Split


@dataclass(frozen=True, kw_only=True, slots=True)
class Lineage:
    """What was made of one Log."""

    log_id: str
    #: the data sets, newest first, and in which part of each the call is
    datasets: list[tuple[Dataset, Split]]
    #: jobs that were given one of these, newest first, and the models that have come of them
    jobs: list[FineTuningJob]


def of_log(store: Store, log_id: str) -> Lineage:
    """What was made of a Log, named by its id or the one inside its response. Raises NotFound."""
    log = store.logs.get(log_id)
    datasets = store.datasets.holding(log.id)
    ids = [dataset.id for dataset, _ in datasets]
    jobs = store.jobs.all(schema.jobs.c.dataset_id.in_(ids)) if ids else []
    return Lineage(log_id=log.id, datasets=datasets, jobs=jobs)
