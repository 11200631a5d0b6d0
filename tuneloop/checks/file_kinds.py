"""Kinds of finding about files and about the turns of a conversation; tuneloop.checks.kinds has all."""

from __future__ import annotations

from tuneloop.checks.findings import Kind

FILE_KINDS = (
    Kind(
        code="unreadable_file",
        title="The file cannot be read, or not to its end",
        why="What stands in it, or in the rest of it, was not examined and cannot be learnt.",
        harm=1.0,
    ),
    Kind(
        code="not_json_lines",
        severity="warning",
        title="Not one row on each line",
        why="OpenAI and most programs read JSON Lines only, a row on each line; it was read here all the same.",
    ),
    Kind(
        code="not_text",
        title="Picture, sound or file in a message",
        why="Models that are tuned here read text only, so the row cannot be learnt; OpenAI takes pictures for some.",
        fixes=("drop",),
        harm=0.5,
    ),
    Kind(
        code="nothing_learnt",
        severity="warning",
        title="Every answer has weight 0",
        why="The row costs time in training, and nothing of it is learnt.",
        fixes=("drop",),
        harm=0.1,
    ),
    Kind(
        code="no_question",
        severity="warning",
        title="No user's message",
        why="Nothing was asked: the model learns to say this unasked.",
        harm=0.2,
    ),
    Kind(
        code="no_instructions",
        severity="advice",
        title="No system message, though most rows have one",
        why="Asked without one, the model may not do what the rows with one teach; give it to all or to none.",
        harm=0.1,
    ),
    Kind(
        code="repetitive",
        title="The answer repeats itself",
        why="The model learns to go round in circles and not to stop.",
        fixes=("take_correction", "drop"),
        harm=1.0,
    ),
)
