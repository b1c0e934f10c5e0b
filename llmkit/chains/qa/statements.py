"""Questions for yes or no that no verb begins: statements with a question mark, and phrases without a verb.

"The shop is open on Monday?", "Dogs allowed?", "Any dogs?". A question that has a question word asks for a phrase, and
so does one that breaks off ("The capital of France is?") or is a noun with its complement ("Price of a ticket?").
"""

from __future__ import annotations

import regex

_FLAGS = regex.VERBOSE | regex.IGNORECASE

_VERBS = {
    "english": r"""(?: is|are|was|were|does|do|did|has|have|had|can|could|will|would|should|might|must|may|need )
        (?:n['’]?t)? | cannot""",
    "german": """ist|sind|war|waren|hat|haben|hatte|hatten|wird|werden|wurde|wurden|kann|können|darf|dürfen|muss|müssen
        |soll|sollen|gibt|gilt|kostet""",
    "french": "est|sont|était|étaient|sera|seront|a|ont|avait|peut|peuvent|doit|doivent|faut|fut",
    "spanish": "es|son|era|eran|fue|fueron|está|están|estaba|hay|ha|han|puede|pueden|debe|deben|tiene|tienen|se",
    "italian": "è|sono|era|erano|ha|hanno|può|possono|deve|devono|si",
    "portuguese": "é|são|era|eram|foi|foram|está|estão|há|tem|têm|pode|podem|deve|devem",
    "dutch": "is|zijn|was|waren|heeft|hebben|kan|kunnen|mag|mogen|moet|moeten|wordt|worden|zal|zullen|kost",
}
_QUESTION_WORDS = {
    "english": "who|whom|whose|what|when|where|why|how|which|whats|wheres",
    "german": r"wer|wen|wem|wessen|was|wann|wo\w*|warum|weshalb|wie\w*|welche\w*",
    "french": r"qui|que|quoi|quel\w*|où|quand|comment|pourquoi|combien|lequel|laquelle|qu(?=['’])",
    "spanish": r"qu[eé]|qui[eé]n\w*|cu[aá]l\w*|cu[aá]ndo|d[oó]nde|c[oó]mo|cu[aá]nt\w*",
    "italian": r"chi|che|cosa|qual\w*|quando|dove|dov(?=['’])|come|com(?=['’])|perché|quant\w*",
    "portuguese": r"quem|que|qu[eê]|qual|quais|quando|onde|como|quant\w*",
    "dutch": r"wie|wat|wanneer|waar\w*|hoe\w*|welke?|die|dat",
}
_STATES = {
    "english": """allowed | permitted | possible | welcome | open | closed | free | accessible | accepted | forbidden
        | prohibited | banned | ok | okay | mandatory | compulsory | safe | cancelled | canceled | delayed | sold\\ out
        | (?<! s \\s ) (?: included | required | needed | necessary | available | provided | offered | served )""",
    "german": """erlaubt | gestattet | möglich | geöffnet | offen | geschlossen | inbegriffen | inklusive | nötig
        | erforderlich | verboten | kostenlos | willkommen | barrierefrei""",
    "french": """autorisée?s? | permise?s? | possibles? | ouverte?s? | fermée?s? | inclus(?:es?)? | comprise?s?
        | gratuite?s? | obligatoires? | interdite?s? | admis(?:es?)? | acceptée?s? | accessibles?""",
    "spanish": """permitid[oa]s? | posibles? | abiert[oa]s? | cerrad[oa]s? | incluid[oa]s? | obligatori[oa]s?
        | prohibid[oa]s? | admitid[oa]s? | aceptad[oa]s?""",
    "italian": """permess[oaie] | consentit[oaie] | ammess[oaie] | possibile | apert[oaie] | chius[oaie] | inclus[oaie]
        | obbligatori[oae] | vietat[oaie] | accettat[oaie]""",
    "portuguese": """permitid[oa]s? | possível | abert[oa]s? | fechad[oa]s? | incluíd[oa]s? | obrigatóri[oa]s?
        | proibid[oa]s? | aceit[oa]s?""",
    "dutch": "toegestaan | mogelijk | gesloten | inbegrepen | gratis | verplicht | verboden | welkom | nodig",
}
"""What is said of something without a verb: dogs allowed, breakfast included."""
_AFTER_STATE = r"""(?: \s+ (?: on | in | at | for | with | without | after | before | during | inside | outside | from
    | until | every | to | by | all | today | tomorrow | tonight | now | here | there | too | yet ) \b [^?]* )?"""
_PHRASES = {
    language: regex.compile(
        rf"""^ (?: [^,?]{{1,60}} \s )? (?: {states} ) (?!\w)
        {_AFTER_STATE if language == "english" else "(?: [ ] [^,?]{1,40} )?"} \s* \?+ \s* $""",
        _FLAGS,
    )
    for language, states in _STATES.items()
}
_CLAUSES = {
    language: regex.compile(rf"^ [^,:;?]{{1,80}}? \s (?: {verbs} ) (?![\w'’-]) \s+ [^\s?]", _FLAGS)
    for language, verbs in _VERBS.items()
}
_ANY_QUESTION_WORD = {
    language: regex.compile(rf"(?<![\w-])(?: {words} )(?![\w-])", _FLAGS) for language, words in _QUESTION_WORDS.items()
}
_SUBJECT = regex.compile(r"^(?:it|he|she|they|you|we|i|there)(?:['’](?:s|re|ve|ll|d|m))?\s+\w+", _FLAGS)
_ANY = regex.compile(r"^(?: any | anything | anyone | anybody )\b", _FLAGS)
_NOUN_PHRASE = regex.compile(
    r"""^ (?: (?: the | a | an | your | its | his | her | their | our | full | exact | current | total ) \s+ )*
    (?: names? | numbers? | dates? | days? | years? | prices? | costs? | times? | hours? | reasons? | amount | length
      | height | width | depth | size | weight | speed | distance | ages? | titles? | capital | types? | kinds?
      | colou?rs? | locations? | places? | address | author | owner | meaning | definition | percentage
      | population | maximum | minimum | max | min | cause | purpose | result | list | part | one | person
      | people | those | opening | give | tell | describe | explain | find | show | identify | say
      | mention | calculate | compare
      | define | state )
    \b (?! \s+ (?: is | are | was | were | has | have | can | will | must | should ) \b )""",
    _FLAGS,
)
_RELATIVE = regex.compile(
    r"\b(?: that | which | who ) \s+ (?:\w+\s+)? (?: is|are|was|were|has|have|had|can|could )\b", _FLAGS
)
_BREAKS_OFF = regex.compile(
    rf"""(?<![\w'’]) (?: {_VERBS["english"]} | called | named | known | at | in | on | by | for | from | of | to | with
    | as | than | the | a | an | into | about | between | during | after | before | be | been ) [\s?!.…_]* $""",
    _FLAGS,
)


def find_language_of_statement(text: str, language: str) -> str | None:
    """Return the language in which a statement or a phrase asks for yes or no; `None` where that is not evident.

    Args:
        text: the question.
        language: what is recognized as its language, which for a few words is a guess.
    """
    if not text.rstrip().endswith("?") or language not in _CLAUSES:
        return None
    if _ANY_QUESTION_WORD[language].search(text) or _ANY_QUESTION_WORD["english"].search(text):
        return None
    if language == "english":
        if _asks_in_english(text):
            return language
    elif _CLAUSES[language].search(text):
        return language
    others = (other for other in (language, *_PHRASES) if other != "english")
    return next(
        (other for other in others if _PHRASES[other].search(text) and _has_no_question_word(text, other)), None
    )


def _has_no_question_word(text: str, language: str) -> bool:
    return not _ANY_QUESTION_WORD[language].search(text)


def _asks_in_english(text: str) -> bool:
    if _NOUN_PHRASE.search(text) or _BREAKS_OFF.search(text):
        return False
    if _SUBJECT.search(text) or _ANY.search(text) or _PHRASES["english"].search(text):
        return True
    return bool(_CLAUSES["english"].search(text)) and not _RELATIVE.search(text)
