"""Sentences of a text, and passages that fit a model, each with its exact offsets in the source.

Offsets are in characters, the end not included: `source[passage.start:passage.end] == passage.text`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import regex

from llmkit.errors import InputError
from llmkit.text.abbreviations import is_within_sentence
from llmkit.text.lines import line_ends_before_small_letters, wrapped_line_ends


class TokenCounter(Protocol):
    """A model, as far as splitting a text needs it; one that has `token_offsets` too makes it faster."""

    def get_num_tokens(self, text: str) -> int:
        """Return the number of tokens of a text alone, without special tokens."""
        ...


class CharacterCounter:
    """A `TokenCounter` whose tokens are characters."""

    def get_num_tokens(self, text: str) -> int:
        """Return the number of characters."""
        return len(text)


@dataclass(frozen=True, slots=True)
class Span:
    """A range of characters, the end not included."""

    start: int
    end: int

    def of(self, text: str) -> str:
        """Return the characters of `text` in this range."""
        return text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a text, its offsets, and the number of its tokens when counted alone."""

    text: str
    start: int
    end: int
    tokens: int


_PARAGRAPH = regex.compile(r"(?: \r\n | [\n\r\x85\u2028] ) \s*? [\n\r\x85\u2028] \s* | \u2029 \s*", regex.VERBOSE)
_WHITE_SPACE = regex.compile(r"\s+")
_ENCODED_AT_ONCE = 100_000
"""Characters: a tokenizer takes 140 bytes of memory for each while it encodes them."""
_GRAPHEME = regex.compile(r"\X")
_SENTENCE = regex.compile(
    r"""(?V1)
      (?<! [.!?…] ) (?P<signs> [.!?…]++ ) [\p{Pe}\p{Pf}"'*_]*+ (?: \[\d+\] )*+  # footnotes belong to it
      (?: (?P<space> \s++ ) (?!\p{Ll}) | \s*+$ )               # white space after it, no small letter
    | [\p{SB=STerm}--[!?]]+ [\p{Pe}\p{Pf}"']* \s*             # 。！？ ؟ । ። and others need no space
    | (?P<line> (?: \r\n | [\n\r\x85\u2028\u2029] ) \s*+ )     # a line of its own, an empty line
    """,
    regex.VERBOSE,
)
_LINE_END = regex.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_LIST_NUMBER = regex.compile(r"\s*\(?\d{1,2}")


def sentences(text: str, *, is_whole: bool = True) -> list[Span]:
    """Split a text into sentences, without the white space around them.

    A line end closes a sentence too, except within a wrapped paragraph. Approximates Unicode's sentence borders
    (UAX #29), but abbreviations, initials and the numbers of a list do not end a sentence.

    Args:
        text: the text.
        is_whole: whether the text is there as a whole. If more is to come, its lines do not yet show that it is
            wrapped: a line end closes a sentence unless a small letter follows.
    """
    edges = [0, *_sentence_ends(text, is_whole=is_whole), len(text)]
    spans = []
    for start, end in pairwise(edges):
        piece = text[start:end]
        if stripped := piece.strip():
            first = start + len(piece) - len(piece.lstrip())
            spans.append(Span(first, first + len(stripped)))
    return spans


def _sentence_ends(text: str, *, is_whole: bool = True) -> list[int]:
    """Return where each sentence ends, with the white space behind it."""
    ends: list[int] = []
    wrapped = wrapped_line_ends(text) if is_whole else line_ends_before_small_letters(text)
    for match in _SENTENCE.finditer(text):
        begin = ends[-1] if ends else 0
        if not match["line"]:
            place, following = match.start(), match.end()
            inside = match["signs"] == "." and (
                _LIST_NUMBER.fullmatch(text, begin, place) or is_within_sentence(text, place, following)
            )
            if not inside or following == len(text):
                ends.append(following)
                continue
        lines = list(_LINE_END.finditer(text, *match.span("line" if match["line"] else "space")))
        if len(lines) > 1 or (lines and lines[0].start() not in wrapped):
            ends.append(match.end())
    return ends


def passages(text: str, model: TokenCounter, max_tokens: int, overlap: int = 0) -> list[Passage]:
    """Split a text into passages of at most `max_tokens` tokens each, counted alone by the model itself.

    A passage ends at a paragraph if that leaves it at least half full, else at a sentence if a quarter full,
    else at a word, else at a grapheme (a character as a reader sees it). White space belongs to the passage before
    it. Takes time linear in the length of the text.

    Args:
        text: the source.
        model: counts the tokens.
        max_tokens: the limit of each passage.
        overlap: each passage begins up to that many tokens before the end of the one before, at a sentence or a
            word. Without it the passages, joined, are the source.

    Raises:
        InputError: `overlap` is not less than `max_tokens`, or a single character has more tokens than that.
    """
    if max_tokens < 1 or not 0 <= overlap < max_tokens:
        raise InputError(
            f"max_tokens is {max_tokens} and overlap {overlap}, but must be at least 1, and overlap smaller"
        )
    splitter = _Splitter(text, model, max_tokens)
    found: list[Passage] = []
    start = reached = 0
    while reached < len(text):
        passage = splitter.passage(start, reached) or splitter.passage(reached, reached)
        if passage is None:
            raise InputError(f"character {text[reached]!r} at {reached} has over {max_tokens} tokens: raise max_tokens")
        found.append(passage)
        reached = passage.end
        start = splitter.overlap_start(passage.start, reached, overlap) if overlap else reached
    return found


class _Splitter:
    """The borders of one text, and where each of its tokens starts."""

    def __init__(self, text: str, model: TokenCounter, max_tokens: int) -> None:
        self.text, self.count, self.max_tokens = text, model.get_num_tokens, max_tokens
        self.token_starts = _token_starts(text, model)
        self.words, self.sentences = _ends(_WHITE_SPACE, text), _sentence_ends(text)
        self.paragraphs = _ends(_PARAGRAPH, text)

    def passage(self, start: int, beyond: int) -> Passage | None:
        """Return the longest good passage from `start` that ends after `beyond`; none if not a character fits."""
        limit = self._offset_after(start, self.max_tokens)
        while True:
            end = len(self.text) if limit == len(self.text) else self._border(start, beyond, limit)
            if end is None:
                return None
            piece = self.text[start:end]
            tokens = self.count(piece)
            if tokens <= self.max_tokens:
                return Passage(piece, start, end, tokens)
            # Alone, a piece may have other tokens than inside the text: shorten it by the share that is too much.
            limit = min(start + (end - start) * self.max_tokens // tokens, end - 1)

    def overlap_start(self, start: int, end: int, overlap: int) -> int:
        """Return where the passage after `start`..`end` begins: up to `overlap` tokens before its end."""
        index = max(bisect_left(self.token_starts, end) - overlap, 0)
        earliest = max(self.token_starts[index] if index < len(self.token_starts) else end, start + 1)
        for borders in (self.sentences, self.words):
            at = bisect_left(borders, earliest)
            while at < len(borders) and borders[at] < end:
                if self.count(self.text[borders[at] : end]) <= overlap:
                    return borders[at]
                at += 1
        return end

    def _offset_after(self, start: int, tokens: int) -> int:
        """Return the first character that is more than so many tokens after `start`."""
        index = bisect_left(self.token_starts, start) + tokens
        return self.token_starts[index] if index < len(self.token_starts) else len(self.text)

    def _border(self, start: int, beyond: int, limit: int) -> int | None:
        """Return the best border at or before `limit`."""
        least = max(start, beyond) + 1
        for borders, divisor in ((self.paragraphs, 2), (self.sentences, 4), (self.words, 0)):
            full_enough = start + (limit - start) // divisor if divisor else least
            at = bisect_right(borders, limit) - 1
            if at >= 0 and borders[at] >= max(full_enough, least):
                return borders[at]
        return self._grapheme_border(max(start, limit - 64), least, limit)

    def _grapheme_border(self, start: int, least: int, limit: int) -> int | None:
        """Return the last end of a grapheme at or before `limit`, else that of a plain character."""
        end = None
        for match in _GRAPHEME.finditer(self.text, start, min(limit + 64, len(self.text))):
            if match.end() > limit:
                break
            end = match.end() if match.end() >= least else None
        return end or (limit if limit >= least else None)


def _ends(pattern: regex.Pattern[str], text: str) -> list[int]:
    return [match.end() for match in pattern.finditer(text)]


def _token_starts(text: str, model: TokenCounter) -> Sequence[int]:
    """Return where each token of the text begins; evenly spread where a model only counts."""
    offsets: Callable[[str], list[tuple[int, int]]] | None = getattr(model, "token_offsets", None)
    starts = array("Q")
    for begin, piece in _pieces(text):
        if offsets is not None:
            starts.extend(begin + start for start, _ in offsets(piece))
        else:
            tokens = model.get_num_tokens(piece)
            starts.extend(begin + index * len(piece) // tokens for index in range(tokens))
    return starts


def count_tokens(text: str, model: TokenCounter) -> int:
    """Return the tokens of a text, which is counted in pieces where it is very long: that takes little memory."""
    return sum(model.get_num_tokens(piece) for _, piece in _pieces(text))


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield the pieces of a long text that are encoded at a time, and where they begin: before white space."""
    start = 0
    while len(text) - start > 2 * _ENCODED_AT_ONCE:
        end = start + _ENCODED_AT_ONCE
        match = _WHITE_SPACE.search(text, end, end + _ENCODED_AT_ONCE)
        end = match.start() if match else end
        yield start, text[start:end]
        start = end
    yield start, text[start:]
