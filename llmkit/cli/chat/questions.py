"""Which messages ask about what is attached, and which belong to the conversation."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from enum import Enum, auto
from functools import cache

from llmkit.text.words import terms

LEAST_CONFIDENCE = 0.5
"""Of an answer whose sentence has no content word of its question: a lower one is as likely from an unrelated text."""
LONGEST_PHRASE = 8
"""Words of a message that is no question, and may still be the words to look for: `price of the lamp`."""
_STEM = 4  # letters that two forms of a word have in common
_ENDING = 3  # letters in which they may differ


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
_REFERENCE = re.compile(
    r"(?<!\w)(?:it|its|it's|he|him|his|she|her|they|them|their|this|these|those|here|text|document|file|page|article|"
    r"letter|author)(?!\w)"
)
_MARK = re.compile(r"[?？؟՞][\s\"'”’»)\]]*$")


def aim_of(message: str, texts: Iterable[str]) -> Aim:
    """Return what a message is about: a question with a content word of the texts asks about them.

    So does a question that refers to what is there ("How much is it?"), though with other words than its answer. All
    content words of a message that is no question must be in the texts. Greetings, thanks, questions to the model and
    requests to write are conversation. Whether the texts answer a question, only reading shows (see `is_answered`).
    """
    text = " ".join(message.casefold().replace("’", "'").split())
    core = text[_end(_OPENING, text) :]
    wish = core[_end(_POLITE, core) :]
    if not terms(wish) or any(pattern.match(part) for pattern in (_REQUEST, _TO_MODEL) for part in (core, wish)):
        return Aim.CONVERSATION
    wanted, known = content_words(wish), {term for text in texts for term in terms(text)}
    shared = [word for word in wanted if occurs(word, known)]
    if _MARK.search(wish) or _QUESTION.match(wish):
        is_about = shared or not wanted or _REFERENCE.search(wish)
    else:
        is_phrase = not _STATEMENT.match(wish) and len(terms(wish)) <= LONGEST_PHRASE
        is_about = is_phrase and wanted and len(shared) == len(wanted)
    return Aim.TEXT if is_about else Aim.CONVERSATION


def is_answered(question: str, quotes: Iterable[str], confidence: float) -> bool:
    """Return whether quotes answer a question: they have one of its content words, or the answer is rather certain."""
    quoted = [term for quote in quotes for term in terms(quote)]
    return confidence >= LEAST_CONFIDENCE or any(occurs(word, quoted) for word in content_words(question))


def content_words(text: str) -> list[str]:
    """Return the terms of a text that are no function words."""
    return [term for term in terms(text) if term not in _function_words()]


def occurs(word: str, among: Collection[str]) -> bool:
    """Return whether a word is among some terms, in any form: `lighthouses` is `lighthouse`."""
    start = word[: max(_STEM, len(word) - _ENDING)]
    return any(
        word == other or (len(word) >= _STEM and other.startswith(start) and abs(len(other) - len(word)) <= _ENDING)
        for other in among
    )


def _end(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.match(text)
    return found.end() if found else 0


@cache
def _function_words() -> frozenset[str]:
    from bm25s import stopwords

    lists = (stopwords.STOPWORDS_EN_PLUS, stopwords.STOPWORDS_GERMAN, stopwords.STOPWORDS_FRENCH)
    others = (stopwords.STOPWORDS_SPANISH, stopwords.STOPWORDS_ITALIAN, stopwords.STOPWORDS_DUTCH)
    return frozenset(word for words in (*lists, *others) for word in words)
