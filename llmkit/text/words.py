"""The words of a text in any script, and where a name stands among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import regex

from llmkit.text.segmentation import Span

_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
"""The scripts that write no spaces, as a set of regular expressions."""

_CHUNK = regex.compile(rf"(?V1) (?={_UNSPACED})\X | [[^\s]--{_UNSPACED}--[–—/]]+", regex.VERBOSE)
_ALONE = regex.compile(rf"(?V1){_UNSPACED}")
_LEAD = regex.compile(r"[\p{P}\p{C}]*+")
_BODY = regex.compile(r"(?V1)(?:.*[[^\p{P}\p{C}]||[%‰]])?", regex.DOTALL)
_INITIALS = regex.compile(r"(?:\p{L}\.){2,}")

_BORDER = rf"(?:(?<![\w--{_UNSPACED}])|(?![\w--{_UNSPACED}]))"
"""Between two characters, of which at least one belongs to no word, or to a script that writes no spaces."""


@dataclass(frozen=True, slots=True)
class Word(Span):
    """A word, without the punctuation around it.

    Attributes:
        size: 1, or 1/2 for a character of a script that writes no spaces.
    """

    size: float = 1.0


def words(text: str) -> list[Word]:
    """Give the words in order: what stands between spaces, dashes and slashes, without punctuation at its ends.

    Scripts that write no spaces are cut after each character, as a reader sees it.
    """
    found = []
    for chunk in _CHUNK.finditer(text):
        start = _end(_LEAD, text, *chunk.span())
        end = _end(_BODY, text, start, chunk.end())
        if _INITIALS.fullmatch(text, start, min(end + 1, chunk.end())):  # "U.S." keeps its last point
            end += 1
        if start < end:
            found.append(Word(start, end, 0.5 if _ALONE.match(text, start) else 1.0))
    return found


def unspaced(text: str) -> list[str]:
    """Give the characters of scripts that write no spaces."""
    return _ALONE.findall(text)


def occurrences(name: str, text: str, *, any_case: bool = False) -> Iterator[Span]:
    """Yield every place where a name stands in a text in whole words, whatever its white space."""
    words = name.split()
    if words:
        whole = _BORDER + r"\s+".join(map(regex.escape, words)) + _BORDER
        flags = regex.VERSION1 | (regex.IGNORECASE if any_case else 0)
        yield from (Span(*match.span()) for match in regex.finditer(whole, text, flags))


def _end(pattern: regex.Pattern[str], text: str, start: int, end: int) -> int:
    match = pattern.match(text, start, end)
    return match.end() if match else start
