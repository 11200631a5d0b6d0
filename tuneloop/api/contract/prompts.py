"""Prompts: named, versioned templates. Tuneloop's own; a call names one as OpenAI's Responses API does."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from typing_extensions import TypedDict

from tuneloop.api.contract.words import Deleted, Operation, Page, works


class SavePrompt(TypedDict):
    """A new version: what it says, or the logs that it is made of."""

    name: str
    messages: NotRequired[Annotated[list[dict[str, Any]], works("as chat has them, with {{variables}} in their texts")]]
    model: NotRequired[str | None]
    parameters: NotRequired[dict[str, Any] | None]
    tools: NotRequired[list[dict[str, Any]] | None]
    response_format: NotRequired[dict[str, Any] | None]
    note: NotRequired[str | None]
    logs: NotRequired[Annotated[list[str], works("ids, in place of messages")]]
    keep_input: NotRequired[Annotated[bool, works("with logs: the last user message stays as it is")]]


class Prompt(TypedDict):
    """One version."""

    id: str
    object: Literal["prompt"]
    name: str
    version: int
    created_at: float
    messages: list[dict[str, Any]]
    variables: Annotated[list[str], works("the names that stand in the messages")]
    model: str | None
    parameters: dict[str, Any]
    tools: list[dict[str, Any]]
    response_format: dict[str, Any] | None
    note: str | None


class RenderPrompt(TypedDict, total=False):
    """Values for the variables."""

    version: int | str | None
    variables: dict[str, Any] | None


class Rendered(TypedDict):
    """The chat request that a prompt makes."""

    object: Literal["prompt.rendered"]
    prompt: Annotated[str, works("the version's name, as logs have it")]
    request: dict[str, Any]


_PROMPT = "/v1/prompts/{name}"

OPERATIONS = (
    Operation("Tuneloop", "POST", "/v1/prompts", "Save a version of a prompt", SavePrompt, Prompt),
    Operation("Tuneloop", "GET", "/v1/prompts", "The newest version of each prompt", gives=Page[Prompt]),
    Operation("Tuneloop", "GET", _PROMPT, "A version: NAME, NAME@VERSION or its id", gives=Prompt),
    Operation("Tuneloop", "GET", f"{_PROMPT}/versions", "Every version, newest first", gives=Page[Prompt]),
    Operation("Tuneloop", "POST", f"{_PROMPT}/render", "Fill the variables in", RenderPrompt, Rendered),
    Operation("Tuneloop", "DELETE", _PROMPT, "Delete a prompt, or one version of it", gives=Deleted),
)
