"""Names with the last name first, as registers have them: a quoted field such as "Holm, Maria" is one name or none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import regex

from llmkit.text.fields import number_quoted_fields
from llmkit.text.segmentation import Span

Places = tuple[int, int]
"""The places of the first and the last word of a name."""

_COMMA = regex.compile(r"[,;|\t]")
_NAME_START = regex.compile(
    r"[\p{Lu}\p{Lt}\p{Lo}\p{N}] | (?:van|von|de|da|di|del|della|der|den|du|la|le|al|el|bin|ibn)\b", regex.VERBOSE
)


def inverted_names(text: str, found: Sequence[Span], max_words: int) -> list[Places | None]:
    """Return, for each word, the places of the first and the last word of the inverted name that it is in.

    Such a name is a quoted field of at most `max_words` with one comma (or another separator) and a single word before
    or after that: `Holm, Maria`, `New York, USA`. In `Maria Holm, Karl Berg` each part is a name by itself.
    """
    names: list[Places | None] = [None] * len(found)
    fields: dict[int, list[int]] = {}
    for place, number in enumerate(number_quoted_fields(text, found)):
        fields.setdefault(number, []).append(place)
    fields.pop(-1, None)
    for places in fields.values():
        if 2 <= len(places) <= max_words and _is_inverted(text, [found[place] for place in places]):
            names[places[0] : places[-1] + 1] = [(places[0], places[-1])] * len(places)
    return names


def divides_name(names: Sequence[Places | None], first: int, last: int) -> bool:
    """Return whether a span of words is a part of such a name."""
    return any(name is not None and (first > name[0] or last < name[1]) for name in (names[first], names[last]))


def _is_inverted(text: str, words: Sequence[Span]) -> bool:
    commas = [
        size
        for size, (word, following) in enumerate(pairwise(words), 1)
        if _COMMA.search(text, word.end, following.start)
    ]
    is_short = len(commas) == 1 and 1 in (commas[0], len(words) - commas[0])
    return is_short and all(_NAME_START.match(text, word.start) for word in words)
