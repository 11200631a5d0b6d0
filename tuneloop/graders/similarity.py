"""text_similarity: how alike two texts are, by one of the metrics or by their embeddings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tuneloop.errors import TuneloopError
from tuneloop.graders import fields, templates
from tuneloop.graders.grading import Ask, GradingFailed, Score, Usage, Verdict
from tuneloop.graders.metrics import METRICS
from tuneloop.types import Json

COSINE = "cosine"


def text_similarity(grader: Mapping[str, Json], param: str, ask: Ask | None) -> Score:
    """From 0 to 1. OpenAI's metrics and ours (chrf, json_fields, ...) under their names. Raises InvalidInput."""
    given, reference = templates.text(grader, "input", param), templates.text(grader, "reference", param)
    metric = fields.choice(grader, "evaluation_metric", param, (COSINE, *METRICS))

    def score(item: Mapping[str, Json], sample: Mapping[str, Json]) -> Verdict:
        texts = [templates.fill(text, item, sample) for text in (given, reference)]
        if metric == COSINE:
            return _cosine(texts, ask)
        return Verdict(reward=METRICS[metric].grade(*texts))

    return score


def _cosine(texts: Sequence[str], ask: Ask | None) -> Verdict:
    """The cosine of the two embeddings, 0 where it is negative: rewards run from 0 to 1."""
    if ask is None:
        raise GradingFailed("other_error", "cosine needs embeddings, and no model can be asked for them here")
    try:
        answer = ask("/embeddings", {"input": list(texts), "encoding_format": "float"})
        one, other = (row["embedding"] for row in sorted(answer["data"], key=lambda row: int(row["index"])))
    except TuneloopError as error:
        raise GradingFailed("other_error", f"cosine needs embeddings, and there are none: {error.message}") from error
    tokens = (answer.get("usage") or {}).get("prompt_tokens") or 0
    length = math.hypot(*one) * math.hypot(*other)
    cosine = sum(a * b for a, b in zip(one, other, strict=True)) / length if length else float(texts[0] == texts[1])
    usage = {str(answer.get("model")): Usage(invocation_count=1, prompt_tokens=tokens)}
    return Verdict(reward=min(1.0, max(0.0, cosine)), usage=usage)
