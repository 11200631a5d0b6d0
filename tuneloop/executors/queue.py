"""The durable queues: DBOS runs what is lined up, one item of a queue after another, and again after a crash."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from dbos import DBOS, DBOSClient, SetWorkflowID, run_dbos_database_migrations

#: Pending jobs are recovered only under the version that began them. Ours is fixed, so that jobs survive an upgrade:
#: running a job again is safe, since it goes on from what its folder and the store say.
VERSION = "1"
Queue = Literal["validation", "fine-tuning", "batches", "eval-runs", "evaluations"]
QUEUES: tuple[Queue, ...] = get_args(Queue)
#: how many items of a queue are worked on side by side, where it is more than one: a small batch does not wait for the
#: end of a large one
SIDE_BY_SIDE: Mapping[Queue, int] = {"batches": 16}


def _workflow(queue: Queue) -> str:
    return "run_job" if queue == "fine-tuning" else f"run_{queue}"


class JobQueue:
    """Runs `works[queue](item_id)` for every item enqueued: one at a time in a queue (unless SIDE_BY_SIDE says more),
    the queues side by side.

    A work may be run again from its beginning at any time, so it goes on from what the store says. One per process:
    DBOS keeps one instance.
    """

    def __init__(self, url: str, works: Mapping[Queue, Callable[[str], None]]) -> None:
        logging.getLogger("dbos").setLevel(logging.ERROR)
        DBOS(
            config={
                "name": "tuneloop",
                "system_database_url": url,
                "application_version": VERSION,
                "executor_id": "local",
                "log_level": "ERROR",
                "console_log_level": "ERROR",
                "enable_otlp": False,
            }
        )
        self._workflows = {queue: _register(queue, work) for queue, work in works.items()}

    def start(self) -> None:
        """Take up what was left behind, then what comes."""
        DBOS.launch()
        for queue in self._workflows:
            DBOS.register_queue(queue, concurrency=SIDE_BY_SIDE.get(queue, 1), polling_interval_sec=0.2)

    def enqueue(self, queue: Queue, item_id: str, *, again: str = "") -> None:
        """Line an item up; the same one twice is run once. `again` as in `enqueue_elsewhere`."""
        with SetWorkflowID(_workflow_id(queue, item_id, again)):
            DBOS.enqueue_workflow(queue, self._workflows[queue], item_id)

    def close(self) -> None:
        """Stop taking items; one that is running is taken up at the next start."""
        DBOS.destroy(destroy_registry=True)


def _workflow_id(queue: Queue, item_id: str, again: str) -> str:
    # A job is in two queues: its files are looked at while others train.
    return f"{item_id}/validation" if queue == "validation" else item_id + again


def _register(queue: Queue, work: Callable[[str], None]) -> Callable[[str], Any]:
    @DBOS.step(name=f"{queue}-step")
    def step(item_id: str) -> None:
        work(item_id)

    @DBOS.workflow(name=_workflow(queue))
    def workflow(item_id: str) -> None:
        step(item_id)

    return workflow


def enqueue_elsewhere(url: str, queue: Queue, item_id: str, *, again: str = "") -> None:
    """Line an item up for the process that runs the queues, now or later: it may never have run here yet.

    `again` tells a later run of the same item (a job that was paused) from the first.
    """
    logging.getLogger("dbos").setLevel(logging.ERROR)
    run_dbos_database_migrations(url)
    client = DBOSClient(system_database_url=url, application_name="tuneloop")
    try:
        client.enqueue(
            {
                "workflow_name": _workflow(queue),
                "queue_name": queue,
                "workflow_id": _workflow_id(queue, item_id, again),
                "app_version": VERSION,
            },
            item_id,
        )
    finally:
        client.destroy()
