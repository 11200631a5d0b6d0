"""The durable queue of jobs: DBOS runs them one after another, and again from the start after a crash."""

from __future__ import annotations

import logging
from collections.abc import Callable

from dbos import DBOS, DBOSClient, SetWorkflowID, run_dbos_database_migrations

#: Pending jobs are recovered only under the version that began them. Ours is fixed, so that jobs survive an upgrade:
#: running a job again is safe, since it goes on from what its folder and the store say.
VERSION = "1"
QUEUE = "fine-tuning"
WORKFLOW = "run_job"


class JobQueue:
    """Runs `run(job_id)` for every job enqueued, one at a time. One per process: DBOS keeps one instance."""

    def __init__(self, url: str, run: Callable[[str], None]) -> None:
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

        @DBOS.step(name="train")
        def step(job_id: str) -> None:
            run(job_id)

        @DBOS.workflow(name=WORKFLOW)
        def workflow(job_id: str) -> None:
            step(job_id)

        self._workflow = workflow

    def start(self) -> None:
        """Take up what was left behind, then what comes."""
        DBOS.launch()
        DBOS.register_queue(QUEUE, concurrency=1, polling_interval_sec=0.2)

    def enqueue(self, job_id: str) -> None:
        """Line a job up; the same job twice is run once."""
        with SetWorkflowID(job_id):
            DBOS.enqueue_workflow(QUEUE, self._workflow, job_id)

    def close(self) -> None:
        """Stop taking jobs; one that is running is taken up at the next start."""
        DBOS.destroy(destroy_registry=True)


def enqueue_elsewhere(url: str, job_id: str) -> None:
    """Line a job up for the process that runs the queue, now or later: it may never have run here yet."""
    logging.getLogger("dbos").setLevel(logging.ERROR)
    run_dbos_database_migrations(url)
    client = DBOSClient(system_database_url=url, application_name="tuneloop")
    try:
        client.enqueue(
            {"workflow_name": WORKFLOW, "queue_name": QUEUE, "workflow_id": job_id, "app_version": VERSION}, job_id
        )
    finally:
        client.destroy()
