"""What a page makes of a job's events: curves that lose no peak, epochs, speed."""

from __future__ import annotations

import random
from typing import Any

from tuneloop.types import Event
from tuneloop.ui.job_plots import curves
from tuneloop.ui.job_story import LOSS, MOST, REWARD, Story, thin


def event(number: int, message: str = "", **data: Any) -> Event:
    kind: Any = "metrics" if "train_loss" in data and "checkpoint" not in data else "message"
    return Event(id=f"e{number}", job_id="j", created_at=1.0, type=kind, message=message, data=data or None)


def step(number: int, epoch: int = 1, **data: Any) -> Event:
    return event(number, step=number, total_steps=9, epoch=epoch, **{"train_loss": 1 / number, **data})


def test_a_story_grows_event_by_event() -> None:
    story = Story()
    assert story.take([]) == 0 and story.speed() is None and not story.has(LOSS)
    begun = [
        event(1000, "Before training", step=0, valid_loss=3.0),
        event(1001, "Training on", estimated_seconds=9.0, total_steps=4, n_epochs=2),
    ]
    first = [step(1, tokens_per_s=100), step(2, tokens_per_s=300, valid_loss=2.0)]
    looked = [
        event(1002, "Checkpoint", step=2, epoch=1, train_loss=0.5, checkpoint="c/1", best_epoch=1, valid_loss=2.0)
    ]
    assert story.take([*begun, *first, *looked]) == 5
    assert story.take([step(3, 2), step(4, 2, valid_loss=1.0)]) == 2
    assert story.last == "e4" and story.speed() == 200 and story.latest("valid_loss") == 1.0
    assert [one.message for one in story.messages] == ["Before training", "Training on", "Checkpoint"]
    assert (story.looks[0].number, story.looks[0].step, story.best, story.now["step"]) == (1, 2, 1, 4)
    assert story.curves(LOSS, "step") == {
        "training": [(1, 1.0), (2, 0.5), (3, 1 / 3), (4, 0.25)],
        "validation": [(0, 3.0), (2, 2.0), (4, 1.0)],
    }
    by_epoch = story.curves(LOSS, "epoch")
    assert by_epoch["training"] == [(1, 0.75), (2, (1 / 3 + 0.25) / 2)]
    assert by_epoch["validation"] == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert story.curves(REWARD, "step") == {}
    found = curves(story, "epoch")
    assert list(found.plots) == ["Loss"] and found.end == 2 and curves(story, "step").end == 4


def test_a_long_curve_keeps_its_ends_and_its_peaks() -> None:
    chance = random.Random(1)
    points = [(float(x), chance.random()) for x in range(100_000)]
    points[7777], points[55_555] = (7777.0, 9.0), (55_555.0, -9.0)
    few = thin(points, MOST)
    assert len(few) <= MOST and few == sorted(few)
    assert {points[0], points[-1], points[7777], points[55_555]} <= set(few)
    assert thin(points[:MOST], MOST) == points[:MOST]
    assert len(thin([(float(x), 1.0) for x in range(MOST + 1)], MOST)) <= MOST
