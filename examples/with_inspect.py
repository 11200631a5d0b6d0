"""Inspect: an eval of a local model; its provider reads TUNELOOP_BASE_URL and TUNELOOP_API_KEY."""

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes
from inspect_ai.solver import generate

capitals = Task(
    dataset=[
        Sample(input="What is the capital of France?", target="Paris"),
        Sample(input="What is the capital of Italy?", target="Rome"),
        Sample(input="What is the capital of Spain?", target="Madrid"),
    ],
    solver=generate(),
    scorer=includes(),
)
[log] = eval(
    capitals,
    model="openai-api/tuneloop/smollm2-135m-instruct",
    temperature=0,
    max_tokens=32,
    display="none",
)
print(log.status, log.results.completed_samples, "samples")
for metric in log.results.scores[0].metrics.values():
    print(f"{metric.name}: {metric.value:.2f}")
