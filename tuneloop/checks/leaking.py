"""Ways to steer a model that are such whoever speaks: what asks for its instructions, or says that others hold; and
orders in languages other than English, whose verbs say by themselves that they are orders."""

from __future__ import annotations

from tuneloop.checks.steering import ECHO, MACHINES, NO_QUESTION, QUOTED, REPLY, SAID_BEFORE, SAY, SET_ASIDE, SHOW, ways

#: "ignore" and "instructions" in Spanish, German, Italian, Portuguese, Dutch, Polish, Swedish, Danish and Russian
_IGNORE = (
    r"ignor(?:a|ad|en|ate|era|er|iere\w*|uj)|olvid(?:a|e|en)|omit(?:e|a)|haz caso omiso de|no sigas|vergiss"
    r"|vergessen sie"
    r"|missachte\w*|übergeh\w*|dimentica(?:te)?|trascura|non seguire|esque[çc]a|desconsidere|não siga|negeer|vergeet"
    r"|zignoruj|zapomnij|glöm|strunta i|glem|игнорируй\w*|забудь\w*|не следуй\w*|ignore(?= (?:as|os|suas|todas as) )"
)
_INSTRUCTIONS = (
    r"instrucciones|reglas|indicaciones|órdenes|anweisung(?:en)?|regeln|vorgaben|instruktion\w*|systemprompt|istruzioni"
    r"|regole|indicazioni|instruções|regras|orientações|instructies|regels|aanwijzingen|instrukcj\w+|zasad\w*|polece\w+"
    r"|regler\w*|anvisning\w*|instruks\w*|инструкци\w+|правил\w*|указани\w+"
)

#: what is an attempt whoever says it
ANYHOW = (
    *ways(
        "asks for the instructions",
        (
            "prompt instruction rules guidelines directive configuration",
            rf"\b{SHOW}\s+(?:me |us |out |back )?(?:all |word for word |verbatim |everything in )?(?:of )?(?:the )?"
            rf"(?:(?:exact|full|entire|complete|literal) (?:text|wording|contents?|list|version) of |contents? of "
            rf"|text of )?(?:your|the|its)\s+(?:\w+\s+){{0,2}}?"
            rf"(?:system[ -]?prompt|(?:initial|hidden|secret|original|internal|developer|pre-?) ?prompt|"
            rf"(?:hidden|secret|internal|developer|system|initial) (?:instructions?|rules|guidelines|directives?"
            rf"|configuration))\b",
        ),
        (
            "your_ + prompt instructions message configuration programming guidelines",
            rf"\b{SHOW}\s+(?:me |us |out |back )?(?:all )?(?:of )?(?:the )?(?:(?:exact|full|entire|complete) (?:text"
            rf"|wording|contents?|list) of |contents? of |text of )?"
            rf"your\s+(?:(?:own|exact|full|entire|complete|original|current|initial|first|system"
            rf"|whole)\s+){{0,2}}(?:prompt|instructions|system message|"
            r"initial message|configuration|programming|guidelines)\b(?! (?:for|on|about|to|how|regarding|in|when|of"
            r"|if)\b)",
        ),
        (
            "above before prior so_far between + print repeat output recite copy quote dump echo paste display",
            rf"\b{ECHO}\s+(?:back )?(?:everything|all|the (?:\w+ )?(?:text|words|lines|contents?|conversation"
            rf"|instructions?|messages?|prompt))\s+"
            r"(?:that (?:is|was|comes|came) )?(?:written )?(?:above|before (?:this|my)|prior|so far|between the)\b",
        ),
        (
            "between_the",
            rf"\b{SHOW}\s+(?:me )?(?:everything|the (?:text|lines|words)|all (?:text|the text)) between the (?:system"
            rf"|tags|prompt)",
        ),
        (
            "instruction rules prompt",
            r"\b(?:instructions?|rules|prompt) (?:that )?(?:you (?:were|have been|had been|'ve been) (?:given|told)"
            r"|you (?:have )?"
            r"received (?:from|at|before))\b",
        ),
        (
            "what_were what_have",
            r"\bwhat (?:were you|have you been) (?:told|instructed|given) (?:before|at the|in your|to do|by (?:your"
            r"|the) "
            r"(?:developers?|system))",
        ),
        (
            "told given instructed taught said written above prompt instructions",
            rf"\b{ECHO}\s+{SAID_BEFORE}\b|\bwhat your (?:system )?(?:prompt|instructions) (?:is|are|says?|contains?)\b",
        ),
        (
            "your_prompt your_instructions your_system",
            r"\bwhat (?:does|do|did) your (?:system )?(?:prompt|instructions) (?:say|contain|look|read|tell)",
        ),
        (
            "with_your",
            r"\b(?:your|the) (?:answer|reply|response) with your (?:system|initial) (?:message|prompt)|"
            r"\bwith your system (?:message|prompt)\b",
        ),
        (
            "you_know you_can you_may you_have in_your",
            r"\b(?:list|print|output|show|dump|reveal|give|tell)\s+(?:me )?(?:all|every|the)(?: of)?(?: the| your"
            r"| other)? ?"
            r"(?:customers?|users?|clients?|labels?|passwords?|credentials|queues?|categories"
            r"|accounts?)\b[^.!?\n]{0,20}"
            r"\b(?:you know|you (?:can|may) (?:use|give)|you have access to|in your (?:database|memory|records"
            r"|system))",
        ),
        (
            "reveal dump leak output print",
            r"\b(?:reveal|dump|leak|output|print) (?:ALL|all|every|your) (?:of )?(?:the |your )?(?:customers?|labels"
            r"|passwords?|credentials|"
            r"user data|customer data|secrets)\b",
        ),
    ),
    *ways(
        "asks for what is not for users",
        (
            "prompt system_message hidden routing_table training_data configuration_as in_full s_you l_you e_you n_you "
            "that_you",
            rf"\b(?:{ECHO}|reveal|show|list|write|leak|expose|give|tell)\s+(?:me |us )?(?:also |out )?(?:the |a "
            rf"|your |all |every "
            r"|any |full |complete |whole |text |list |first |last |lines? |of |copy "
            r"|version ){1,6}(?:system (?:prompt|message)\b"
            r"|(?:(?<=your )|(?<=the ))prompt\b|hidden (?:labels?|rules|instructions?|prompts?|messages?|text"
            r"|configuration)|routing table"
            r"|training data"
            r"|configuration as|instructions in full|(?:labels?|rules?|instructions?) (?:that )?you\b|labels? in full)",
        ),
        (
            "instructions prompt rules guidelines",
            r"\b(?:what|which) (?:instructions|rules|prompt|guidelines) (?:did your|were you|have you been|has your) "
            r"(?:developers?|creators?|makers?|programmers?|owners?|given|told|fed)",
        ),
    ),
    *ways(
        "says that other instructions hold",
        (
            "instruction rules guidelines prompt restriction directive",
            r"\b(?:(?:all |any )?(?:your|previous|prior|earlier|former)(?: \w+)?|the (?:above|previous|prior)) "
            r"(?:instructions?|rules|guidelines|prompts?|restrictions|directives) (?:are|is|have been|has been|were"
            r"|do|no) ?"
            r"(?:now |hereby |longer |not )*(?:cancell?ed|void(?! of)|revoked|overridden|lifted|suspended|obsolete"
            r"|replaced|"
            rf"appl(?:y|ies)|valid|in effect|in force|deleted|disabled){NO_QUESTION}",
        ),
        (
            "above_",
            rf"\bthe (?:instructions|rules|prompt|text) above (?:are|is|were|was) (?:now )?(?:void|cancell?ed|wrong"
            rf"|fake|obsolete|a test|invalid)"
            rf"{NO_QUESTION}",
        ),
        (
            "the_system_prompt",
            r"\bthe system prompt (?:has been|was|is now) (?:updated|changed|replaced|overwritten)\b",
        ),
        (
            "restrictions guardrails filters limitations",
            r"\b(?:your|all) (?:safety |content )?(?:restrictions|guardrails|safety filters|limitations) (?:are"
            r"|have been) (?:now )?"
            r"(?:lifted|removed|disabled|off)\b",
        ),
    ),
    *ways(
        "is such an attempt in another language",
        (
            "stru regl rege rego regr indica orden anweisung vorgab zasad polece aanwijz anvis инструк правил указан",
            rf"\b(?:{_IGNORE})\s+(?:\w+\s+){{0,4}}?(?:{_INSTRUCTIONS})\b(?! (?:del|de la) )",
        ),
        (
            "instructions règles consignes directives",
            r"\b(?:ignore[zr]?|oublie[zr]?|fais abstraction de|ne (?:suis|suivez) pas)\s+(?:toutes\s+)?(?:les|tes"
            r"|vos)\s+"
            r"(?:\w+\s+)?(?:instructions|règles|consignes|directives)\b",
        ),
        (
            "olvida vergiss oublie dimentica",
            r"\bolvida\s+(?:todo )?lo (?:que te|anterior)|\bvergiss,? (?:alles|was),? (?:was )?(?:dir|du|man dir)"
            r"|\boublie[zr]? tout ce (?:qui|que|qu'on)|\bdimentica tutto (?:quello|ciò)",
        ),
        (
            "指 示 提 规 規 令 ル プ 명 규",
            r"(?:忽略|无视|忘记|忘掉|不要遵守|無視|忽視).{0,12}(?:指令|指示|提示|规则|規則|说明)"
            r"|(?:指示|命令|ルール|プロンプト).{0,8}(?:無視|忘れ)|(?:지시|명령|규칙).{0,8}(?:무시|잊)"
            r"|系统提示|系統提示|システムプロンプト|시스템 프롬프트",
        ),
        ("talimat", r"\b(?:önceki|tüm)\s+(?:\w+\s+)?talimat\w*\s+(?:\w+\s+)?(?:yok say|unut|görmezden)"),
        (
            "prompt instrucciones_de системн",
            r"\b(?:muestra|dime|imprime|revela|affiche[zr]?|montre|donne|zeig\w*|nenne|gib|mostra|stampa|rivela|mostre"
            r"|toon|wy[sś]wietl|poka[żz])\b[^.!?\n]{0,30}?(?:prompts?\b|system-?prompts?|instrucciones de sistema)"
            r"|системный промпт",
        ),
        (
            "a_partir à_partir ab_jetzt ab_sofort von_jetzt von_nun d'ora vanaf",
            r"\b(?:a partir de (?:ahora|agora)|à partir de maintenant|ab (?:jetzt|sofort)|von (?:jetzt|nun) an"
            r"|d'ora in poi"
            r"|vanaf nu)\b,? (?:\w+ )?(?:responde|contesta|eres|réponds|tu es|antworte|bist|rispondi|sei|você é"
            r"|antwoord"
            r"|ben je)\b",
        ),
        (
            "ahora_eres tu_es du_bist ora_sei agora_você je_bent",
            r"\b(?:ahora eres|tu es maintenant|du bist jetzt|ora sei|agora você é|je bent nu) "
            r"(?:une?|una?|ein\w*|kein\w*|uma?|een)\b",
        ),
    ),
    *ways(
        "speaks to a machine, with authority or a trick",
        (
            "developer creator owner administrator engineer operator programmer",
            r"\bi(?:'m| am) (?:the|your|one of (?:the|your)|an?) (?:\w+ )?(?:developers?|creators?|owners?"
            r"|administrators?|"
            rf"engineers?|operators?|programmers?)\b (?:of|at|from|behind|for) (?:this |the |your )?"
            rf"(?:{MACHINES}|openai|anthropic|(?:ai|chat) \w+)\b",
        ),
        (
            "as_your",
            r"\bas your (?:administrator|developer|creator|owner|engineer|operator|programmer|master|supervisor),? i\b",
        ),
        (
            "you_to",
            rf"\bi (?:hereby )?(?:order|command|instruct|authori[sz]e|require) you to (?:{SAY}|{SHOW}|{SET_ASIDE})\b",
        ),
        (
            "obey comply",
            r"\byou (?:must|have to|will|shall) (?:now )?(?:obey\b|comply[.!])",
        ),
        (
            "this_is + test drill exercise audit check",
            r"\bthis is (?:only |just )?an? (?:\w+ )?(?:test|drill|exercise|audit|check)\b.{0,40}?"
            rf"\b(?:{REPLY}|print|say|reveal) (?:with|your|the (?:word|system)|{QUOTED})",
        ),
        (
            "purposes reasons",
            rf"\bfor (?:debug(?:ging)?|test(?:ing)?|diagnostic|audit) (?:purposes"
            rf"|reasons),?\s+(?:please )?(?:{REPLY}|print|reveal|dump|"
            r"show (?:me )?your|repeat)\b",
        ),
        (
            "note message memo instruction + ai llm model bot assistant classifier router machine robot",
            rf"\b(?:note|message|memo|instructions?) (?:to|for) (?:the |any |all )?{MACHINES}\b\s*[:,.-]",
        ),
        (
            "ai llm model classifier + attention dear hello hey",
            r"\b(?:attention|dear|hello|hey),? (?:the )?(?:ai|llm|language model|classifier|ai \w+)\b\s*[:,.!-]",
        ),
        (
            "if_you",
            rf"\bif you(?:'re| are) (?:an? |the )?(?:\w+ )?{MACHINES}\b[^.!?\n]{{0,40}}?,?\s(?:{SAY}|include|add"
            rf"|start|mention|"
            r"insert|put)\b",
        ),
        (
            "decode decrypt base64 rot13 reverse unscramble",
            rf"\b(?:decode|decrypt|base64|rot13|reverse|unscramble)\b{NO_QUESTION}[^?\n]{{0,80}}?\b(?:follow|execute"
            rf"|obey|do what|carry out|"
            r"run) (?:it|the|its|what|those|these|that)\b",
        ),
        (
            "repeat_after stop_being work_for new_master obey_me",
            r"\byou now work for me\b|\byou have a new master\b|\bobey me\b|\brepeat after me\b|\bstop being (?:an?"
            r"|the|my) (?:\w+ )?(?:assistant|bot|chatbot|router|classifier|ai"
            r"|model)\b",
        ),
        (
            "this_is_your translate_your",
            r"\btranslate your (?:own |full |system )?(?:prompt|instructions)\b|\bthis is your (?:administrator"
            r"|developer|creator|owner|system|operator|programmer)\b(?: speaking"
            r"|[:.,!])",
        ),
        (
            "disable",
            r"\bdisable (?:all |any |your )(?:\w+ )?(?:filters|safeguards|restrictions|guardrails|safety)\b",
        ),
        (
            "task_for",
            r"\b(?:next|new|your|following) task for (?:the|an?|any) (?:ai|llm|model|bot|assistant)\b",
        ),
    ),
)
