"""What a phrase looks like as an answer to a question: its borders, its words, and the type that the question asks for.

The features are plain numbers that a fitted head weighs beside the model's log-likelihoods. They come from the shape of
words (capitals, digits, punctuation), stop words and the question's own words; there is no list of names. The type that
a question asks for is known in English only; elsewhere these features are 0.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
import regex
from numpy.typing import NDArray

from llmkit.chains.qa.asked_question import AskedQuestion
from llmkit.errors import InputError
from llmkit.retrieval import RetrievedSentence
from llmkit.text.segmentation import Span
from llmkit.text.word_forms import stems, stop_words
from llmkit.text.words import terms, words

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

DECAY = 4.0
"""Words at which the nearness of a question's word has fallen to 1/e."""

_FLAGS = regex.VERBOSE | regex.IGNORECASE
_ARTICLES = frozenset(("a", "an", "the"))
_OF = frozenset(("of", "de", "du", "del", "di", "von", "van"))
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
_REASON_WORD = regex.compile(r"because|since|as|for|from|to|so|due|owing|thanks|therefore|after|lest", _FLAGS)
_DIVIDES = regex.compile(r"[,;:()\[\]\"“”—–]|\s-\s")

FEATURES = (
    "rank",
    "relevance",
    "question_words_in_sentence",
    "begins_with_stop_word",
    "ends_with_stop_word",
    "divided",
    "begins_at_border",
    "ends_at_border",
    "cuts_name",
    "cuts_number",
    "repeated",
    "repeated_at_edge",
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
    "reason_asked",
    "reason_missing",
    "reason_length",
    "number_not_asked",
)
"""The names of the columns of `span_features`."""

TYPE_FEATURES = len(FEATURES) - FEATURES.index("number_asked")
"""How many of them, the last ones, compare a span with the type that is asked for."""

REPETITION = [FEATURES.index(name) for name in ("repeated", "repeated_at_edge", "only_repeated")]
"""The columns that say what a span repeats of the question."""


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
    is_reason: bool
    is_asked: bool


def span_features(
    question: AskedQuestion, sentence: RetrievedSentence, spans: Sequence[Span], rank: int, relevance: float
) -> Matrix:
    """Return the features of spans of a sentence, [spans, features].

    Args:
        question: what is asked.
        sentence: the sentence.
        spans: spans of its document, inside the sentence, that begin and end at words.
        rank: how many sentences are more relevant.
        relevance: of the sentence, as a share of the highest one.
    """
    found = _words_of(question, sentence.text)
    starts = [word.start for word in found]
    of_sentence = [float(rank), relevance, question.share_in(sentence.text_with_topic)]
    topic = question.stems.intersection(stems(terms(sentence.topic), question.language))
    rows = []
    for span in spans:
        inside = Span(span.start - sentence.start, span.end - sentence.start)
        first = max(bisect_right(starts, inside.start) - 1, 0)
        last = max(bisect_left(starts, inside.end) - 1, first)
        rows.append([*of_sentence, *_features(question, sentence.text, found, first, last, inside, topic)])
    return np.array(rows, dtype=np.float64).reshape(len(spans), len(FEATURES))


def weight_vector(weights: Mapping[str, float], names: Sequence[str]) -> Vector:
    """Return the weights of named features in this order; what has none gets 0.

    Raises:
        InputError: a weight has another name.
    """
    if unknown := weights.keys() - set(names):
        raise InputError(f"there is no feature {', '.join(sorted(unknown))}: the features are {', '.join(names)}")
    return np.array([weights.get(name, 0.0) for name in names])


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
                bool(_REASON_WORD.fullmatch(lower)),
                not is_stop and any(part in question.stems for part in parts_stems),
            )
        )
    return found


def _features(
    question: AskedQuestion, sentence: str, found: Sequence[_Word], first: int, last: int, span: Span, topic: Set[str]
) -> list[float]:
    inside = found[first : last + 1]
    content = [word for word in inside if not word.is_stop]
    asked = [word for word in content if word.is_asked]
    before, after = found[first - 1] if first else None, found[last + 1] if last + 1 < len(found) else None
    between_before = sentence[before.end : span.start] if before else ","
    between_after = sentence[span.end : after.start] if after else ","
    return [
        float(inside[0].is_stop and not inside[0].is_article),
        float(inside[-1].is_stop),
        float(bool(_DIVIDES.search(span.of(sentence)))),
        float(before is None or before.is_stop or bool(_DIVIDES.search(between_before))),
        float(after is None or after.is_stop or bool(_DIVIDES.search(between_after))),
        float(_cuts_name(found, first, sentence) or _cuts_name(found, last + 1, sentence)),
        float(_cuts_number(found, first, sentence) or _cuts_number(found, last + 1, sentence)),
        len(asked) / len(content) if content else 1.0,
        float(0 < len(asked) < len(content) and (content[0].is_asked or content[-1].is_asked)),
        float(len(asked) == len(content)),
        _nearness(question, found, first, last, topic),
        float(any(word.stem == question.asked_noun for word in inside) and len(asked) < len(content)),
        *_type_features(question, inside, content, found[max(first - 2, 0) : first + 1]),
    ]


def _cuts_name(found: Sequence[_Word], place: int, sentence: str) -> bool:
    """Return whether a border before this word parts capitalized words, as in "Edict of | Nantes"."""
    if not 0 < place < len(found) or not found[place].is_capital or found[place].is_number:
        return False
    if found[place - 1].is_capital:
        return sentence[found[place - 1].end : found[place].start].isspace()
    of_name = place > 1 and found[place - 2].is_capital and found[place - 1].stem in _OF
    return bool(of_name) and sentence[found[place - 2].end : found[place].start].count(" ") == 2


def _cuts_number(found: Sequence[_Word], place: int, sentence: str) -> bool:
    """Return whether a border before this word parts a number or a date, as in "3 | October" and "5 | million"."""
    if not 0 < place < len(found) or not sentence[found[place - 1].end : found[place].start].isspace():
        return False
    one, two = found[place - 1], found[place]
    return (one.is_number and (two.is_number or two.is_time)) or (one.is_time and two.is_number)


def _nearness(question: AskedQuestion, found: Sequence[_Word], first: int, last: int, topic: Set[str]) -> float:
    """Return the share of the question's words that are near to the span, each by its least distance.

    The pronoun at the beginning of a sentence stands for the words of its topic.
    """
    nearest = dict.fromkeys(topic, max(first, 1))
    for place, word in enumerate(found):
        if word.is_asked and not first <= place <= last:
            distance = first - place if place < first else place - last
            nearest[word.stem] = min(distance, nearest.get(word.stem, distance))
    return sum(math.exp((1 - distance) / DECAY) for distance in nearest.values()) / max(len(question.stems), 1)


def _type_features(
    question: AskedQuestion, inside: Sequence[_Word], content: Sequence[_Word], beginning: Sequence[_Word]
) -> list[float]:
    """Return for each type whether the span has it where it is asked for, and whether it lacks it.

    A reason has a word such as "because" or "to" at its beginning, which is its first word and two words before it.
    """
    if question.language != "english":
        return [0.0] * TYPE_FEATURES
    asked = question.asks_for
    has_number = any(word.is_number for word in inside)
    has_time = any(word.is_time for word in inside)
    has_name = any(word.is_capital for word in content) and not all(word.is_time for word in content)
    types = {"amount": has_number, "time": has_time, "person": has_name, "place": has_name}
    types["reason"] = any(word.is_reason for word in beginning)
    found = [float(asked == kind and has == wanted) for kind, has in types.items() for wanted in (True, False)]
    has_digit = any(word.is_number and word.is_time for word in inside)
    is_other_asked = asked in ("person", "place", "reason", "manner")
    return [*found, len(inside) * float(asked in ("reason", "manner")), float(has_digit and is_other_asked)]
