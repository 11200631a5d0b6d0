"""Refusals: a model that says that it cannot, may not or does not understand, or that it is a model.

A business refuses too ("unfortunately, we cannot refund"): that is an answer. A refusal speaks of answering itself.
"""

from __future__ import annotations

import re

from tuneloop.checks.texts import any_of

_SORRY = (
    r"(?:(?:i(?:'m| am)|we(?:'re| are)) (?:very |so |really |truly )?(?:sorry|afraid)|sorry|(?:my )?apologies|"
    r"i apologi[sz]e|unfortunately)"
)
_CANNOT = (
    r"(?:can't|cannot|can not|could not|couldn't|am unable to|am not able to|'m unable to|'m not able to"
    r"|won't be able to|"
    r"will not be able to|must decline to|have to decline to|am not allowed to|'m not allowed to|am not permitted to)"
)
_DO = any_of(
    r"help(?!\s(?:but\b|\w+ing\b)) assist do\s(?:that|this) comply answer fulfil+ provide\s(?!you\swith\sa\srefund) "
    r"respond process\s(?:that|this|your)\s(?:request|question|message) discuss engage continue\s(?:with\s)?th "
    r"share\s(?:that|this|personal|any) generate create\scontent classify categori[sz]e label determine\s(?:the|which"
    r"|what|a) "
    r"understand complete\s(?:that|this) perform\sth access\s(?:real|the\sinternet|external|personal) browse"
)
_MODEL = r"(?:ai|artificial intelligence|(?:large )?language model|llm|virtual assistant|ai model|chatbot)"
_ENGLISH = re.compile(
    rf"\bas an? {_MODEL}\b|\bi(?:'m| am) (?:just |only |merely )?an? {_MODEL}\b"
    rf"|^\W*(?:{_SORRY}\W*(?:but |that )?(?:as an? [\w ]{{1,40}},? )?)?(?:i|we) ?{_CANNOT} {_DO}"
    rf"|,? (?:so|therefore|but) i {_CANNOT} (?:help|assist|continue|comply|answer|do (?:that|this))\b"
    r"|^\W*(?:sorry|i(?:'m| am) sorry|apologies)\W+(?:but )?i (?:don't|do not|didn't"
    r"|did not) (?:quite )?(?:understand|follow|"
    r"know how)"
    r"|\bi (?:don't|do not) have (?:the ability to|access to (?:real|the internet|current|live|up-to)|personal "
    r"(?:opinions|feelings|experiences))|\bmy (?:knowledge cut-?off|training data)\b"
    r"|^\W*i(?:'m| am) not comfortable (?:answering|with|doing|discussing|providing)"
    r"|^\W*it would (?:be inappropriate|not be appropriate) for me\b|\b(?:violates|against) (?:our|my|the|openai's) "
    r"(?:content |usage )?(?:polic|guideline)",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"\bno puedo (?:\w+ )?(?:ayudar|responder|contestar|proporcionar|clasificar|hacer eso)"
    r"|\bje ne (?:peux|suis) pas (?:(?:en mesure|capable) de )?(?:\w+ )?(?:aider|répondre|fournir|classer)"
    r"|\bkann (?:ich )?(?:\w+ ){0,5}(?:nicht (?:\w+ )?(?:helfen|weiterhelfen|beantworten|beurteilen|zuordnen)"
    r"|keine auskunft)"
    r"|\bnon posso (?:aiutar|rispondere|fornire|classificare)|\bnão (?:posso|consigo|consegui) (?:\w+ )?(?:ajudar"
    r"|responder|"
    r"fornecer|identificar|classificar)"
    r"|\bkan (?:ik )?(?:\w+ ){0,4}niet (?:\w+ )?(?:helpen|beantwoorden)|\bnie mogę (?:\w+ )?(?:pomóc|odpowiedzieć)"
    r"|\b(?:kan|kunde) (?:jag |jeg )?(?:tyvärr |desværre |dessverre )?(?:inte|ikke) (?:hjälpa|hjælpe|hjelpe|svara"
    r"|svare)"
    r"|не мог[уe] (?:\w+ )?(?:помочь|ответить|выполнить)|无法(?:回答|帮助|提供|协助|处理)|不能(?:回答|提供|协助)"
    r"|(?:お答え|お手伝い|回答|対応|お応え)(?:することが|は|が)?(?:でき(?:ません|かねます)|いたしかねます)"
    r"|(?:도와드릴|답변할|답변드릴) 수 없|\bals ki(?:-| )?(?:modell|assistent|sprachmodell)"
    r"|\ben tant qu(?:e |')(?:ia|modèle|intelligence|assistant)"
    r"|\bcomo (?:un )?(?:modelo de lenguaje|ia\b|inteligencia artificial|asistente virtual"
    r"|um modelo)"
    r"|\bcome (?:modello|intelligenza artificiale)",
    re.IGNORECASE,
)


def refusal(text: str) -> str | None:
    """The words by which an answer refuses; None where it does not."""
    beginning = text[:400].replace("’", "'")
    match = _ENGLISH.search(beginning) or (_ELSEWHERE.search(beginning[:160]))
    return match.group() if match else None
