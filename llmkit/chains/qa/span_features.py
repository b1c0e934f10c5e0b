"""What a phrase looks like as an answer to a question: its borders, its words, and the type that the question asks for.

The features are plain numbers that a fitted head weighs beside the model's log-likelihoods. They come from the shape of
words (capitals, digits, punctuation), stop words and the question's own words; there is no list of names. The type that
a question asks for is known in English only; elsewhere these features are 0.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import regex
from numpy.typing import NDArray

from llmkit.text.segmentation import Span
from llmkit.text.word_forms import content_words, recognize_language, stems, stop_words
from llmkit.text.words import terms, words

Matrix = NDArray[np.float64]

DECAY = 4.0
"""Words at which the nearness of a question's word has fallen to 1/e."""

_FLAGS = regex.VERBOSE | regex.IGNORECASE
_ARTICLES = frozenset(("a", "an", "the"))
_AMOUNT = regex.compile(
    r"""\bhow\s+(?:many|much|long|old|far|often|big|large|tall|high|deep|wide|fast|heavy|early|late|frequently)\b
    | \bwhat\s+(?:\w+\s+)?(?:percent|percentage|number|amount|age|price|cost|size|rate|speed|distance|share|total)\b
    | \bwhat\s+(?:is|was|were|are)\s+the\s+(?:\w+\s+){0,2}(?:percentage|number|population|price|cost|age|length|height|
      size)\b""",
    _FLAGS,
)
_TIME = regex.compile(
    r"""\bwhen\b | \b(?:what|which)\s+(?:\w+\s+)?(?:year|years|month|day|date|decade|century|time|season|era|
    period|weekday)\b | \bsince\s+when\b | \bhow\s+long\s+ago\b""",
    _FLAGS,
)
_PERSON = regex.compile(r"\bwho(?:m|se)?\b | \b(?:what|which)\s+(?:person|king|queen|president|author)\b", _FLAGS)
_PLACE = regex.compile(r"\bwhere\b | \b(?:what|which)\s+(?:city|country|town|place|state|region|river)\b", _FLAGS)
_REASON = regex.compile(r"\bwhy\b | \bfor\s+what\s+reason\b | \bwhat\s+(?:caused|causes)\b | \bhow\b", _FLAGS)
_ASKED_NOUN = regex.compile(r"\b(?:what|which)\s+(?:(?:kinds?|types?|sorts?)\s+of\s+)?(\w+)", _FLAGS)
_TIME_WORD = regex.compile(
    r"""(?:jan|febr)uary|march|april|may|june|july|august|(?:sept|nov|dec)ember|october|(?:mon|tues|wednes|thurs|fri|
    satur|sun)days?|(?:spring|summer|autumn|winter|noon|midnight|today|tomorrow|yesterday|morning|evening|night|century|
    centuries|decades?|years?|months?|weeks?|days?|hours?|minutes?|[ap]\.?m\.?)""",
    _FLAGS,
)
_NUMBER_WORD = regex.compile(
    r"""(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|(?:twen|thir|for|fif|six|seven|eigh|nine)
    ty(?:-\w+)?|hundreds?|thousands?|millions?|billions?|trillions?|dozens?|half|third|quarter|twice|once|several|few|
    many|most|none)""",
    _FLAGS,
)
_DIVIDES = regex.compile(r"[,;:()\[\]\"“”—–]|\s-\s")

FEATURES = (
    "words",
    "begins_with_article",
    "begins_with_stop_word",
    "ends_with_stop_word",
    "divided",
    "begins_at_border",
    "ends_at_border",
    "cuts_name",
    "repeated",
    "only_repeated",
    "near_question_words",
    "asked_noun",
    "number_asked",
    "number_missing",
    "time_asked",
    "time_missing",
    "name_asked",
    "name_missing",
    "place_asked",
    "place_missing",
    "reason_length",
    "number_not_asked",
)
"""The names of the columns of `span_features`."""


@dataclass(frozen=True)
class AskedQuestion:
    """A question, the language of its text as the Snowball stemmer names it, and what it asks for."""

    text: str
    language: str

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of its content words."""
        return frozenset(stems(content_words(terms(self.text), self.language), self.language))

    @cached_property
    def terms(self) -> frozenset[str]:
        """All of its terms."""
        return frozenset(terms(self.text))

    @cached_property
    def asked_noun(self) -> str | None:
        """The stem of the noun after "what" or "which", as in "which treaty"."""
        found = _ASKED_NOUN.search(self.text) if self.language == "english" else None
        kept = content_words(terms(found[1]), self.language) if found else []
        return stems(kept[:1], self.language)[0] if kept else None

    @cached_property
    def asks_for(self) -> str | None:
        """The type of its answer: "amount", "time", "person", "place" or "reason"; `None` where that is unknown."""
        if self.language != "english" or recognize_language(terms(self.text)) != "english":
            return None
        patterns = {"amount": _AMOUNT, "time": _TIME, "person": _PERSON, "place": _PLACE, "reason": _REASON}
        return next((name for name, pattern in patterns.items() if pattern.search(self.text)), None)


@dataclass(frozen=True)
class _Word:
    """What is known of a word of a sentence."""

    start: int
    end: int
    stem: str
    is_article: bool
    is_stop: bool
    is_capital: bool
    is_number: bool
    is_time: bool
    is_asked: bool


def span_features(question: AskedQuestion, sentence: str, spans: Sequence[Span]) -> Matrix:
    """Return the features of spans of a sentence, [spans, features]; the spans begin and end at words."""
    found = _words_of(question, sentence)
    starts = [word.start for word in found]
    rows = []
    for span in spans:
        first, last = bisect_right(starts, span.start) - 1, bisect_left(starts, span.end) - 1
        rows.append(_features(question, sentence, found, max(first, 0), max(last, first, 0), span))
    return np.array(rows, dtype=np.float64).reshape(len(spans), len(FEATURES))


def _words_of(question: AskedQuestion, sentence: str) -> list[_Word]:
    stops = stop_words()[question.language]
    found: list[_Word] = []
    for word in words(sentence):
        text = word.of(sentence)
        parts = terms(text)
        lower = text.casefold()
        is_number = any(sign.isdigit() for sign in text) or bool(_NUMBER_WORD.fullmatch(lower))
        parts_stems = stems(parts, question.language)
        is_stop = all(part in stops for part in parts) and not is_number
        found.append(
            _Word(
                word.start,
                word.end,
                parts_stems[0] if parts_stems else lower,
                lower in _ARTICLES,
                is_stop,
                text[:1].isupper() and not (is_stop and not found),
                is_number,
                bool(_TIME_WORD.fullmatch(lower)) or any(sign.isdigit() for sign in text),
                not is_stop and any(part in question.stems for part in parts_stems),
            )
        )
    return found


def _features(
    question: AskedQuestion, sentence: str, found: Sequence[_Word], first: int, last: int, span: Span
) -> list[float]:
    inside = found[first : last + 1]
    content = [word for word in inside if not word.is_stop]
    asked = [word for word in content if word.is_asked]
    before, after = found[first - 1] if first else None, found[last + 1] if last + 1 < len(found) else None
    between_before = sentence[before.end : span.start] if before else ","
    between_after = sentence[span.end : after.start] if after else ","
    return [
        float(len(inside)),
        float(inside[0].is_article),
        float(inside[0].is_stop and not inside[0].is_article),
        float(inside[-1].is_stop),
        float(bool(_DIVIDES.search(span.of(sentence)))),
        float(before is None or before.is_stop or bool(_DIVIDES.search(between_before))),
        float(after is None or after.is_stop or bool(_DIVIDES.search(between_after))),
        float(_continues_name(before, inside[0], between_before) or _continues_name(inside[-1], after, between_after)),
        len(asked) / len(content) if content else 1.0,
        float(len(asked) == len(content)),
        _nearness(question, found, first, last),
        float(any(word.stem == question.asked_noun for word in inside) and len(asked) < len(content)),
        *_type_features(question, inside, content),
    ]


def _continues_name(one: _Word | None, two: _Word | None, between: str) -> bool:
    return bool(one and two and one.is_capital and two.is_capital and between.isspace())


def _nearness(question: AskedQuestion, found: Sequence[_Word], first: int, last: int) -> float:
    """Return the share of the question's words that are near to the span, each by its least distance."""
    nearest: dict[str, int] = {}
    for place, word in enumerate(found):
        if word.is_asked and not first <= place <= last:
            distance = first - place if place < first else place - last
            nearest[word.stem] = min(distance, nearest.get(word.stem, distance))
    return sum(math.exp((1 - distance) / DECAY) for distance in nearest.values()) / max(len(question.stems), 1)


def _type_features(question: AskedQuestion, inside: Sequence[_Word], content: Sequence[_Word]) -> list[float]:
    """Return for each type whether the span has it where it is asked for, and whether it lacks it."""
    if question.language != "english":
        return [0.0] * 10
    asked = question.asks_for
    has_number = any(word.is_number for word in inside)
    has_time = any(word.is_time for word in inside)
    has_name = any(word.is_capital for word in content) and not all(word.is_time for word in content)
    found: list[float] = []
    for kind, has in (("amount", has_number), ("time", has_time), ("person", has_name), ("place", has_name)):
        found += [float(asked == kind and has), float(asked == kind and not has)]
    has_digit = any(word.is_number and word.is_time for word in inside)
    is_number_asked = asked in ("amount", "time") or bool(question.asked_noun and has_time and not has_digit)
    return [*found, len(inside) * float(asked == "reason"), float(has_digit and not is_number_asked)]
