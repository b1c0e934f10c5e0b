"""What a question asks for: yes or no, one of the alternatives that it names, or a phrase.

Recognized by the words that such questions begin and end with, in seven languages.
"""

from __future__ import annotations

from dataclasses import dataclass

import regex

from llmkit.chains.qa.statements import find_language_of_statement
from llmkit.text.segmentation import sentences
from llmkit.text.word_forms import recognize_language
from llmkit.text.words import terms


@dataclass(frozen=True)
class YesNoWords:
    """The words for yes and no in the language of a question, as the Snowball stemmers name it."""

    language: str
    yes: str
    no: str


_WORDS = {
    words.language: words
    for words in (
        YesNoWords("english", "Yes", "No"),
        YesNoWords("german", "Ja", "Nein"),
        YesNoWords("french", "Oui", "Non"),
        YesNoWords("spanish", "Sí", "No"),
        YesNoWords("italian", "Sì", "No"),
        YesNoWords("portuguese", "Sim", "Não"),
        YesNoWords("dutch", "Ja", "Nee"),
    )
}
_FLAGS = regex.VERBOSE | regex.IGNORECASE
_AUXILIARY = r"""(?:
    (?: is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|might|must|need|wo|ca|sha|ai ) (?:n['’]?t)?
    | am | cannot | shall | may(?!\s+\d) ) (?![\w'’])"""
_WH = r"(?: who | whom | whose | what | when | where | why | how | which )\b"
_OPENING = regex.compile(
    r"""^(?: [\s"'“‘(¿¡]+
        | (?: and|but|so|then|well|ok|okay|oh|hi|hello|hey|please|also|now|sorry|excuse\ me )\b [,!:]?\s+ )+""",
    _FLAGS,
)
_ALTERNATIVES = regex.compile(
    r"\b(?<! \b(?:more|yes|whether|one|once|and/) \s* ) or \s+ (?! (?: not | no | so | more | less ) \b )", _FLAGS
)
_BEHIND_COMMA = regex.compile(r"(?: [,:;—] | \s[–-]\s ) [^,:]* \b or \s | , \s* or \s", _FLAGS)
_TAG = regex.compile(
    rf"""(?: , \s* (?: right | correct | true | yes | no | eh | huh )
        | , \s* is\ (?:that|this|it)\ (?:right|correct|true|so)
        | , \s* {_AUXILIARY} \s+ (?: it|he|she|they|there|we|you|i|that|this )
        | \s or\ (?:not|no)
        | \s yes\ or\ no ) [\s?!.]*$""",
    _FLAGS,
)
_WHETHER = regex.compile(
    r"""^whether\b
    | \b(?: tell\ \w+ | know | wonder(?:ing)? | ask | find\ out | check | say | mention | clear | sure )
      \s+ (?: whether | if )\b""",
    _FLAGS,
)
_REQUEST = regex.compile(
    r"""^(?: can | could | would | will ) \s+ you \s+ (?: please\s+ | kindly\s+ )?
    (?: tell|give|list|name|show|explain|describe|find|say|summari[sz]e|help|quote|remind )\b""",
    _FLAGS,
)
_INDIRECT = regex.compile(
    rf"\b(?: know | say | says | tell | tells | mention | mentions | and | remember ) \s+ (?:\w+\s+)? {_WH}", _FLAGS
)
_BEGINS_WITH_WH = regex.compile(_WH, _FLAGS)
_ENDS_WITH_WH = regex.compile(rf"\b{_WH} [\s?!]*$", _FLAGS)
_VERBS = {
    "german": """ist sind war waren bin bist hat haben hatte hatten habe wird werden wurde wurden würde würden kann
        können konnte konnten könnte könnten darf dürfen durfte durften muss müssen musste mussten soll sollen sollte
        sollten will wollen wollte wollten gibt gab stimmt möchte möchten""",
    "spanish": """es son era eran fue fueron está están estaba hay había hubo ha han puede pueden podía tiene tienen
        tenía debe deben será serán""",
    "italian": "è sono era erano ha hanno può possono poteva deve devono",
    "portuguese": "é são era eram foi foram está estão estava há havia tem têm tinha pode podem deve devem",
    "dutch": """is zijn was waren heeft hebben had kan kunnen kon mag mogen moet moeten wordt worden werd werden zal
        zullen klopt""",
}
_STARTS = {
    "english": rf"{_AUXILIARY} \s+ (?!{_WH}) | (?!(?!when|where){_WH}) [^,?]{{1,80}} , \s+ {_AUXILIARY} \s",
    "french": r"""est-ce\ qu[e'’] | (?!.*\b(?:qui|que|quoi|quel\w*|où|quand|comment|pourquoi|combien|lequel|laquelle)\b)
    .*\w-(?:t-)?(?:il|elle|ils|elles|on|ce|tu|nous|vous|je)\b""",
} | {language: rf"(?:{'|'.join(verbs.split())})(?!\w)" for language, verbs in _VERBS.items()}
_BEGINS = {language: regex.compile(f"^(?:{pattern})", _FLAGS) for language, pattern in _STARTS.items()}
_OTHER_TAG = regex.compile(
    r""", \s* (?: oder(?:\ nicht)? | nicht\ wahr | stimmt['’]?s | n['’]est-ce\ pas | verdad | no\ es\ así | vero
    | não\ é | toch ) [\s?!.]*$""",
    _FLAGS,
)
_OTHER_ALTERNATIVES = regex.compile(r"\s(?: oder(?!\ nicht) | ou(?!\ non) | o(?!\ no\b) | of(?!\ niet) )\s+\w", _FLAGS)


def names_alternatives(question: str) -> bool:
    """Return whether a question names alternatives, so that a part of it can be the answer.

    "Is it open on Monday or Sunday?" and "Who is older, Ann or Ben?" do; "What do dogs or cats eat?" does not.
    """
    text = _OPENING.sub("", _last_sentence(question))
    found = _ALTERNATIVES.search(text)
    return bool(found) and (not _BEGINS_WITH_WH.match(text) or bool(_BEHIND_COMMA.search(text)))


def yes_or_no(question: str) -> YesNoWords | None:
    """Return the words for yes and no if a question asks for one of them, and else `None`.

    "Can you tell me who built it?" and "Is it open on Monday or Sunday?" do not.
    """
    text = _OPENING.sub("", _last_sentence(question))
    language = recognize_language(terms(text))
    if language not in _BEGINS:
        return None
    asks = _asks_in_english(text) if language == "english" else _asks_in(text, language)
    return _WORDS[language] if asks else _asked_as_statement(text, language)


def _asked_as_statement(text: str, language: str) -> YesNoWords | None:
    """Return the words for yes and no for a question such as "The shop is open?" or "Dogs allowed?"."""
    for pattern in (_ALTERNATIVES, _OTHER_ALTERNATIVES, _REQUEST, _INDIRECT):
        if pattern.search(text):
            return None
    found = find_language_of_statement(text, language)
    return _WORDS[found] if found else None


def _asks_in_english(text: str) -> bool:
    if _WHETHER.search(text) or (_TAG.search(text) and not _BEGINS_WITH_WH.match(text)):
        return True
    if _ALTERNATIVES.search(text) or _REQUEST.search(text) or _INDIRECT.search(text) or _ENDS_WITH_WH.search(text):
        return False
    return bool(_BEGINS["english"].search(text))


def _asks_in(text: str, language: str) -> bool:
    if _OTHER_TAG.search(text):
        return True
    return bool(_BEGINS[language].search(text)) and not _OTHER_ALTERNATIVES.search(text)


def _last_sentence(question: str) -> str:
    spans = sentences(question)
    return spans[-1].of(question) if spans else question
