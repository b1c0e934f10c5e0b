"""The words of a text in any script: with their offsets for names and spans, and as plain terms for ranking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import regex

from llmkit.text.segmentation import Span

_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}ーｰ\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
"""The scripts that are written without spaces: every character that a reader sees (grapheme) is a word there."""

_CHUNK = regex.compile(rf"(?V1) (?={_UNSPACED})\X | [[^\s]--{_UNSPACED}--[–—/]]+", regex.VERBOSE)
_TERM = regex.compile(
    rf"(?V1) (?=[{_UNSPACED}\p{{Hangul}}])\X | [[\w\p{{N}}]--{_UNSPACED}--\p{{Hangul}}]+", regex.VERBOSE
)
_UNSPACED_CHARACTER = regex.compile(rf"(?V1)(?={_UNSPACED})\X")
_CHUNK_OF_WORDS = regex.compile(r"\S+")
_COUNTED = regex.compile(
    rf"(?V1) (?={_UNSPACED})\X | [[\p{{L}}\p{{N}}]--{_UNSPACED}] [[^\s]--{_UNSPACED}]*", regex.VERBOSE
)
_PUNCTUATION_BEFORE = regex.compile(r"[\p{P}\p{C}]*+")
_UP_TO_LAST_LETTER = regex.compile(r"(?V1)(?:.*[[^\p{P}\p{C}]||[%‰]])?", regex.DOTALL)
_INITIALS = regex.compile(r"(?:\p{L}\.){2,}")

_BORDER = rf"(?:(?<![\w--{_UNSPACED}])|(?![\w--{_UNSPACED}]))"
"""Between two characters, of which at least one belongs to no word, or to a script without spaces."""


@dataclass(frozen=True, slots=True)
class Word(Span):
    """A word, without the punctuation around it.

    Attributes:
        size: 1, or 1/2 for a character of a script without spaces.
    """

    size: float = 1.0


def words(text: str) -> list[Word]:
    """Split a text into words, with their offsets.

    A word is what is between spaces, dashes and slashes, without punctuation at its ends. In scripts without spaces
    it is one grapheme.
    """
    found = []
    for chunk in _CHUNK.finditer(text):
        start = _match_end(_PUNCTUATION_BEFORE, text, *chunk.span())
        end = _match_end(_UP_TO_LAST_LETTER, text, start, chunk.end())
        if _INITIALS.fullmatch(text, start, min(end + 1, chunk.end())):  # "U.S." keeps its last point
            end += 1
        if start < end:
            found.append(Word(start, end, 0.5 if _UNSPACED_CHARACTER.match(text, start) else 1.0))
    return found


def terms(text: str) -> list[str]:
    """Return the terms with which texts are compared and ranked: runs of letters, marks and digits, case-folded.

    In scripts without spaces a term is one grapheme. So it is in Korean, which writes particles together with their
    noun: 서울은 and 서울의 have 서울 in common.
    """
    return _TERM.findall(text.casefold())


def unspaced(text: str) -> list[str]:
    """Return the graphemes of scripts without spaces, and nothing else."""
    return _UNSPACED_CHARACTER.findall(text)


def count_words(text: str) -> float:
    """Return how many words a text has: by its white space, and half a word for a character of unspaced scripts."""
    return max((count for _, count in _word_counts(text)), default=0.0)


def end_of_words(text: str, max_words: float) -> int | None:
    """Return where a text must end to have at most so many words; `None` if it has no more."""
    for start, count in _word_counts(text):
        if count > max_words:
            return start
    return None


def _word_counts(text: str) -> Iterator[tuple[int, float]]:
    """Yield where words begin, and how many there are with that one; what follows never changes this.

    Between white space there is at least one word, and more only where characters of unspaced scripts are.
    """
    total = 0.0
    for chunk in _CHUNK_OF_WORDS.finditer(text):
        before, inside = total, 0.0
        total = before + 1
        yield chunk.start(), total
        for item in _COUNTED.finditer(text, *chunk.span()):
            inside += 0.5 if _UNSPACED_CHARACTER.match(text, item.start()) else 1.0
            if inside > 1:
                total = before + inside
                yield item.start(), total


def occurrences(name: str, text: str, *, any_case: bool = False) -> Iterator[Span]:
    """Yield every place where a name occurs in a text as whole words, whatever its white space."""
    parts = name.split()
    if parts:
        whole = _BORDER + r"\s+".join(map(regex.escape, parts)) + _BORDER
        flags = regex.VERSION1 | (regex.IGNORECASE if any_case else 0)
        yield from (Span(*match.span()) for match in regex.finditer(whole, text, flags))


def _match_end(pattern: regex.Pattern[str], text: str, start: int, end: int) -> int:
    match = pattern.match(text, start, end)
    return match.end() if match else start
