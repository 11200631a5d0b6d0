"""Graders as OpenAI has them, and the metrics that compare an answer with its reference.

`read` makes a Grader of its JSON: string_check, text_similarity, python, score_model, label_model, multi. One object
serves evals, the reward of reinforcement fine-tuning, filters and gates; it is handed how to ask a model and how to
run Python. One kind a file.
"""

from tuneloop.graders.chrf import Chrf
from tuneloop.graders.exact import ExactMatch
from tuneloop.graders.grading import Ask, Failure, Graded, Grader, GradingFailed, RunPython, Usage, Verdict
from tuneloop.graders.json_match import JsonFields, JsonMatch
from tuneloop.graders.labels import LabelAccuracy
from tuneloop.graders.metrics import METRICS, Metric, Metrics, of_metric, pick, suited
from tuneloop.graders.reading import read
from tuneloop.graders.rouge import RougeL
from tuneloop.graders.samples import complete, sample_of, sample_of_text, sample_to_compare

__all__ = [
    "METRICS",
    "Ask",
    "Chrf",
    "ExactMatch",
    "Failure",
    "Graded",
    "Grader",
    "GradingFailed",
    "JsonFields",
    "JsonMatch",
    "LabelAccuracy",
    "Metric",
    "Metrics",
    "RougeL",
    "RunPython",
    "Usage",
    "Verdict",
    "complete",
    "of_metric",
    "pick",
    "read",
    "sample_of",
    "sample_of_text",
    "sample_to_compare",
    "suited",
]
