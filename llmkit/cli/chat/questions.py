"""Which messages ask about what is attached, and which belong to the conversation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from functools import lru_cache

from llmkit.text.word_forms import content_words, recognize_language, stems
from llmkit.text.words import terms

LEAST_CONFIDENCE = 0.5
"""Of an answer whose sentence has no content word of its question: a lower one is as likely from an unrelated text."""
LONGEST_PHRASE = 8
"""Words of a message that is no question, and may still be the words to look for: `price of the lamp`."""


class Aim(Enum):
    """What a message is about: `TEXT` asks about what is attached, `CONVERSATION` does not."""

    TEXT = auto()
    CONVERSATION = auto()


_GREETINGS = """
    hi | hiya | hello | hey | howdy | yo | greetings | welcome | good (?:morning|afternoon|evening|day|night) |
    have an? (?:nice|good|great) (?:day|evening|weekend|one) | thanks?(?: you| a lot| so much| very much)* | thx |
    cheers | (?:good ?)?bye(?: bye)? | see (?:you|ya)(?: later| soon)? | ok(?:ay)? | alright | yes | yeah | yep | no |
    nope | sure | great | cool | nice | wow | perfect | awesome | exactly | right | haha | lol | good (?:job|work) |
    well done | sorry | please | hallo | guten (?:tag|morgen|abend) | moin | servus | danke(?: schön| sehr)? |
    tschüss | bitte | bonjour | bonsoir | salut | merci(?: beaucoup)? | au revoir | hola |
    buen[oa]s (?:días|tardes|noches) | (?:muchas )?gracias | adiós | ciao | buongiorno | grazie | olá | bom dia |
    obrigad[oa] | hej | hei | tack | takk | hoi | dank je | привет | здравствуйте | спасибо | пока | 你好 | 您好 |
    谢谢 | 再见 | こんにちは | ありがとう(?:ございます)? | さようなら | 안녕(?:하세요)? | 감사합니다 | مرحبا | شكرا |
    नमस्ते | धन्यवाद
"""
_OPENINGS = f"{_GREETINGS} | and | but | so | well | then | now | also"
_POLITENESS = """
    (?:can|could|would|will) you(?: please)? | (?:please )?(?:tell|show|remind|give) (?:me|us) |
    i(?:'d| would) like to know | i (?:want|need) to know | do you know | i wonder | if | whether
"""
_REQUESTS = r"""
    write | compose | draft | rewrite | rephrase | reword | paraphrase | translate | summari[sz]e | sum up | tl;?dr |
    imagine | pretend | invent | brainstorm | create | generate | make | improve | correct | proofread | shorten |
    expand | continue | go on | sing | act | role-?play | play | repeat | say | help | teach | calculate | compute |
    convert | solve | code | program | suggest | recommend | propose | remember | forget | stop | let's | let us |
    schreibe? | übersetze? | dichte | fasse | écri[st] | tradui[st] | résume | escrib[ea] | traduce | resume | scrivi |
    traduci | (?:an?|another|some|one more) (?:\w+ ){0,2}(?:jokes?|story|stories|poems?|songs?|limericks?|haikus?) |
    (?:an?|another|some|one more) (?:\w+ ){0,2}(?:riddles?|tales?|essays?|ideas?|tips?|recipes?)
"""
_TO_THE_MODEL = """
    how are (?:you|things) | how(?:'s| is) it going | how do you (?:do|feel|work) | what(?:'s| is) up |
    who (?:are|made|created|built|trained) you | what are you | what(?:'s| is) your (?:name|favou?rite|opinion|age) |
    what (?:can|do) you (?:do|think) | where are you | how old are you | (?:can|could|will|would) you help | help me |
    are you (?:an? |there|ok|sure|real|human|sentient|alive|chatgpt|serious|kidding|ready) |
    do you (?:like|love|think|feel|want|remember|understand) | (?:about|describe|introduce) yourself |
    who am i | who i am | what my name is | what(?:'s| is) my (?:name|age|birthday|job|favou?rite) | how old am i |
    what (?:do|did) (?:you|i) (?:just )?(?:say|ask|tell|write|know about me) | do you know (?:me|my name) |
    what was my (?:first|last|previous) | wer bin ich | wie hei(?:ß|ss)e ich | qui suis-je | comment je m'appelle |
    quién soy | cómo me llamo | chi sono | come mi chiamo | кто я | 我是谁 |
    what (?:time|day|date|year) is it | (?:what|how)(?:'s| is) the weather
"""
_QUESTIONS = """
    who | whom | whose | what | when | where | which | why | how | is | are | was | were | am | do | does | did | has |
    have | had | can | could | will | would | should | shall | may | might | must | since when | until when |
    (?:in|at|on|for|to|from|by|of|with|about) (?:which|what|whom|whose|how|where|when) | list | name | find | look for |
    search | show | give | state | identify | explain | describe | mention | define
"""
_STATEMENTS = """
    i | i'm | i've | i'd | i'll | my | we | we're | our | you | you're | your | it | it's | that | that's | this |
    these | those | they | they're | he | she | there | here | let
"""


def _beginning(phrases: str) -> re.Pattern[str]:
    """Return a pattern for texts that begin with one of some phrases."""
    alternatives = re.sub(r"\s+[|]\s+", "|", phrases.strip())
    return re.compile(rf"(?:{alternatives})(?!\w)")


def _several(phrases: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{_beginning(phrases).pattern}[\s,.!…:;–—-]*)+")


_OPENING, _POLITE = _several(_OPENINGS), _several(_POLITENESS)
_REQUEST, _TO_MODEL = _beginning(_REQUESTS), _beginning(_TO_THE_MODEL)
_QUESTION, _STATEMENT = _beginning(_QUESTIONS), _beginning(_STATEMENTS)
_SUMMARY = re.compile(r"(?<!\w)(?:summar(?:y|i[sz]e)|sum up|tl;?dr|zusammenfass|résum|resum|riassum)")
_REFERENCE = re.compile(
    r"(?<!\w)(?:it|its|it's|he|him|his|she|her|they|them|their|this|these|those|here|text|document|file|page|article|"
    r"letter|author)(?!\w)"
)
_CALCULATION = re.compile(r"\d\s*[-+*/×÷^]\s*\d")
_MARK = re.compile(r"[?？؟՞][\s\"'”’»)\]]*$")


def aim_of(message: str, texts: Sequence[str]) -> Aim:
    """Return what a message is about: a question with a content word of one of the texts asks about it.

    So does a question that refers to what is there ("How much is it?"), though with other words than its answer. All
    content words of a message that is no question must be in the text. Greetings, thanks, questions to the model and
    requests to write are conversation. Whether a text answers a question, only reading shows (see `is_answered`).
    """
    normalized = " ".join(message.casefold().replace("’", "'").split())
    core = normalized[_end(_OPENING, normalized) :]
    wish = core[_end(_POLITE, core) :]
    if not terms(wish) or any(pattern.match(part) for pattern in (_REQUEST, _TO_MODEL) for part in (core, wish)):
        return Aim.CONVERSATION
    if _CALCULATION.search(wish) and not _letters(wish):
        return Aim.CONVERSATION
    is_question = bool(_MARK.search(wish) or _QUESTION.match(wish))
    if not is_question and (_STATEMENT.match(wish) or len(terms(wish)) > LONGEST_PHRASE):
        return Aim.CONVERSATION
    refers = is_question and bool(_REFERENCE.search(wish))
    return Aim.TEXT if refers or any(_is_about(wish, text, is_question) for text in texts) else Aim.CONVERSATION


def asks_for_summary(message: str) -> bool:
    """Return whether a message asks for a summary."""
    return bool(_SUMMARY.search(message.casefold()))


def is_answered(question: str, text: str, quotes: Iterable[str], confidence: float) -> bool:
    """Return whether quotes of a text answer a question.

    They do if they have one of its content words, or if the answer is rather certain.
    """
    language, _ = _vocabulary(text)
    quoted = frozenset(stems((term for quote in quotes for term in terms(quote)), language))
    return confidence >= LEAST_CONFIDENCE or not quoted.isdisjoint(_content_stems(question, language))


def _is_about(wish: str, text: str, is_question: bool) -> bool:
    language, known = _vocabulary(text)
    wanted = _content_stems(wish, language)
    if is_question:
        return not wanted or not known.isdisjoint(wanted)
    return bool(wanted) and known.issuperset(wanted)


@lru_cache(maxsize=16)
def _vocabulary(text: str) -> tuple[str, frozenset[str]]:
    """Return the language of a text, and the stems of its words."""
    found = terms(text)
    language = recognize_language(found)
    return language, frozenset(stems(set(found), language))


def _content_stems(message: str, language: str) -> list[str]:
    """Return the stems of the words of a message that are no stop words, neither of the text's language nor its own."""
    found = terms(message)
    return stems(content_words(content_words(found, recognize_language(found)), language), language)


def _letters(message: str) -> list[str]:
    """Return the words of a message that are neither stop words nor numbers."""
    found = terms(message)
    return [word for word in content_words(found, recognize_language(found)) if not word.isnumeric()]


def _end(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.match(text)
    return found.end() if found else 0
