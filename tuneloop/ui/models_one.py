"""One model: where it comes from, how good it was found to be, where it answers, and what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from nicegui import ui

from tuneloop import models, origins
from tuneloop.deployments import Served
from tuneloop.loop import Loop
from tuneloop.origins import Origin, Place
from tuneloop.reports.contents import VERDICTS
from tuneloop.types import Model
from tuneloop.ui import deployments, forms, parts, tables
from tuneloop.ui.datasets_words import path, source, total
from tuneloop.ui.deployments import Around, Card, Case
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here
from tuneloop.ui.models import size
from tuneloop.ui.tables import Cell


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """A model, or what is deployed under a name that is none."""

    model: Model | None
    origin: Origin | None
    places: list[Place]
    case: Case | None


def look(loop: Loop, name: str) -> _Found:
    """What is known of a name. Raises ModelNotFound."""
    catalog = loop.routes.catalog()
    cases = deployments.look(loop, name)
    model = catalog.find(name)
    if model is None and not cases:
        model = loop.routes.route(name).model
    tuned = name in catalog.tuned
    return _Found(
        model=model,
        origin=origins.of(loop.store, name) if tuned else None,
        places=origins.places(loop.store, name),
        case=cases[0] if cases else None,
    )


async def _model(here: Here) -> None:
    name = str(here.names["name"])
    found = await here.do(look, here.loop, name)
    parts.link("All models", "/models").classes("back")
    with parts.row("between top-of-page"):
        with parts.tag("div"):
            parts.text("h1", name, "id")
            parts.text("p", _lead(found), "lead")
        with parts.row():
            _buttons(here, name, found)
    if found.case is not None:
        await _name(here, found.case)
    if found.origin is not None:
        _came_from(found.origin)
        with parts.tag("div", "model-halves"):
            _facts(found.origin)
            _answers(found.places)
        _judged(found.origin)
        _checkpoints(found.origin)
    elif found.model is not None:
        _answers(found.places)


def _lead(found: _Found) -> str:
    if found.origin is not None:
        dataset = found.origin.dataset
        return f"{found.origin.model.base}, tuned" + (f" on {dataset.name}" if dataset else "") + "."
    if found.model is None:
        return "A name that applications ask for; what answers there can be changed."
    if found.model.kind == "base":
        return "A model that runs on this machine, and that can be tuned."
    return f"A model at {found.model.owned_by}."


def _buttons(here: Here, name: str, found: _Found) -> None:
    calls = f"{'served_by' if found.model else 'model'} = '{name}'"
    parts.link("Its calls", f"/logs?{urlencode({'where': calls})}", "plain")
    parts.link("Try it", deployments.to_chat(name), "plain")
    if not here.may("owner") or found.model is None:
        return
    if found.origin is not None:
        parts.button("Delete", lambda: _delete(here, name), "danger")
    parts.link("Deploy", f"/models?{urlencode({'deploy': name})}", "main")


async def _delete(here: Here, name: str) -> None:
    why = "Its files and checkpoints go for good. The data set and the job stay."
    if not await forms.sure(f"Delete {name}?", why, "Delete"):
        return
    await here.allowed("owner")
    await here.do(models.delete, here.loop.store, name, here.loop.routes.catalog())
    here.loop.routes.forget()
    ui.navigate.to("/models")


async def _name(here: Here, case: Case) -> None:
    """What answers under a name that has a page of its own."""
    served = await here.do(deployments.numbers, here.loop, [case])

    async def again() -> None:
        nonlocal served
        (now,) = await here.do(deployments.look, here.loop, case.alias)
        served = await here.do(deployments.numbers, here.loop, [now])
        shown.show(now)

    around = Around(here=here, place=parts.tag("div", "dialogs"), changed=again)
    shown = parts.live(lambda now: _card(around, now, served), case)


def _card(around: Around, case: Case, served: dict[str, list[Served]]) -> None:
    Card(around, case, served[case.alias])


def _came_from(origin: Origin) -> None:
    """The way from the calls to the model, each step a link."""
    job, dataset = origin.job, origin.dataset
    with parts.card("stack"):
        parts.heading("Where it comes from", "From the calls to the model; each step can be looked at.")
        with parts.tag("ol", "model-way"):
            if dataset is not None:
                said, to = source(dataset)
                _step("Made of", said, to)
                _step(
                    "Data set",
                    f"{dataset.name}, {total(dataset):,} rows",
                    path(dataset.id),
                    tables.ago(dataset.created_at),
                )
            elif job is not None:
                _step("Training file", job.training_file, None, "gone, or not made of a data set")
            if job is not None:
                _step("Job", job.id, f"/jobs/{quote(job.id)}", _trained(job.trained_tokens))
            _step("Model", origin.model.id, None, tables.ago(origin.model.created_at))
        if job is None:
            parts.text("p", "The job that made it is not known here.", "dim")


def _trained(tokens: int | None) -> str:
    return f"{tokens:,} tokens learnt" if tokens else ""


def _step(kind: str, said: str, to: str | None, below: str = "") -> None:
    with parts.tag("li"):
        parts.text("span", kind, "dim")
        if to:
            parts.link(said, to)
        else:
            parts.text("strong", said)
        if below:
            parts.text("small", below, "dim")


def _facts(origin: Origin) -> None:
    job = origin.job
    rows = [("Base model", origin.model.base), ("Size of its files", size(origin.bytes))]
    if job is not None:
        rows.append(("Method", str(job.method.get("type", "supervised"))))
        names = {"n_epochs": "Epochs", "batch_size": "Batch size", "learning_rate_multiplier": "Learning rate ×"}
        rows += [(said, f"{job.hyperparameters[name]}") for name, said in names.items() if name in job.hyperparameters]
        if prompt := job.metadata.get("prompt"):
            rows.append(("Tuned with the prompt", prompt))
    with parts.card("stack"):
        parts.text("h2", "What it is")
        parts.pairs(rows)


def _answers(places: list[Place]) -> None:
    with parts.card("stack"):
        parts.text("h2", "Where it answers")
        if not places:
            parts.text("p", "Nowhere yet. Deploy it under the name that your application asks for.", "dim")
            return
        rows: list[list[Cell | str]] = [
            [Cell(said=one.alias, to=deployments.to_model(one.alias)), "copies" if one.shadow else f"{one.share:g} %"]
            for one in places
        ]
        tables.table(("Name", "Of its calls"), rows, label="Where it answers", numbers=(1,))


def _judged(origin: Origin) -> None:
    with parts.card("stack"):
        parts.text("h2", "Comparisons")
        if not origin.judged:
            compare = {"model": origin.model.id} | ({"dataset": origin.dataset.name} if origin.dataset else {})
            parts.text("p", "It was not compared with anything yet: nobody knows how good it is.", "dim")
            parts.link("Compare it", f"/compare?{urlencode(compare)}", "plain")
            return
        rows: list[list[Cell | str]] = []
        for one in origin.judged:
            said, tone = VERDICTS.get(one.verdict or "", ("another's", "plain"))
            rows.append(
                [
                    Cell(said=one.quality, to=f"/compare/{quote(one.id)}", below=one.interval),
                    Cell(said=said, tone=tone),
                    tables.when(one.created_at),
                ]
            )
        tables.table(("Quality", "Verdict", "When"), rows, label="Comparisons with this model")


def _checkpoints(origin: Origin) -> None:
    if not origin.checkpoints:
        return
    with parts.card("stack"):
        parts.heading("Checkpoints", "What it was like after its last epochs; each is a model, too.")
        rows: list[list[Cell | str]] = [
            [
                Cell(said=one.model, to=deployments.to_model(one.model)),
                f"{one.step:,}",
                _loss(one.metrics.get("train_loss")),
                _loss(one.metrics.get("full_valid_loss", one.metrics.get("valid_loss"))),
            ]
            for one in origin.checkpoints
        ]
        headers = ("Model", "Step", "Training loss", "Validation loss")
        tables.table(headers, rows, label="Checkpoints", numbers=(1, 2, 3))


def _loss(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


PAGE = page("/models/{name:path}", "Model")(_model)
