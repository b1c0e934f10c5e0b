"""Terms that other forms of a word share: stems, without the stop words of a language, and character n-grams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

import regex

from llmkit.text.words import terms

DEFAULT_LANGUAGE = "english"
"""For texts whose language is not recognized; its stemmer leaves words of other scripts as they are."""
LEAST_STOP_WORDS = 0.1
"""A language is recognized if at least this share of a text's terms are its stop words."""
N = 4
"""The length of character n-grams (McNamee & Mayfield 2004)."""

_RECOGNIZED_FROM = 2000
"""Terms at the beginning of a text from which its language is recognized."""
_RUN = regex.compile(r"[\w\p{N}]+")


@lru_cache(maxsize=1)
def stop_words() -> Mapping[str, frozenset[str]]:
    """Return the stop words of each language that has a list in bm25s and a Snowball stemmer."""
    from bm25s import stopwords

    lists = {
        "english": stopwords.STOPWORDS_EN_PLUS,
        "german": stopwords.STOPWORDS_GERMAN,
        "french": stopwords.STOPWORDS_FRENCH,
        "spanish": stopwords.STOPWORDS_SPANISH,
        "italian": stopwords.STOPWORDS_ITALIAN,
        "portuguese": stopwords.STOPWORDS_PORTUGUESE,
        "dutch": stopwords.STOPWORDS_DUTCH,
        "swedish": stopwords.STOPWORDS_SWEDISH,
        "danish": stopwords.STOPWORDS_DANISH,
        "norwegian": stopwords.STOPWORDS_NORWEGIAN,
        "russian": stopwords.STOPWORDS_RUSSIAN,
        "turkish": stopwords.STOPWORDS_TURKISH,
    }
    return {language: frozenset(term for word in words for term in terms(word)) for language, words in lists.items()}


def stop_word_counts(words: Sequence[str]) -> dict[str, int]:
    """Return how many of a text's terms are stop words of each language."""
    return {language: sum(word in stops for word in words) for language, stops in stop_words().items()}


def recognize_language(words: Sequence[str]) -> str:
    """Return the language whose stop words make up most of a text's terms; English if too few are anyone's."""
    first = words[:_RECOGNIZED_FROM]
    counts = stop_word_counts(first)
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] > LEAST_STOP_WORDS * len(first) else DEFAULT_LANGUAGE


def stems(words: Iterable[str], language: str) -> list[str]:
    """Return the stem of each term by the Snowball algorithm of a language (https://snowballstem.org)."""
    from Stemmer import Stemmer

    return list(Stemmer(language).stemWords(words))  # one for each call: a stemmer must not be used by two threads


def content_words(words: Iterable[str], language: str) -> list[str]:
    """Return the terms that are no stop words of a language."""
    return [word for word in words if word not in stop_words()[language]]


def character_ngrams(text: str) -> list[str]:
    """Return the n-grams of a text's words: what other forms, compounds and misspellings of a word have in common.

    A word begins and ends with a space in its n-grams. In scripts without spaces, two neighbouring graphemes are one.
    """
    found: list[str] = []
    for run in _RUN.findall(text.casefold()):
        parts = terms(run)
        if len(parts) > 1:
            found += [first + second for first, second in pairwise(parts)]
        else:
            found += _ngrams_of_word(run)
    return found


@lru_cache(maxsize=1 << 16)
def _ngrams_of_word(word: str) -> list[str]:
    padded = f" {word} "
    return [padded[start : start + N] for start in range(max(1, len(padded) - N + 1))]
