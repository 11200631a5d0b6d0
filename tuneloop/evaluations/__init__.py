"""Evaluations: arms (the base prompted, with examples, tuned, ...) answer the same held-out rows and are compared.

Knows no database and no engine: how a model is asked, what a call costs and where answers are kept are handed in.
"""

from tuneloop.evaluations.arms import Answer, Arm, Picker, answer_limit, is_instruction, prompt
from tuneloop.evaluations.comparison import Doors, Terms, run
from tuneloop.evaluations.running import Ask, CallPrice, CostLimitReached, Forgetful, Keeper, Progress
from tuneloop.evaluations.shots import PICKERS, Similar, Spread
from tuneloop.evaluations.words import is_real, rows_for_table, sentence

__all__ = [
    "PICKERS",
    "Answer",
    "Arm",
    "Ask",
    "CallPrice",
    "CostLimitReached",
    "Doors",
    "Forgetful",
    "Keeper",
    "Picker",
    "Progress",
    "Similar",
    "Spread",
    "Terms",
    "answer_limit",
    "is_instruction",
    "is_real",
    "prompt",
    "rows_for_table",
    "run",
    "sentence",
]
