"""Labels that a model does not tell apart.

They differ only by case, white space, Unicode normalization, invisible characters, or the punctuation around them:
`sports.` and `"sports"` are `sports`. But `C#`, `A-`, `50%` and `:)` are not `C`, `A`, `50` and `:(`.

Case is that of all scripts: `STRASSE` is `Straße` in capitals, and `İ` and `I` are capitals of `i`. But `Masse` and
`Maße` are two words, as are `sınır` and `sinir`: each pair has the same capitals, and neither is the other in capitals.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

import regex

_INVISIBLE = regex.compile(
    r"(?V1) (?<! \U0001f3f4 [\U000e0020-\U000e007f]* ) [[\p{DI}\p{Cc}\p{Cf}\u2800]--\s]", regex.VERBOSE
)
"""Characters without a glyph; a flag such as Scotland's has some (https://unicode.org/reports/tr51/#Emoji_Tag_Set)."""
_OPENING = r"\p{Ps}\p{Pi}\p{Pf}\"'`‚„¿¡"
_CLOSING = r"\p{Pe}\p{Pi}\p{Pf}\p{Terminal_Punctuation}\"'`…‧・"
_BEFORE = regex.compile(rf"(?: [{_OPENING}\s] | [-–—*•·‣+>] \s )++", regex.VERBOSE)
_AFTER = regex.compile(rf"(?: [{_CLOSING}\s] | \s [-–—] )++ \Z", regex.VERBOSE)
_EMPHASIS = regex.compile(r"(?P<mark> [*_~]{1,3}+ ) (?P<words> .+ ) (?P=mark)", regex.VERBOSE | regex.DOTALL)
_HAS_WORDS = regex.compile(r"[\p{L}\p{N}]")


def find_twins(texts: Iterable[str]) -> tuple[int, int] | None:
    """Return the indices of the first two texts that a model does not tell apart."""
    groups: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for index, text in enumerate(texts):
        normalized = _normalize(text)
        group = groups[_normalize(normalized.upper().casefold())]
        for earlier, other in group:
            if _differ_by_case(other, normalized):
                return earlier, index
        group.append((index, normalized))
    return None


def describe_difference(first: str, second: str) -> str:
    """Return what two labels differ by that are the same to a model; empty where it is white space only."""
    first, second = " ".join(first.split()), " ".join(second.split())
    if first == second:
        return ""
    first, second = without_invisible(first), without_invisible(second)
    if first == second:
        return "by invisible characters"
    if not _differ_by_case(_without_dots(_compatible(first)), _without_dots(_compatible(second))):
        return "by the punctuation around them"
    is_encoding = unicodedata.normalize("NFKC", first) == unicodedata.normalize("NFKC", second)
    is_case = _differ_by_case(_without_dots(first), _without_dots(second))
    return "by capitals" if is_case and not is_encoding else "by how their characters are encoded in Unicode"


def without_invisible(text: str) -> str:
    """Return a text without characters that have no glyph, such as zero-width spaces."""
    return " ".join(_INVISIBLE.sub("", text).split())


def _normalize(text: str) -> str:
    return _without_dots(_without_punctuation(_compatible(without_invisible(text))))


def _compatible(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _without_punctuation(text: str) -> str:
    """Return a text without quotation marks, brackets, bullets and ends of sentences around it, if it has words."""
    before = _BEFORE.match(text)
    inner = _AFTER.sub("", text[before.end() :] if before else text)
    if emphasis := _EMPHASIS.fullmatch(inner):
        inner = emphasis["words"]
    return inner if _HAS_WORDS.search(inner) else text


def _without_dots(text: str) -> str:
    """Return a text whose `İ` is `I`, and whose small form of it, an `i` with another dot, is `i`."""
    return text.replace("\u0130", "I").replace("I\u0307", "I").replace("i\u0307", "i")


def _differ_by_case(first: str, second: str) -> bool:
    """Return whether two texts are the same, character by character, but for capitals."""
    at = place = 0
    while at < len(first) and place < len(second):
        one, other = first[at], second[place]
        if one.casefold() == other.casefold() or one.lower().upper() == other or other.lower().upper() == one:
            at, place = at + 1, place + 1
        elif capitals := _capitals(one, second, place):
            at, place = at + 1, place + capitals
        elif capitals := _capitals(other, first, at):
            at, place = at + capitals, place + 1
        else:
            return False
    return at == len(first) and place == len(second)


def _capitals(character: str, text: str, place: int) -> int:
    """Return how many characters of a text are the capitals of one that has several: `SS` or `Ss` of `ß`; else 0."""
    upper = character.lower().upper()
    if len(upper) > 1 and text.startswith((upper, upper.capitalize()), place):
        return len(upper)
    return 0
