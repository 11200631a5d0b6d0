"""Processes that train one model together, one for each GPU: started by torchrun, or by the run itself.

All make the same batches. Each computes gradients of its share of a batch; their sum is what one process would have
computed, and every process takes the same step with it. Only the first one writes files.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, distributed

from tuneloop.training.checkpoints import Checkpoints
from tuneloop.training.decoder import Decoder
from tuneloop.training.records import EventLog
from tuneloop.training.tree import Ints, TokenRow, Unit, order_of, pack, shared_prefixes
from tuneloop.types import Json

#: Share of a GPU's free memory that frozen weights may take. What is left is for activations.
_MOST_FOR_WEIGHTS = 0.7

#: Nobody waits longer than this for another. The first process may have to wait for a run in the same folder; one that
#: dies takes the others with it, so that none waits in vain.
_PATIENCE = timedelta(days=7)


class _Unheard(EventLog):
    """The events of a process that does not lead."""

    def __init__(self) -> None:
        pass

    def message(
        self, text: str, data: Mapping[str, Json] | None = None, level: Literal["info", "warn", "error"] = "info"
    ) -> None:
        """Says nothing."""

    def metrics(self, text: str, data: Mapping[str, Json]) -> None:
        """Says nothing."""


class _Unkept(Checkpoints):
    """The checkpoints of a process that does not lead: it goes on from the leader's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Keeps nothing."""

    def save_epoch(self, epoch: int, best: int, save: Any) -> Path:
        """Keeps nothing; returns where the leader keeps it."""
        return self.epoch(epoch)


@dataclass(frozen=True, kw_only=True, slots=True)
class Team:
    """The processes of a run; a process by itself is a team of one."""

    rank: int = 0
    size: int = 1
    #: processes on this machine
    local_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def total(self, numbers: Tensor) -> Tensor:
        """The sum over all processes, on the CPU; there may be none to add on some."""
        return self._reduced(numbers, distributed.ReduceOp.SUM)

    def least(self, number: int) -> int:
        """The smallest that a process has."""
        return int(self._reduced(torch.tensor(number), distributed.ReduceOp.MIN))

    def most(self, number: int) -> int:
        """The largest that a process has."""
        return -self.least(-number)

    def any(self, is_so: bool) -> bool:
        """Whether a process says yes."""
        return self.most(int(is_so)) == 1

    def led(self, number: float) -> float:
        """The number that the first process has."""
        return float(self.total(torch.tensor(number if self.leads else 0.0, dtype=torch.float64)))

    def following(self, judge: Callable[[], float]) -> Callable[[], float]:
        """A judge that tells what the first process's has found."""
        return lambda: self.led(judge())

    def wait(self) -> None:
        """Go on when all processes have come this far."""
        self.least(0)

    def add(self, numbers: Tensor) -> None:
        """Put the sum over all processes in place of numbers."""
        if self.size > 1:
            distributed.all_reduce(numbers)

    def events(self, path: Path) -> EventLog:
        """The log of events, in which only the first process writes."""
        return EventLog(path) if self.leads else _Unheard()

    def checkpoints(self, folder: Path) -> Checkpoints:
        """The checkpoints, which only the first process keeps, and all go on from."""
        return Checkpoints(folder) if self.leads else _Unkept(folder)

    def share(self, units: Sequence[Unit]) -> Ints:
        """Indices of the units that this process computes."""
        return np.arange(len(units)) if self.size == 1 else shares(units, self.size)[self.rank]

    def place(self, model: Decoder, device: torch.device) -> None:
        """Put a frozen model on the device of each process, in parts where one has no room for all of it."""
        size = sum(parameter.nbytes for parameter in model.parameters())
        if self.size == 1 or device.type != "cuda" or size <= _MOST_FOR_WEIGHTS * torch.cuda.mem_get_info(device)[0]:
            model.to(device)
        else:
            shard(model, device)

    def _reduced(self, numbers: Tensor, how: Any) -> Tensor:
        numbers = numbers.detach().cpu()
        if self.size > 1:
            distributed.all_reduce(numbers, how)
        return numbers


ALONE = Team()


def shares(units: Sequence[Unit], count: int) -> list[Ints]:
    """Units for each of `count` processes, as indices: neighbours in the tree, and much the same number of tokens.

    A share may be empty. Tokens that units of different shares have in common are computed in each.
    """
    order = order_of([unit.rows[0] for unit in units])
    rows = [row for index in order for row in units[index].rows]
    prefixes, lengths = shared_prefixes(rows), np.array([len(row.tokens) for row in rows])
    starts = np.cumsum([0, *(len(units[index].rows) for index in order[:-1])])
    added = np.add.reduceat(lengths - prefixes, starts)
    # The first of a share finds nothing to share.
    first = added + prefixes[starts]
    low, high = int(first.max()), int(first[0] + added[1:].sum())
    while low < high:
        middle = (low + high) // 2
        if len(_dealt(first, added, middle)) <= count:
            high = middle
        else:
            low = middle + 1
    ends = [*_dealt(first, added, low), *[len(order)] * count][:count]
    return [np.array(order[start:end], dtype=np.int64) for start, end in zip([0, *ends], ends, strict=False)]


def _dealt(first: Ints, added: Ints, most: int) -> list[int]:
    """Where shares end that are as long as they can be with at most that many tokens."""
    ends, tokens = list[int](), 0
    for index, (alone, beside) in enumerate(zip(first.tolist(), added.tolist(), strict=True)):
        if index and tokens + beside > most:
            ends.append(index)
            tokens = alone
        else:
            tokens += beside if index else alone
    return [*ends, len(first)]


def shard(model: Decoder, device: torch.device) -> None:
    """Keep a part of each layer's frozen weights on the device of each process; a layer is put together to be computed.

    FSDP2 (Zhao et al. 2023, arXiv:2304.11277). To be called by all processes, before a LoRA is added, which all have.
    From then on each has to compute as many trees as every other.
    """
    # Not at the top: it takes a second.
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    for layer in model.layers:
        fully_shard(layer, mesh=mesh)
    for part in (model.embedding, model.output, model.norm, model.rotary):
        part.to(device)
    whole = {parameter for parameter in model.parameters() if not hasattr(parameter, "placements")}
    fully_shard(model, mesh=mesh, ignored_params=whole)
    model.sharded = True
    # The first module that computes is taken for the root of all.
    with torch.no_grad():
        model(pack([TokenRow(np.zeros(2, dtype=np.int64), np.ones(2, dtype=np.float32))]))


def join() -> Team:
    """The team that torchrun has started this process for."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE)
    return Team(
        rank=distributed.get_rank(),
        size=distributed.get_world_size(),
        local_size=int(os.environ["LOCAL_WORLD_SIZE"]),
    )


def leave() -> None:
    """End what join() began."""
    distributed.destroy_process_group()


def launch(folder: Path, processes: int) -> int:
    """Train in `folder` with that many processes, as torchrun would; returns the exit status of the first that ends
    badly, or 0."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=str(uuid.uuid4()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        cast(Any, elastic_launch)(config, sys.executable)("-m", "tuneloop.training", str(folder))
    except ChildFailedError as error:
        return int(error.get_first_failure()[1].exitcode)
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0
