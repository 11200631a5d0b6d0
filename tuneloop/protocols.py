"""The doors: the few places where one part can be exchanged for another, one verb each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from tuneloop.types import Json, Log, Message, Model

Auto = Literal["auto"]
Method = Literal["supervised", "dpo", "kto", "reinforcement"]
Tuning = Literal["lora", "full"]
Schedule = Literal["cosine", "linear", "constant"]
Effort = Literal["default", "low", "medium", "high"]
#: what somebody wants of a training process: to stop at a checkpoint, or at once
Asked = Literal["pause", "cancel"]
#: prices a call: (provider, model, prompt tokens, completion tokens) -> dollars, or None when there is no price
Cost = Callable[[str | None, str, int, int], float | None]
#: fills a prompt into a call that names one: (request, path) -> the request without `prompt` and the version's name, or
#: None where the call goes on as it is
Expand = Callable[[Mapping[str, Json], str], tuple[dict[str, Json], str] | None]


class Dialect(Protocol):
    """What a server does differently from OpenAI's, put right on the way in and on the way out."""

    def request(self, asked: Mapping[str, Json], raw: bytes) -> bytes:
        """The body to send for `asked`, which came as the bytes `raw`."""
        ...

    def answer(self, asked: Mapping[str, Json], status: int, body: bytes) -> bytes:
        """A whole answer, or an error, as OpenAI would have put it."""
        ...

    def event(self, asked: Mapping[str, Json], data: bytes) -> bytes | None:
        """One event of a stream (what follows `data:`) as OpenAI would have put it; None drops it.

        Events with names come as they go out, each with its lines `event:` and `data:` and a blank one.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where a model answers: every engine is an OpenAI-compatible HTTP server that we know the URL of."""

    #: with the version, without a slash at the end: "http://127.0.0.1:8081/v1"
    base_url: str
    #: sent as Bearer token; None sends none
    api_key: str | None = None
    #: the name the server knows the model by; None leaves the caller's
    model: str | None = None
    #: upstream name, for logs and prices
    provider: str | None = None
    #: where the call goes, when not to the path it came to: "/chat/completions"
    path: str | None = None
    #: what has to be translated; None passes bytes through untouched
    dialect: Dialect | None = None
    #: entered around a call, so that the engine is not stopped meanwhile; True for one that others go before
    lease: Callable[[bool], AbstractContextManager[object]] = nullcontext


class Engine(Protocol):
    """Knows where a model answers, and may know how to start it."""

    async def endpoint(self, model: Model, path: str = "/chat/completions") -> Endpoint:
        """Where `model` answers calls to `path` ("/embeddings"), started first if need be. Raises EngineUnavailable,
        and InvalidInput for what the engine cannot do."""
        ...


class Memory(Protocol):
    """What stored responses hold, as items of the Responses API, for calls that go on from them."""

    def conversation(self, response_id: str) -> Sequence[Mapping[str, Json]]:
        """The items of a response and of those before it, oldest first. Raises InvalidInput."""
        ...

    def item(self, item_id: str) -> Mapping[str, Json]:
        """One of them. Raises NotFound."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Instructions:
    """A Prompt that takes the place of the instructions in a call: what names it, and what it makes of messages."""

    prompt: str
    instead: Callable[[Sequence[Message]], Sequence[Message]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """What answers under a name, and the engine that knows where."""

    model: Model
    engine: Engine
    #: of a deployment whose model knows the callers' instructions by heart
    instructions: Instructions | None = None
    #: what is asked the same afterwards, for the log alone
    shadows: Sequence[Route] = ()


class Router(Protocol):
    """Finds what answers under a name: a deployment's alias, a tuned or base model, a name at an upstream."""

    def route(self, name: str, user: str | None = None) -> Route:
        """Where several answer, the same one for the same `user`. Raises ModelNotFound. Called for every call, so it
        answers from memory."""
        ...


class Recorder(Protocol):
    """Keeps Logs."""

    async def record(self, log: Log) -> None:
        """Returns when `log` is on disk."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingSpec:
    """What a training run is told: a function from files to files that knows no database.

    The run reads `spec.json` in its folder and writes beside it: `events.jsonl` (one Event a line, only ever
    appended), `checkpoints/step-N/` (what a killed run goes on from), `adapter/` (the best one, peft files and
    `adapter.gguf`) and likewise `checkpoints/epoch-N/`, `results.csv` and, last of all, `result.json`.
    """

    #: folder of the base model: safetensors, config, tokenizer
    model: str
    training_file: str
    validation_file: str | None = None
    #: adapter folder to go on from, when the model to tune is a tuned one
    adapter: str | None = None
    seed: int = 0
    n_epochs: int | Auto = "auto"
    #: rows whose gradients make one step
    batch_size: int | Auto = "auto"
    #: factor on the learning rate that "auto" picks
    learning_rate_multiplier: float | Auto = "auto"
    #: what is learnt from: answers, pairs of a preferred and another answer, answers with thumbs up or down, rewards of
    #: answers of its own
    method: Method = "supervised"
    #: dpo, kto and reinforcement: how strongly the model is held near the one it started from
    beta: float | Auto = "auto"
    #: "lora" trains an adapter, "full" every weight of the model
    tuning: Tuning = "lora"
    lora_rank: int | Auto = "auto"
    lora_alpha: float | Auto = "auto"
    #: names of the linear layers that get an adapter ("q_proj"), all of them when empty
    lora_targets: Sequence[str] = ()
    #: keep the frozen weights in 4 bits (QLoRA)
    quantize: bool = False
    schedule: Schedule = "cosine"
    #: share of the steps in which the learning rate rises to its highest
    warmup: float = 0.1
    weight_decay: float = 0.0
    #: epochs without a better validation result after which the run ends; None goes through all
    patience: int | None = None
    #: name of a metric ("exact_match") or a grader's JSON: the epoch whose answers to the validation rows it scores
    #: highest is kept, in place of the one with the lowest loss
    grader: str | Mapping[str, Json] | None = None
    #: from here to max_completion_tokens only reinforcement: OpenAI's JSON of the grader whose grades are the rewards
    reward: Mapping[str, Json] | None = None
    #: factor on the number of answers that are drawn to each prompt
    compute_multiplier: float | Auto = "auto"
    #: steps from one look at the validation file to the next, and answers drawn to each of its rows
    eval_interval: int | Auto = "auto"
    eval_samples: int | Auto = "auto"
    #: how long answers may be; "default" is medium
    reasoning_effort: Effort = "default"
    #: the same in tokens; None leaves it to reasoning_effort
    max_completion_tokens: int | None = None
    #: answers are drawn at
    temperature: float = 1.0
    #: CPU threads; 0 takes every core
    threads: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingResult:
    """What a training run leaves in `result.json`: either an adapter or an error."""

    #: numbers in place of "auto": n_epochs, batch_size, learning_rate_multiplier
    hyperparameters: Mapping[str, Json] = field(default_factory=dict)
    trained_tokens: int = 0
    steps: int = 0
    train_loss: float | None = None
    valid_loss: float | None = None
    seconds: float = 0.0
    #: {"code", "message", "param"} when the data or the settings are to blame
    error: Mapping[str, Json] | None = None


class Executor(Protocol):
    """Runs a training folder somewhere: a child process here, or a cluster."""

    def run(self, folder: Path, *, asked: Callable[[], Asked | None], on_line: Callable[[int, str], None]) -> int:
        """Run to the end, or until somebody has `asked` for something else, and return the exit code; calls
        `on_line(number, line)` for each new line of events."""
        ...


class ModelSource(Protocol):
    """Where a base model comes from: a wheel, a hub, a folder."""

    def fetch(self, folder: Path, progress: Callable[[str, int, int], None]) -> None:
        """Bring the files into `folder`, resuming what is there; calls `progress(what, done, total)` in bytes."""
        ...
