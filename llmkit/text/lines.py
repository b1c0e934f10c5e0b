"""Line ends inside a paragraph: where a text was wrapped to a width, a sentence goes on in the next line."""

from __future__ import annotations

from itertools import pairwise

import regex

from llmkit.text.abbreviations import SENTENCE_STARTERS

MAX_WIDTH = 120
"""Longer lines are paragraphs, which are not wrapped."""
MIN_PAIR_WIDTH = 50
"""Two lines are a wrapped paragraph if one is at least so long; shorter ones may be two items of a list."""
FILLED = 0.9
"""A line is filled if the next word would have made it longer than this share of the longest one."""
MIN_LOWER = 0.5
MIN_SHARE = 0.6
"""The share of a paragraph's line ends that are at its width, and of its words without a capital, if it is wrapped."""

_LINE = regex.compile(r"([^\n\r\x85\u2028\u2029]*+) (?: \r\n | [\n\r\x85\u2028\u2029] | \Z )", regex.VERBOSE)
_BEFORE_SMALL_LETTER = regex.compile(
    r"(?: \r\n | [\n\r\x85\u2028\u2029] ) (?= [^\S\n\r\x85\u2028\u2029]*+ \p{Ll} )", regex.VERBOSE
)
_NEW_ITEM = regex.compile(r"[-*•–—+>|\#] | \(? \d{1,3} [.)] \s | [\p{Lu}\p{N}] [^.,;:!?]{0,30} : \s", regex.VERBOSE)
_FIRST_WORD = regex.compile(r"\p{L}++")
_KEY = regex.compile(r"[\w.-]++ (?: \s? = | : \s )", regex.VERBOSE)
_CELL = regex.compile(r"[,;|] (?= \S ) | \t", regex.VERBOSE)

Line = tuple[str, int]
"""A line without white space around it, and the offset of its end, where the line's end or the text's is."""


def wrapped_line_ends(text: str) -> set[int]:
    """Return the offsets of the line ends at which a sentence goes on in the next line.

    It does where a small letter follows, unless the lines are records or items of a list; and before anything else in
    prose with filled lines: the next line's first word would not have fitted.
    """
    found: set[int] = set()
    paragraph: list[Line] = []
    for match in _LINE.finditer(text):
        if line := match[1].strip():
            paragraph.append((line, match.end(1)))
        else:
            found.update(_wrapped_ends(paragraph))
            paragraph = []
    found.update(_wrapped_ends(paragraph))
    return found


def line_ends_before_small_letters(text: str) -> set[int]:
    """Return the offsets of the line ends after which a small letter comes first."""
    return {match.start() for match in _BEFORE_SMALL_LETTER.finditer(text)}


def _wrapped_ends(lines: list[Line]) -> list[int]:
    """Return the ends of a paragraph's lines at which a sentence goes on."""
    if len(lines) < 2:
        return []
    width = max(len(line) for line, _ in lines)
    filled = [
        len(line) + 1 + len(following.split()[0]) > FILLED * width for (line, _), (following, _) in pairwise(lines)
    ]
    is_list = all(line[0].islower() and len(line.split()) <= 3 for line, _ in lines)
    wrapped = _is_wrapped_prose([line for line, _ in lines], width, filled)
    ends = []
    for (line, end), (following, _), is_filled in zip(lines, lines[1:], filled, strict=False):
        if following[0].islower():
            goes_on = not (is_list or _are_records(line, following))
        else:
            goes_on = wrapped and is_filled and not line.endswith(":") and not _begins_anew(following)
        if goes_on:
            ends.append(end)
    return ends


def _begins_anew(line: str) -> bool:
    """Return whether a line is an item of a list, a turn of a dialogue, or begins as sentences do."""
    match = _FIRST_WORD.match(line)
    return bool(_NEW_ITEM.match(line) or (match and match.group() != "I" and match.group() in SENTENCE_STARTERS))


def _is_wrapped_prose(lines: list[str], width: int, filled: list[bool]) -> bool:
    words = [word for line in lines for word in line.split()]
    return (
        (MIN_PAIR_WIDTH if len(lines) == 2 else 0) <= width <= MAX_WIDTH
        and sum(filled) >= MIN_SHARE * len(filled)
        and sum(word[0].islower() for word in words) >= MIN_LOWER * len(words)
    )


def _are_records(line: str, following: str) -> bool:
    """Return whether both lines are `key=value`, `key: value` or rows with the same number of cells."""
    cells = len(_CELL.findall(line))
    return bool(_KEY.match(line) and _KEY.match(following)) or 0 < cells == len(_CELL.findall(following))
