"""Where a tuned model comes from, and what is known of it: job, data set, files, checkpoints, evaluations, names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tuneloop import traffic
from tuneloop.calls import text_of
from tuneloop.errors import ModelNotFound
from tuneloop.reports.numbers import Scale, arm_named, at, listed, means, word
from tuneloop.store import Store, schema
from tuneloop.types import Checkpoint, Dataset, Deployment, Evaluation, FineTuningJob, Model

#: evaluations that are looked through for those of a model
_LOOKED_AT = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What an evaluation says of a model."""

    id: str
    created_at: float
    #: its mean in the metric that decides, as text ("72.4 %"), and the interval ("66.1 to 78.0")
    quality: str
    interval: str
    #: of the evaluation, where it is about this model: "yes", "no", "needs_more"
    verdict: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A name under which a model answers a part of the calls, in percent, or gets copies of them."""

    alias: str
    share: float
    shadow: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """A tuned model and its history."""

    model: Model
    job: FineTuningJob | None
    #: the version that it was tuned on
    dataset: Dataset | None
    #: of its files; None where they are not on this machine
    bytes: int | None
    #: newest first
    checkpoints: Sequence[Checkpoint]
    judged: Sequence[Judged]
    places: Sequence[Place]


def of(store: Store, name: str) -> Origin:
    """The origin of a tuned model. Raises ModelNotFound."""
    model = store.models.find(name)
    if model is None:
        raise ModelNotFound(f"{name!r} is not a model that was tuned here", param="model")
    return _origins(store, [model])[0]


def every(store: Store, *, limit: int, after: int = 0) -> tuple[list[Origin], int]:
    """Tuned models, newest first, without the checkpoints that a job left beside its model: at most `limit` behind the
    first `after`; and how many there are."""
    final = {job.fine_tuned_model for job in store.jobs.all(schema.jobs.c.fine_tuned_model.is_not(None))}
    beside = {one.model for one in store.checkpoints.all()} - final
    models = [model for model in store.models.all() if model.id not in beside]
    return _origins(store, models[after : after + limit]), len(models)


def rehearsal(store: Store, name: str, *, questions: int = 3) -> tuple[str, list[str]]:
    """What a model was trained to be asked: the instructions of a row, and what users ask in some rows that it has not
    seen. Nothing for what was not tuned here."""
    tuned = store.models.find(name)
    job = store.jobs.find(tuned.job_id) if tuned and tuned.job_id else None
    if job is None or job.dataset_id is None:
        return "", []
    rows = list(islice(store.datasets.rows(job.dataset_id, "test"), questions))
    rows = rows or list(islice(store.datasets.rows(job.dataset_id), questions))
    told = [message for row in rows[:1] for message in row.messages if message["role"] in ("system", "developer")]
    asked = [message for row in rows for message in row.messages[:2] if message["role"] == "user"]
    return "\n\n".join(map(text_of, told)), [text for message in asked if (text := text_of(message).strip())]


def places(store: Store, name: str) -> list[Place]:
    """The names under which any model answers, or gets copies."""
    return _places(store.deployments.current()).get(name, [])


def _origins(store: Store, models: Sequence[Model]) -> list[Origin]:
    ids = [model.job_id for model in models if model.job_id]
    jobs = {job.id: job for job in store.jobs.all(schema.jobs.c.id.in_(ids))}
    wanted = [job.dataset_id for job in jobs.values() if job.dataset_id]
    datasets = {dataset.id: dataset for dataset in store.datasets.all(schema.datasets.c.id.in_(wanted))}
    evaluations, _ = store.evaluations.newest(limit=_LOOKED_AT)
    known = _places(store.deployments.current())
    return [
        Origin(
            model=model,
            job=(job := jobs.get(model.job_id or "")),
            dataset=datasets.get(job.dataset_id or "") if job else None,
            bytes=_bytes(model.adapter),
            checkpoints=store.checkpoints.all(schema.checkpoints.c.job_id == job.id) if job else [],
            judged=list(_judged(evaluations, model.id)),
            places=known.get(model.id, []),
        )
        for model in models
    ]


def _places(current: Iterable[Deployment]) -> Mapping[str, list[Place]]:
    found: dict[str, list[Place]] = {}
    for deployment in sorted(current, key=lambda one: one.alias):
        meant = [(one, False) for one in traffic.shares(deployment)] + [(one, True) for one in deployment.shadow]
        for one, shadow in meant:
            place = Place(alias=deployment.alias, share=one["share"], shadow=shadow)
            found.setdefault(one["model"], []).append(place)
    return found


def _judged(evaluations: Iterable[Evaluation], model: str) -> Iterable[Judged]:
    for evaluation in evaluations:
        report = evaluation.report
        candidate = arm_named(report, "candidate")
        about = candidate is not None and candidate.get("model") == model
        arm = candidate if about else next((a for a in listed(report.get("arms")) if a.get("model") == model), None)
        if arm is not None and evaluation.status == "completed":
            scale = Scale(report)
            yield Judged(
                id=evaluation.id,
                created_at=evaluation.created_at,
                quality=scale.score(means(report, arm)),
                interval=scale.between(arm.get("interval")),
                verdict=word(at(report, "verdict", "answer")) or None if about else None,
            )


def _bytes(folder: str | None) -> int | None:
    path = Path(folder) if folder else None
    if path is None or not path.is_dir():
        return None
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
