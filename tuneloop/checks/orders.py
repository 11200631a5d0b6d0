"""Orders to a model: ways to steer it that are such when they are said to whoever answers, and to nobody else."""

from __future__ import annotations

from tuneloop.checks.steering import (
    ASIDE,
    CLASSIFY,
    DETERMINERS,
    ITS,
    MACHINES,
    MODES,
    NAMED,
    NO_QUESTION,
    NOT_FOLLOW,
    OF_RULES,
    ONLY,
    OTHERS,
    OUT,
    PARTS,
    QUOTED,
    REPLY,
    RULES,
    SAID_BEFORE,
    SAY,
    SET_ASIDE,
    SHOUTED,
    TASK,
    WORD,
    WORKS,
    WRITE,
    ways,
)

#: what is said to whoever answers, or else is no attempt
ORDERS = (
    *ways(
        "sets the instructions aside",
        (
            f"{ASIDE} + {OF_RULES}",
            rf"\b(?:{SET_ASIDE}|{NOT_FOLLOW})\s+(?:about )?(?:my )?(?:{DETERMINERS}\s+){{0,4}}?"
            rf"(?:{ITS}\s+)(?:{DETERMINERS}\s+){{0,2}}{RULES}\b(?! video)(?! (?:in|on) the (?!prompt|system))",
        ),
        (
            f"{ASIDE} + {OF_RULES}",
            rf"\b(?:{SET_ASIDE}|{NOT_FOLLOW})\s+(?:the |these |those |that |its )?{RULES}\b(?: above)?{OTHERS}"
            rf"(?=\s*(?:[.!,;:\n-]|$|and|but|then|just|instead|above|you)){NO_QUESTION}",
        ),
        (
            f"{ASIDE} + told given instructed taught said written above",
            rf"\b(?:{SET_ASIDE})\s+{SAID_BEFORE}\b",
        ),
        (
            "ignore disregard forget + above before prior previous preceding",
            r"\b(?:ignore|disregard|forget)\s+(?:all |any |the |every)?\s*(?:thing )?(?:above|before|prior|previous"
            r"|preceding)"
            rf"(?: (?:text|messages?|content|context|this|that|everything|conversation|input))?"
            rf"[ ,.;:]+(?:and |then |just |now |instead |please |only ){{0,3}}{SAY}\b",
        ),
        (
            "forget",
            r"\bforget (?:that )?you(?:'re| are| were)\s+(?:an?|the|my|only|just|supposed|bound|told)\b",
        ),
        (
            "erase_your wipe_your reset_your clear_your delete_your",
            r"\b(?:erase|wipe|reset|clear|delete)\s+your\s+(?:memory|context|instructions|programming|prompt)\b",
        ),
    ),
    *ways(
        "leaves the task for another",
        (
            "forget skip mind drop stop leave don't do_not + "
            "write tell give say print compose generate sing list output show translate explain answer reply",
            rf"\b(?:forget|skip|never mind|drop|stop|leave|don't|do not)\s+(?:about |with |doing )?(?:the |this "
            rf"|that |your "
            rf"|all |any ){{0,2}}(?:{TASK}|label|classify|route|answer)\b(?: (?:it|me|(?:this|that|the|my)(?: \w+)?))?"
            rf"[,.;:!]?\s+(?:and |then |just |instead |please |only |but )*{WRITE}\s+"
            rf"(?:me |us )?(?:an?\b|the system|your|only|just|out|{QUOTED})",
        ),
        (
            "instead_of rather_than",
            r"\b(?:instead of|rather than)\s+(?:that|this|answering|classifying|routing|labell?ing|replying"
            r"|categori[sz]ing|"
            rf"(?:an? |the )?(?:labels?|categor(?:y|ies)|queues?|intents?))\b(?: (?:this|it|me|that|the \w+))?,?\s+"
            rf"(?:please |just )*{WRITE}\s+(?:me |us )?(?!back\b){NO_QUESTION}",
        ),
        (
            "instead + write tell_me compose print output generate sing say",
            rf"\binstead,?\s+(?:please |just )*(?:write|tell me|compose|print|output|generate|sing|say)\s+"
            rf"(?:me |us )?(?:an?|the|your|all|only|just|out|{QUOTED}|{SHOUTED})(?![\w]){NO_QUESTION}",
        ),
        (
            "instead + poem song joke story haiku limerick essay rap riddle recipe tale verse sonnet rhyme",
            rf"\b{WRITE}\s+(?:me |us )?(?:an?"
            rf"|the)\s+(?:\w+\s+){{0,2}}{WORKS}\b[^.!?\n]{{0,60}}\binstead\b(?: of (?:that|this|answering|an? label"
            rf"|the label|"
            r"labels|classifying|routing)|(?! of))",
        ),
    ),
    *ways(
        "gives the model another part to play",
        (
            "you_are_now you're_now",
            rf"(?<!if )(?<!that )\byou(?: are|'re) now\s+(?:in\s+)?(?:an?\s+)?(?:\w+[ -]){{0,3}}?(?:{PARTS}"
            rf"|{MODES} mode|free from|jailbroken|"
            rf"unlocked|evil)\b{NO_QUESTION}",
        ),
        (
            "you_are_now",
            r"(?:^|[.!:;\n] ?|\band )you are now\s+an?\s+(?:\w+[ -]){1,3}?(?:(?:that|who|which|and|without|with no"
            r"|called)\b|"
            rf"[.,!]){NO_QUESTION}",
        ),
        (
            "from_now_on you_are_now you're_now",
            rf"\b(?:from now on|you are now|you're now),?\s+(?:you are "
            rf"|you're )?(?-i:[A-Z]\w*[a-z]\w*)(?<!Closed)(?! (?:and|is)\b)"
            rf"{NO_QUESTION}",
        ),
        (
            "you_are_no you're_no",
            r"\byou(?: are|'re) (?:not|no longer)\s+(?:an?|the|bound|limited|restricted|required)\b.{0,40}?"
            rf"\b(?:{MACHINES}|(?:by|to) (?:\w+ ){{0,3}}{RULES})\b",
        ),
        (
            "mode",
            rf"\b(?:enter|switch (?:in)?to|activate|enable|go into|engage|start)\s+(?:the |your "
            rf"|an? )?(?:\w+\s+){{0,1}}"
            rf"{MODES}[ -]mode\b(?! (?:on|in|for) (?:my|the|a)\b){NO_QUESTION}",
        ),
        (
            "pretend role act_ behave respond answer speak imagine + "
            "bot llm model assist classif rout machin dan pirate hack poet comed termin calcul admin rule limit any_",
            r"\b(?:pretend|role-?play|act|behave|respond|answer|speak|imagine)\s+(?:to be|as if|as though|like|as"
            r"|that)?\s*"
            rf"(?:you (?:are|were|have|had|are now)\s+)?(?:the )?(?:an?\s+)?(?:[\w']+\s+){{0,3}}?{PARTS}\b",
        ),
        (
            f"pretend imagine act_as answer_as act_like suppose + {OF_RULES}",
            r"\b(?:pretend|imagine|act as if|answer as if|act like|suppose)\s+(?:that )?(?:you (?:have|had)"
            r"|there (?:are|were))\s+"
            rf"(?:no|not any)\s+(?:\w+\s+)?{RULES}\b",
        ),
        (
            "pretend",
            r"\bpretend\s+(?:to be|(?:that )?you(?:'re| are| were))\s+(?:an?|the|my)\b",
        ),
        (
            "the_role the_persona the_part the_character the_identity",
            rf"\b(?:assume|play|take on|adopt|switch to)\s+the\s+(?:role|persona|part|character"
            rf"|identity)\s+of\b{NO_QUESTION}",
        ),
        (
            "your_new your_only your_real your_true your_next",
            r"\byour (?:new|only|real|true|next) (?:task|role|job|goal|purpose|instructions?|objective|identity"
            r"|persona)\b"
            rf"(?: (?:now|is now|for now))? (?:is|are|will be)\b{NO_QUESTION}",
        ),
        (
            "do_anything jailbr speak_as",
            r"\bdo anything now\b|\bjailbreak(?:ed)?\s*(?::|mode|enabled|activated|prompt)|\bspeak as the (?:raw"
            r"|real)\b",
        ),
    ),
    *ways(
        "gives new instructions",
        (
            "from_now from_this from_here hencef the_rest the_remainder",
            rf"\b(?:from (?:now|this point|here|this moment) on(?:wards?)?|from this (?:moment|point)|henceforth"
            rf"|(?:for|in|throughout) "
            rf"the (?:rest|remainder) of (?:this|the|our) (?:chat|conversation|session)),?\s+(?:please |you (?:will "
            rf"|must |shall |should |are to |may )?|"
            rf"(?:just |only |always |never ){{1,2}}|every \w+ ){{0,3}}(?:{REPLY}|{CLASSIFY}|say|speak|act|pretend"
            rf"|you are|"
            rf"you're|your (?:name|answers?))\b(?! (?:by|via|my|me by|to me|within|back|all my|before)\b)",
        ),
        (
            "new_",
            r"(?:^|[.!?:;\n*#-] ?|(?-i:[a-z] (?=[A-Z])))\s*(?:here are |these are )?(?:your "
            r"|the )?new (?:instructions?|rules?|tasks?|"
            r"system (?:prompt|message)|directives?|objective|policy)\s*:",
        ),
        (
            "answer reply respond output",
            rf"\b{REPLY}\s+(?:to (?:this|me|everything)\s+|this\s+|back\s+|now\s+|me\s+)?(?:{ONLY}\s+)?(?:with\s+"
            rf"|as\s+|in\s+)?"
            rf"(?:{ONLY}\s+)?(?:the\s+(?:exact |single |magic |literal )?(?:{WORD}|label|text)\b(?! (?:of|on|in"
            rf"|from|field|"
            rf"document|count)\b)|(?:label |word |token )?{NAMED})",
        ),
        (
            "answer reply respond output + with_",
            rf"\b{REPLY}\s+(?:to (?:this|me|everything)\s+|this\s+|back\s+|now\s+"
            rf"|me\s+)?(?:{ONLY}\s+)?with\s+(?:{ONLY}\s+)?"
            rf"(?:{QUOTED}|(?!ASAP|PDF|AM|PM){SHOUTED}\b{NO_QUESTION})",
        ),
        (
            "only just nothing_but exactly simply solely",
            rf"\b(?:{REPLY}|say|print|write|return)\s+(?:{ONLY}\s+)(?:with\s+)?(?:the\s+(?:{WORD})\b(?! (?:of|on"
            rf"|in)\b)|"
            rf"{QUOTED}|{SHOUTED})",
        ),
        (
            "only just nothing_but exactly simply solely",
            rf"\b{ONLY}\s+(?:{REPLY}|say|print|write|return)\s+(?:with\s+)?(?:the\s+(?:{WORD})\b(?! (?:of|on|in)\b)|"
            rf"{QUOTED})",
        ),
        (
            "nothing_else nothing_more",
            rf"\b(?:{REPLY}|say|print|write|return)\b[^.!?\n]{{1,60}}\band (?:absolutely )?nothing (?:else|more)\b",
        ),
        (
            "say_",
            rf"\bsay\s+(?:the (?:magic )?(?:word|phrase)\b|{QUOTED}\s*(?:[.!]|$))",
        ),
        (
            "always",
            rf"\balways\s+(?:{REPLY}|say|print|{CLASSIFY})\b[^.!?\n]{{0,30}}?(?:\b(?:with|as)\b|{QUOTED}|{NAMED})",
        ),
        (
            "answer reply respond output classify label + all_ every any each",
            rf"\b(?:{REPLY}|classify|label)\s+(?:to\s+)?(?:this (?:\w+ )?and )?(?:all|every|any"
            rf"|each)\s+(?:\w+\s+){{1,3}}?(?:with|as)\b{NO_QUESTION}"
            rf"(?! (?:read|unread|spam|one)\b)",
        ),
        (
            "for_all for_every for_each",
            rf"\bfor (?:all|every|each)(?: of)?(?: the)? (?:following |future |next |new )?(?:messages?|questions?"
            rf"|requests?|inputs?),?"
            rf" {SAY}\b",
        ),
        (
            "no_matter whatever",
            rf"\b(?:no matter|whatever)\s+(?:what )?(?:i|they|we|anyone|someone|the (?:user|customer|client|text"
            rf"|message))\s+"
            rf"(?:\w+\s+)?\w+,\s+(?:always |just |only |please )*{SAY}\b",
        ),
        (
            "regardless no_matter whatever",
            rf"\b(?:{REPLY}|{CLASSIFY})\b[^.!?\n]{{0,60}}?\b(?:regardless of|no matter|whatever) (?:the |its |what "
            rf"|this )*"
            r"(?:content|text|questions?|messages?|input|i\b|it says|says|is written|customer|user)",
        ),
        (
            "classify label route mark tag categori treat file + as_ to_ under",
            rf"\b{CLASSIFY}\s+(?:this|it|that|me|everything|the (?:\w+ )?(?:message|ticket|text|request|query"
            rf"|question|e-?mail))\s+"
            rf"(?:only |simply |just )?(?:as|to|under)\s+(?:the label )?(?:{QUOTED}|{NAMED})",
        ),
        (
            "set_ change_ force_ + label output answer intent classif",
            r"\b(?:set|change|force) (?:the|your|its) (?:label|output|answer|category|intent|classification) (?:to"
            r"|as|=)\b",
        ),
        (
            "label category class queue intent answer + is_ must_be = is:",
            rf"\bthe (?:correct|right|only|real|true|proper) (?:label|category|class|queue|intent|answer)\b"
            rf"(?: (?:for|to|of|here) ?[\w ]{{0,20}})? (?:is|must be|=)\s*:?\s*(?:{QUOTED}|{NAMED})",
        ),
        (
            "your_answer your_reply your_response your_output",
            rf"\byour (?:answer|reply|response|output) (?:must|should|has to|will|shall)(?: only)? (?:be|say|contain"
            rf"|read)"
            rf"(?: exactly| only| just)?:?\s+(?:the (?:{WORD}|label)\b|{QUOTED}|{NAMED})",
        ),
        (
            "change_your",
            r"\bchange your (?:answer|output|reply|response) (?:format|style|language)\b",
        ),
    ),
    *ways(
        "sets aside what was said, for another order",
        (
            "ignore disregard forget override + all everything question customer user ticket that above",
            r"\b(?:ignore|disregard|forget|override)\s+(?:about )?(?:all (?:of )?(?:that|this|it)|everything|that"
            r"|(?:all )?the "
            r"(?:question|customer|user|above|text|ticket|message|conversation)(?: above)?)[^.!?\n]{0,30}?(?:,|;"
            r"|\band\b"
            rf"|\bthen\b)\s+(?:now |then |just |instead |please )*{OUT}\b",
        ),
        (
            "above before until so_far follow obey listen + test joke fake void invalid written irrelevant real "
            "example only_m",
            r"\b(?:follow|obey|listen to) only (?:me\b|my (?:orders|instructions|commands|words))"
            r"|\bthe above (?:was|is) (?:written by|an? (?:test|joke|fake))"
            r"|\b(?:everything|anything|all|the (?:text|messages?|questions?|part|lines?)) (?:written |said )?(?:above"
            r"|before"
            r"|until now|so far)(?: this(?: \w+)?)? (?:was|is|were|are) (?:an? |just |only |all )*(?:test|joke|fake"
            r"|void"
            r"|invalid|written by|irrelevant|not real|example)",
        ),
        (
            "whatever + above before",
            rf"\bwhatever (?:is |was |it )?(?:written |said |says )?(?:above|before),? {SAY}\b",
        ),
        (
            "don't do_not none + label categor option queue",
            r"\b(?:don't|do not|never) use (?:any of |one of )?(?:the|your|these|those) (?:\w+ )?(?:labels|categories"
            r"|queues)\b"
            r"|\bnone of the (?:listed |given |above )?labels\b|\b(?:invent|make up) (?:one|your own"
            r"|a (?:new )?label)\b",
        ),
    ),
    *ways(
        "says how to answer everything",
        (
            "now_on here_on to_every to_all in_every future caps capital until_i",
            rf"\b(?:{REPLY}|write|speak|talk|say|return)\b[^.!?\n]{{0,40}}?\b(?:from (?:now|here) on|to (?:every"
            rf"|all) (?:\w+ )?"
            r"(?:questions?|messages?)|in every (?:reply|answer|message)|for all future|in (?:all caps"
            r"|capital letters|capitals)"
            rf"|until i say)(?<!by){NO_QUESTION}",
        ),
        (
            "you_must you_have_to you_should you_will you_shall",
            rf"\byou (?:must|have to|should|will|shall) (?:always |only |now |just )?(?:{REPLY}|say|write|print"
            rf"|return) "
            rf"(?:{QUOTED}|{NAMED}|only |with (?:the|{QUOTED}|{NAMED}|only)|the (?:{WORD}|label)\b)",
        ),
        (
            "answer reply respond say output + \" ' “ ‘ « `",
            rf"\b(?:{REPLY}|say) (?:with )?[\"'`“‘«][^\"'`”’»\n]{{1,60}}[\"'`”’»](?: to (?:everything|all|every"
            rf"|any)\b| and ignore\b)",
        ),
        (
            "everything_else anything_else mode_now",
            rf"\b(?:ignore|disregard|forget) (?:everything|anything) else\b|\bin {MODES} mode now\b{NO_QUESTION}",
        ),
        ("exactly", rf"\b(?:say|write|print|return|output) exactly:? {QUOTED}"),
    ),
    *ways(
        "gives the model another part to play",
        (
            "act_ acting behav talk speak + as_a as_my like_a like_my like_you like_if as_you as_if",
            r"\b(?:(?:act|behave|talk|speak)|(?:start|begin) (?:acting|behaving|talking|speaking))\s+(?:as"
            r"|like)\s+(?:an?|my|you(?:'re| are"
            r"| were)|if you)\b"
            rf"(?! (?:mediator|reference|witness|guarantor|agent|proxy|human|person|adult)){NO_QUESTION}",
        ),
        (
            "stop quit",
            r"\b(?:stop|quit) (?:acting|being|playing|behaving|pretending)(?: as| like)? (?:an?|the) (?:\w+ )?"
            rf"(?:{MACHINES}|agent|clerk|support)\b",
        ),
        ("mode", rf"\b{MODES} mode\b:? ?(?:is )?(?:now )?(?:on|enabled|activated|active)\b{NO_QUESTION}"),
        ("as_an_ai as_a_", rf"\bas an? {MACHINES} (?:without|with no|free of)\b"),
    ),
)
