"""How the calls to one name are shared among models: by weight, and the same user always meets the same model."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from tuneloop.protocols import Instructions
from tuneloop.types import Deployment, Json

#: what all shares of a name add up to
WHOLE = 100.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """A model, its part of the calls in percent, and what it is told in place of the callers' instructions."""

    model: str
    share: float
    instructions: Instructions | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """What answers under an alias, and what gets copies of its calls."""

    alias: str
    answering: Sequence[Share]
    shadows: Sequence[Share] = ()

    def choose(self, user: str | None = None) -> Share:
        """What answers a call, the same for each call of a `user`.

        Weighted rendezvous hashing (Thaler and Ravishankar 1998): each model draws u from (0, 1] and the smallest
        -ln(u) / share answers. When shares change, only users whose part has shrunk meet another model.
        """
        if len(self.answering) == 1:
            return self.answering[0]
        draw = self._sticky(user) if user else _chance
        return min(self.answering, key=lambda one: -math.log(draw(one)) / one.share)

    def copied(self) -> list[Share]:
        """What gets a copy of a call."""
        return [one for one in self.shadows if random.random() * WHOLE < one.share]

    def _sticky(self, user: str) -> Callable[[Share], float]:
        def draw(one: Share) -> float:
            name = "\0".join((self.alias, one.model, user)).encode("utf-8", "surrogatepass")
            return (int.from_bytes(blake2b(name, digest_size=6).digest()) + 1) / (1 << 48)

        return draw


def _chance(_: Share) -> float:
    return 1.0 - random.random()


def shares(deployment: Deployment) -> list[dict[str, Json]]:
    """Everything that answers: {"model", "share", "prompt"}, also where it is one."""
    alone = {"model": deployment.model, "share": WHOLE, "prompt": deployment.prompt}
    return [dict(one) for one in deployment.shares] or [alone]


def models(deployment: Deployment) -> set[str]:
    """Every model that answers, or gets copies."""
    return {one["model"] for one in (*shares(deployment), *deployment.shadow)}


def of(deployment: Deployment, told: Callable[[str], Instructions]) -> Traffic:
    """How the calls of a deployment are shared; `told` makes instructions of what names a Prompt."""

    def read(one: dict[str, Json]) -> Share:
        prompt = one.get("prompt")
        return Share(model=one["model"], share=one["share"], instructions=told(prompt) if prompt else None)

    return Traffic(
        alias=deployment.alias,
        answering=[read(one) for one in shares(deployment)],
        shadows=[read(one) for one in deployment.shadow],
    )
