"""What a job has told so far, taken event by event: its curves, its epochs, its messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from tuneloop.types import Event

By = Literal["step", "epoch"]
Points = list[tuple[float, float]]

#: most points that a line is drawn with
MOST = 400
#: steps that the speed is averaged over
_RECENT = 10
#: what each plot shows: names in events, and words
LOSS = {"train_loss": "training", "valid_loss": "validation"}
REWARD = {"train_mean_reward": "training", "valid_mean_reward": "validation"}
SCORE = {"valid_score": "validation"}
_KEPT = (*LOSS, *REWARD, *SCORE)


class _Point(NamedTuple):
    """A value, and where it was measured."""

    step: int
    epoch: int
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """A look at the validation rows, with the checkpoint it left: mostly at the end of an epoch."""

    number: int
    step: int
    epoch: int
    numbers: Mapping[str, float]


class Story:
    """Grows with each event of a job, oldest first."""

    def __init__(self) -> None:
        #: id of the last event taken
        self.last: str | None = None
        #: all but the steps
        self.messages: list[Event] = []
        #: the metrics of the latest step
        self.now: Mapping[str, Any] = {}
        #: what was said before the first step: rows, total_steps, estimated_seconds, ...
        self.plan: Mapping[str, Any] = {}
        self.looks: list[Look] = []
        #: number of the best look
        self.best: int | None = None
        self._points: dict[str, list[_Point]] = {}
        self._speeds: list[float] = []

    def take(self, events: Iterable[Event]) -> int:
        """Add events; returns how many they were."""
        count = 0
        for event in events:
            count += 1
            self.last = event.id
            if event.type == "metrics":
                self._step(event.data or {})
            else:
                self.messages.append(event)
                self._message(event.data or {})
        return count

    def speed(self) -> float | None:
        """Tokens in a second, over the latest steps."""
        recent = self._speeds[-_RECENT:]
        return sum(recent) / len(recent) if recent else None

    def has(self, names: Iterable[str]) -> bool:
        """Whether any of these was measured."""
        return any(name in self._points for name in names)

    def latest(self, name: str) -> float | None:
        """The last value."""
        return self._points[name][-1].value if name in self._points else None

    def curves(self, names: Mapping[str, str], by: By) -> dict[str, Points]:
        """A line for each of these that was measured, by its word; at most MOST points each."""
        return {word: self._curve(name, by) for name, word in names.items() if name in self._points}

    def _curve(self, name: str, by: By) -> Points:
        points = self._points[name]
        if by == "step":
            return thin([(point.step, point.value) for point in points], MOST)
        of: dict[int, list[float]] = {}
        for point in points:
            of.setdefault(point.epoch, []).append(point.value)
        if name.startswith("train"):
            return [(epoch, sum(values) / len(values)) for epoch, values in of.items()]
        return [(epoch, values[-1]) for epoch, values in of.items()]

    def _step(self, data: Mapping[str, Any]) -> None:
        self.now = data
        if isinstance(speed := data.get("tokens_per_s"), int | float):
            self._speeds.append(speed)
        self._measured(data)

    def _message(self, data: Mapping[str, Any]) -> None:
        if "estimated_seconds" in data:
            self.plan = data
        elif "checkpoint" in data:
            numbers = {name: data[name] for name in _KEPT if isinstance(data.get(name), int | float)}
            look = Look(number=len(self.looks) + 1, step=data["step"], epoch=int(data.get("epoch", 0)), numbers=numbers)
            self.looks.append(look)
            self.best = data.get("best_epoch")
        elif data.get("step") == 0:
            self._measured(data)

    def _measured(self, data: Mapping[str, Any]) -> None:
        step, epoch = int(data.get("step", 0)), int(data.get("epoch", 0))
        for name in _KEPT:
            if isinstance(value := data.get(name), int | float):
                self._points.setdefault(name, []).append(_Point(step, epoch, float(value)))


def thin(points: Sequence[tuple[float, float]], most: int) -> Points:
    """At most so many of the points, in their order: the first, the last, and of each stretch between the lowest and
    the highest, so that no peak is lost."""
    if len(points) <= most:
        return list(points)
    stretches = (most - 2) // 2
    inner = points[1:-1]
    kept: Points = [points[0]]
    for number in range(stretches):
        begin, end = number * len(inner) // stretches, (number + 1) * len(inner) // stretches
        stretch = inner[begin:end]
        extremes = {min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])}
        kept += sorted(extremes)
    return [*kept, points[-1]]
