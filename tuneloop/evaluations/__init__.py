"""Evaluations: arms (the base prompted, with examples, tuned, ...) answer the same held-out rows and are compared.

Knows no database and no engine: how a model is asked and what a call costs are handed in.
"""

from tuneloop.evaluations.arms import Answer, Arm, answer_limit, choose_examples, prompt, text_of
from tuneloop.evaluations.comparison import Ask, CallPrice, Progress, run
from tuneloop.evaluations.words import is_real, rows_for_table, sentence

__all__ = [
    "Answer",
    "Arm",
    "Ask",
    "CallPrice",
    "Progress",
    "answer_limit",
    "choose_examples",
    "is_real",
    "prompt",
    "rows_for_table",
    "run",
    "sentence",
    "text_of",
]
