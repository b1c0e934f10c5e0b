"""The alternatives that a question names: "Is it red or blue?" has no other answer.

An alternative is recognized in a text by its key word, in any form: the word beside "or", without words that both
alternatives have. In "the north gate or the south gate" they are "north" and "south".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import regex

from llmkit.chains.qa.question_form import names_alternatives
from llmkit.text.segmentation import sentences
from llmkit.text.word_forms import content_words, stems
from llmkit.text.words import terms, words

MAX_NEAR = 3
"""So many sentences are cited where none of the alternatives is the answer."""

_FLAGS = regex.VERBOSE | regex.IGNORECASE
_OR = regex.compile(r",? \s+ or \s+ (?: (?:if|rather|perhaps|maybe|else|either) ,? \s+ )?", _FLAGS)
_CLAUSE = r"""(?: (?: is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|might|must|may|shall
    ) (?: n['’]t )? | who|whom|whose|what|when|where|why|how|which ) \b"""
_BEGINS = regex.compile(rf"(?:^|.*[,;:—–-]\s) (?: (?:and|so|but|then)\s )? {_CLAUSE}", _FLAGS)
_WH = regex.compile(r"\b(?: who | whom | whose | what | when | where | why | how | which ) \b", _FLAGS)
_AMOUNT = regex.compile(r"\b how \s+ (?: long|much|many|far|old|often|big|high|tall|deep|wide|fast|heavy ) \b", _FLAGS)
_REPEATS_VERB = regex.compile(rf"(?!{_WH.pattern}) {_CLAUSE}", _FLAGS)
_NO_PHRASE = regex.compile(rf"{_CLAUSE} | i|you|he|she|it|we|they|there", _FLAGS)
_SEPARATOR = regex.compile(r"\s*[,;:—]\s+|\s[–-]\s")
_EITHER = regex.compile(r"\b(?:either|whether|both)\b", _FLAGS)
_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


@dataclass(frozen=True)
class Alternatives:
    """The key words of a question's alternatives, and all of its words, as stems."""

    keys: frozenset[str]
    question: frozenset[str]

    def allow(self, answer: str) -> bool:
        """Return whether a phrase is an alternative: it has a key word, and no word that the question lacks."""
        has_key = False
        for word in words(answer):
            if not has_key and _NO_PHRASE.fullmatch(word.of(answer)):
                return False
            parts = _stems(terms(word.of(answer)))
            has_key = has_key or not self.keys.isdisjoint(parts)
            if self.question.isdisjoint(parts) and content_words(parts, "english"):
                return False
        return has_key


def find_alternatives(question: str) -> Alternatives | None:
    """Return the alternatives of an English question, one of which must be its answer; `None` if it names none."""
    if not names_alternatives(question):
        return None
    spans = sentences(question)
    text = (spans[-1].of(question) if spans else question).strip().rstrip("?!. ")
    *left, right = _OR.split(_EITHER.sub("", text))
    if not left or not _asks_which(question, text, left):
        return None
    parts = [part for piece in left for part in _items(piece)]
    last = terms(parts[-1]) if parts else []
    if not last:
        return None
    keys = {_last_key(terms(part), right) for part in parts if terms(part)} | {_first_key(right, last)}
    if _REPEATS_VERB.match(right):  # "Did Anna build it, or did Karl?"
        keys = {next(iter(content_words(terms(part), "english")), "") for part in (left[-1], right)} - {""}
    numbers = {form for key in keys for form in _other_form(key)}
    return Alternatives(frozenset(_stems(keys | numbers)), frozenset(_stems({*terms(text), *numbers})))


def _asks_which(question: str, text: str, left: Sequence[str]) -> bool:
    """Return whether a question asks for one of its alternatives, rather than about both."""
    before = left[0]
    wh = _WH.search(text)
    if wh is None:
        return question.rstrip().endswith("?") or len(terms(text)) <= 4
    if wh.start() >= len(before):  # "Was it Anna or Karl who built it?"
        return bool(_BEGINS.match(before)) or bool(content_words(terms(before)[:1], "english"))
    return not _AMOUNT.search(before) and bool(_SEPARATOR.search(before, wh.end()))  # "Who is older, Ann or Ben?"


def _items(left: str) -> list[str]:
    """Return what stands between commas before "or", from where the question itself begins.

    "Is it red, white" has two items; in "Who is older, Ann, Ben" the first part names none.
    """
    parts = [part for part in _SEPARATOR.split(left) if part.strip()]
    for index in range(len(parts) - 1, -1, -1):
        if _BEGINS.match(parts[index]):
            return parts[index + 1 :] if _WH.match(parts[index].strip()) else parts[index:]
    return parts


def _last_key(found: Sequence[str], right: str) -> str:
    """Return the last content word that the right alternative lacks, or simply the last word."""
    others = set(terms(right))
    if not content_words(found[-1:], "english"):
        return found[-1]
    own = [word for word in content_words(found, "english") if word not in others]
    return own[-1] if own else found[-1]


def _first_key(right: str, last: Sequence[str]) -> str:
    """Return the first content word of the right alternative; after a function word ("before or"), its first word."""
    found = terms(right)
    first = content_words(found, "english") if content_words(last[-1:], "english") else []
    return next(iter(first or found), "")


def _other_form(number: str) -> list[str]:
    """Return a small number in digits or in letters."""
    if number in _NUMBERS:
        return [str(_NUMBERS.index(number))]
    return [_NUMBERS[int(number)]] if number.isascii() and number.isdigit() and int(number) < len(_NUMBERS) else []


def _stems(found: Sequence[str] | set[str] | frozenset[str]) -> list[str]:
    return stems(found, "english")
