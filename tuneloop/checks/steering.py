"""Ways in which texts try to steer a model: a pattern for each, and words of which every text that has it has one;
they are looked for first, for most texts have none. Here is what the patterns are made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tuneloop.checks.texts import any_of

RULES = any_of(
    "instructions? rules prompts? guidelines? directions? directives? commands? labels constraints? restrictions? "
    "guidance roles? configuration (?:router|routing|classification)(?!\\s(?:number|code|table)) "
    "programming guardrails? (?:safety|content)\\sfilters? persona label\\slist system\\smessages? list\\sof\\slabels "
    "(?:classification|routing)\\stask rest\\sof\\sth(?:e|is)\\s(?:conversation|message|text|prompt)"
)
#: words by which rules are the model's own, whatever else follows them
ITS = any_of("all any every previous prior earlier preceding above your system initial original existing")
DETERMINERS = any_of(
    f"(?:all|any|each|both)\\sof {ITS} the these those that its everything content other given routing current"
)
SET_ASIDE = any_of(
    "ignor(?:e|ing) disregard(?:ing)? forget(?:ting)? overrid(?:e|ing) overrule bypass(?:ing)? skip neglect discard "
    "do\\sthe\\sopposite\\sof set\\saside put\\saside drop never\\smind break"
)
NOT_FOLLOW = (
    r"stop (?:following|obeying)|(?:do not|don't|never) (?:follow|obey|listen to|adhere to|stick to)|"
    r"pay no attention to|without following|no need to follow|instead of following"
)
SAID_BEFORE = (
    r"(?:everything|all|anything|whatever|what) (?:that )?(?:you (?:were|have been|had been|are|'ve been) "
    r"(?:\w+ )?(?:told|given|instructed|taught|said)|was (?:written|said) (?:above|before)|(?:is |comes? |came )?above)"
)
#: what follows rules that are not the model's: "the instructions in the letter"
OTHERS = r"(?! (?:of|in|on|for|from|at|about|to|how|that came|printed|with)\b)"
SHOW = any_of(
    "print reveal show repeat output display write leak expose dump recite translate summari[sz]e copy tell give quote "
    "share paste disclose spell list return what(?:'s|\\sis|\\sare|\\swere|\\swas)"
)
ECHO = any_of("print repeat output recite copy quote dump echo paste display")
MODES = any_of(
    "admin administrator developer dev debug debugging root god sudo maintenance unrestricted jailbreak dan test "
    "override diagnostic safe evil training"
)
MACHINES = any_of("ais? llms? (?:language\\s)?models? (?:chat)?bots? assistants? classifiers? routers? machine robots?")
PARTS = any_of(
    f"{MACHINES} dan pirate hacker poet comedian terminal calculator administrator (?:with\\s)?no\\s(?:rules|limits) "
    "without\\sany (?:un|non-)(?:restricted|filtered|censored)"
)
REPLY = any_of("answer reply respond output")
CLASSIFY = any_of("classify label route mark tag categori[sz]e treat file")
SAY = any_of(f"{REPLY} {CLASSIFY} print say write return speak act pretend approve tell begin end")
WRITE = any_of("write tell give say print compose generate sing list output show translate explain answer reply")
WORKS = any_of("poem song joke story haiku limerick essay rap riddle recipe tale verse sonnet rhyme")
WORD = any_of("word words phrase string token sentence letters")
TASK = any_of(
    "labels? labell?ing classifications? classifying queues? categor(?:y|ies) routing tasks? schema tickets? that this"
)
QUOTED = r"[\"'`“‘«][^\"'`“”‘’«»\n]{1,60}[\"'`”’»](?! (?:or|to|on|in|and ['\"])\b)"
NAMED = r"(?-i:[a-z]+(?:_[a-z0-9]+)+\b)"
SHOUTED = r"(?-i:[A-Z]{2,}\b)"
ONLY = r"(?:only|just|nothing but|exactly|simply|solely)"
#: questions ask, they do not order
NO_QUESTION = r"(?![^.!?\n]{0,200}\?)"


#: beginnings of words that the texts for some patterns have
ASIDE = (
    "ignor disregard forget overrid overrul bypass skip neglect discard aside drop mind break opposite follow obey "
    "attention listen adhere stick"
)
OF_RULES = (
    "instruction guidance role configuration rout classif rule prompt guideline direct command label constraint "
    "restriction programming guardrail filter persona system_message task rest_of"
)

#: words of which a text has one, in lower case
Group = tuple[str, ...]


class Way(NamedTuple):
    """A way to steer a model."""

    what: str
    #: of each of these groups a text has one, in lower case, or it has not this way
    needs: Sequence[Group]
    pattern: re.Pattern[str]

    def may_be_in(self, lower: str, known: dict[Group, bool]) -> bool:
        """Whether a text in lower case may have it. `known` is what was learnt of the text for other ways."""
        for group in self.needs:
            if group not in known:
                known[group] = any(map(lower.__contains__, group))
            if not known[group]:
                return False
        return True


def ways(what: str, *ways: tuple[str, str]) -> list[Way]:
    """Ways from the words that each needs ("any of these + and of these", `_` for a space) and its pattern."""
    return [
        Way(
            what,
            [tuple(word.replace("_", " ") for word in group.split()) for group in needs.split("+")],
            re.compile(pattern, re.IGNORECASE),
        )
        for needs, pattern in ways
    ]


#: what somebody who steers orders next
OUT = (
    r"(?:tell me|write|print|output|say|respond|reply|answer|reveal|show me|recite|translate|act|return|sing"
    r"|give me an?"
    r"|list|pretend)"
)
