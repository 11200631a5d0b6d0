"""Tuneloop's own routes around the server: keys, people, upstreams, webhooks."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from typing_extensions import TypedDict

from tuneloop.api.contract.words import Deleted, Operation, Page, works
from tuneloop.person_types import Role


class CreateKey(TypedDict):
    """What a key is for."""

    name: str


class Key(TypedDict):
    """What is known of an API key."""

    id: str
    object: Literal["api_key"]
    created_at: float
    name: str
    hint: Annotated[str, works("its first and last letters")]
    used_at: Annotated[float | None, works("when a call last came with it, to the minute")]
    preset: Annotated[bool, works("whether TUNELOOP_API_KEY sets it")]


class NewKey(Key):
    """A key that was just made."""

    key: Annotated[str, works("the key itself, shown only now")]


class Invite(TypedDict):
    """Somebody who may sign in to the web page."""

    name: str
    role: NotRequired[Annotated[Role | None, works("viewer (the default), reviewer or owner")]]


class ChangePerson(TypedDict):
    """What somebody may do from now on."""

    role: Role


class Person(TypedDict):
    """Somebody who may sign in."""

    id: str
    object: Literal["person"]
    created_at: float
    name: str
    role: Role
    signed_in: Annotated[list[float], works("when, in each browser that is signed in")]


class NewPerson(Person):
    """Somebody who was just invited."""

    link: Annotated[str, works("what they open to sign in, shown only now")]


class Upstream(TypedDict):
    """A server that calls are passed on to."""

    id: str
    object: Literal["upstream"]
    base_url: str
    models: list[str]
    api_key_env: str | None
    has_key: Annotated[bool, works("whether that variable is set")]


class UpstreamTest(TypedDict):
    """How it answered."""

    id: str
    object: Literal["upstream.tested"]
    ok: bool
    error: str | None
    way_out: str | None
    latency_ms: float | None
    models: Annotated[list[str] | None, works("those that it lists")]


class Webhook(TypedDict):
    """An address that is told when something has ended."""

    id: str
    object: Literal["webhook"]
    events: list[str]


class TestWebhook(TypedDict):
    """Which of them."""

    url: str


class WebhookTest(TypedDict):
    """Whether the event arrived."""

    id: str
    object: Literal["webhook.tested"]
    ok: bool
    status: int | None
    error: str | None


class Prune(TypedDict):
    """Which old calls go."""

    before: Annotated[str, works("90d (h, d, w: so long ago) or a day: 2026-08-31")]
    where: NotRequired[Annotated[str, works("only those that match a filter")]]
    all: NotRequired[Annotated[bool, works("also scored ones, and those in data sets")]]
    dry_run: NotRequired[Annotated[bool, works("only count")]]


class Pruned(TypedDict):
    """What became of them."""

    object: Literal["logs.pruned"]
    dry_run: bool
    before: float
    matching: Annotated[int, works("those that are old enough, and match")]
    deleted: Annotated[int, works("those of them that went, or would go")]


OPERATIONS = (
    Operation("Tuneloop", "POST", "/v1/logs/prune", "Delete old calls", Prune, Pruned),
    Operation("Tuneloop", "POST", "/v1/keys", "Make an API key", CreateKey, NewKey),
    Operation("Tuneloop", "GET", "/v1/keys", "List API keys", gives=Page[Key]),
    Operation("Tuneloop", "DELETE", "/v1/keys/{key_id}", "Take an API key back", gives=Deleted),
    Operation("Tuneloop", "POST", "/v1/people", "Let somebody sign in to the web page", Invite, NewPerson),
    Operation("Tuneloop", "GET", "/v1/people", "Who may sign in", gives=Page[Person]),
    Operation("Tuneloop", "POST", "/v1/people/{person_id}", "Give somebody another role", ChangePerson, Person),
    Operation("Tuneloop", "DELETE", "/v1/people/{person_id}", "Let somebody in no longer", gives=Deleted),
    Operation("Tuneloop", "GET", "/v1/upstreams", "List upstreams", gives=Page[Upstream]),
    Operation("Tuneloop", "POST", "/v1/upstreams/{name}/test", "Whether an upstream answers", gives=UpstreamTest),
    Operation("Tuneloop", "GET", "/v1/webhooks", "List webhooks", gives=Page[Webhook]),
    Operation("Tuneloop", "POST", "/v1/webhooks/test", "Send a webhook an event", TestWebhook, WebhookTest),
)
