"""What kind of work a span was: "llm" and "embedding" are calls of a model, everything else is around them."""

from __future__ import annotations

from tuneloop.importers.otlp.spans import Span
from tuneloop.importers.otlp.values import first, text

#: words of the conventions that differ from ours, which are OpenInference's in lower case
_WORDS = {
    "chat": "llm",
    "text_completion": "llm",
    "generate_content": "llm",
    "completion": "llm",
    "generation": "llm",
    "chat_model": "llm",
    "embeddings": "embedding",
    "execute_tool": "tool",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "invoke_workflow": "chain",
    "workflow": "chain",
    "task": "chain",
    "retrieval": "retriever",
    "rerank": "reranker",
}
_KNOWN = frozenset(
    {"llm", "embedding", "agent", "tool", "chain", "retriever", "reranker", "guardrail", "evaluator", "prompt"}
)
_SPOKE = ("gen_ai.input.", "gen_ai.output.", "gen_ai.prompt", "gen_ai.completion", "gen_ai.usage.", "llm.token_count.")
_MODEL = ("gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "llm.request.model")


def kind_of(span: Span) -> str:
    """The kind in OpenInference's words; "span" where none is to be seen."""
    for read in (_vercel, _named, _by_its_events, _by_its_attributes):
        if kind := read(span):
            return kind
    return "span"


def _vercel(span: Span) -> str | None:
    """The Vercel AI SDK wraps each call of a model ("ai.generateText.doGenerate") in a span that looks alike."""
    operation = text(span.attributes, "ai.operationId") or ""
    if not operation.startswith("ai."):
        return None
    if operation == "ai.toolCall":
        return "tool"
    last = operation.rpartition(".")[2]
    return {"doGenerate": "llm", "doStream": "llm", "doEmbed": "embedding"}.get(last, "chain")


def _named(span: Span) -> str | None:
    for name in (
        "openinference.span.kind",
        "gen_ai.operation.name",
        "langfuse.observation.type",
        "mlflow.spanType",
        "llm.request.type",
        "traceloop.span.kind",
    ):
        word = (text(span.attributes, name) or "").strip('"').lower()
        word = _WORDS.get(word, word)
        if word in _KNOWN:
            return word
    return None


def _by_its_events(span: Span) -> str | None:
    told = ("gen_ai.choice", "gen_ai.user.message", "gen_ai.content.prompt", "gen_ai.content.completion")
    return "llm" if any(event.name in told for event in span.events) else None


def _by_its_attributes(span: Span) -> str | None:
    """A model and what it said or counted, without a word for what was done."""
    values = span.attributes
    if first(values, *_MODEL) is None:
        return None
    return "llm" if any(name.startswith(_SPOKE) for name in values) else None
