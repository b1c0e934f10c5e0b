"""Words that name nothing: pronouns, articles, prepositions, auxiliary verbs; and days and months.

The lists are those of stop words that text search uses, of the language that is recognized. A stop word with a capital
may be a name within a sentence: "Will", "IT".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import regex

from llmkit.text.segmentation import Span, sentences
from llmkit.text.word_forms import recognize_language, stop_words

_CONJUNCTIONS = "and & or und oder et ou y o e en och eller og и или ve veya"
CONJUNCTIONS = frozenset(_CONJUNCTIONS.split())
"""Words between two names, of the languages that have stop words; not Dutch "of", which English has too."""

_OPENS = regex.compile(r"[^\w\s,;'’\-&]")
_ALWAYS = frozenset({"i"})
"""English writes it with a capital anywhere."""


def function_words(text: str, words: Sequence[Span]) -> list[bool]:
    """Return whether each word of a text names nothing."""
    texts = [word.of(text) for word in words]
    stops = _stop_words(recognize_language([word.lower() for word in texts]))
    starts = {sentence.start for sentence in sentences(text)}
    found, end = [], 0
    for word, name in zip(words, texts, strict=True):
        begins = not end or word.start in starts or bool(_OPENS.search(text, end, word.start))
        end = word.end
        is_plain = name.islower() or name.lower() in _ALWAYS or (begins and not (name.isupper() and len(name) > 1))
        found.append(name.lower() in stops and is_plain)
    return found


def names_nothing(flags: Sequence[bool], texts: Sequence[str], *, proper_names: bool) -> bool:
    """Return whether the words of a candidate are no name.

    That is if all of them name nothing; or, where it need not be a proper name, the first or the last does, but for the
    capital of a title: "The Hague". Two full names with a conjunction between them are two: "Anna Lee and Tom Ford".
    """
    if all(flags) or any(_is_between_names(texts, place) for place in range(2, len(texts) - 2)):
        return True
    starts_title = len(texts) > 1 and texts[0][:1].isupper()
    return not proper_names and ((flags[0] and not starts_title) or flags[-1])


def _is_between_names(texts: Sequence[str], place: int) -> bool:
    if texts[place].lower() not in CONJUNCTIONS or texts[place] == "&":
        return False
    return all(text[:1].isupper() for text in (*texts[:place], *texts[place + 1 :]))


@cache
def _stop_words(language: str) -> frozenset[str]:
    return stop_words()[language]
