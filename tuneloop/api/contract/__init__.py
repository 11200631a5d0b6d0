"""The contract: every route, what it takes, what it answers and what becomes of each field, as data.

The OpenAPI description and the table in docs/openai_compatibility.md are made from it; tests hold it against the
routes that there are and against the types of OpenAI's own client.
"""

from __future__ import annotations

from tuneloop.api.contract import (
    batches,
    chat,
    deployments,
    estimates,
    evals,
    evaluations,
    files,
    graders,
    models,
    own,
    prompts,
    responses,
    settings,
    texts,
    tuning,
)
from tuneloop.api.contract.words import Operation

OPERATIONS: tuple[Operation, ...] = (
    *files.OPERATIONS,
    *tuning.OPERATIONS,
    *chat.OPERATIONS,
    *texts.OPERATIONS,
    *responses.OPERATIONS,
    *models.OPERATIONS,
    *batches.OPERATIONS,
    *graders.OPERATIONS,
    *evals.OPERATIONS,
    *evaluations.OPERATIONS,
    *estimates.OPERATIONS,
    *prompts.OPERATIONS,
    *own.OPERATIONS,
    *deployments.OPERATIONS,
    *settings.OPERATIONS,
)
