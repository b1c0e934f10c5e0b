"""The tags of a classifier of tokens, such as `B-PER`, and the entities that a sequence of them stands for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

_PREFIX = re.compile(r"(?P<position>[BIMESLUW])[-_](?P<type>.+)")
_SUFFIX = re.compile(r"(?P<type>.+)[-_](?P<position>[BIMESLUW])")
_OUTSIDE = {"o", "outside", "none", "0"}
_OPENING = set("BSUW")
_CLOSING = set("ESLUW")


class Tag(NamedTuple):
    """A tag: the position of the word in its entity ("" where tags have none), and the type; outside, no type."""

    position: str
    type: str | None


@dataclass(frozen=True)
class TagScheme:
    """The tags of a head, in the order of its outputs.

    Positions are those of BIO, BIOES, BILOU and BMES (B begins an entity, I and M are inside, E and L end it, S, U and
    W are the only word), before or after the type; or none, where neighbors of one type are one entity (IO).
    """

    tags: tuple[Tag, ...]

    @classmethod
    def parse(cls, names: Sequence[str]) -> TagScheme:
        """Return the scheme of the names in a configuration."""
        named = [name for name in names if name.lower() not in _OUTSIDE]
        pattern = next((form for form in (_PREFIX, _SUFFIX) if any(map(form.fullmatch, named))), None)
        return cls(tuple(_parse(name, pattern) for name in names))

    @property
    def types(self) -> list[str]:
        """The types, each once."""
        return list(dict.fromkeys(tag.type for tag in self.tags if tag.type is not None))

    def entities(self, indices: Sequence[int]) -> list[tuple[int, int]]:
        """Return the half-open ranges of words that are an entity, from the tag of each word.

        An inside tag that continues nothing begins an entity, as in the evaluation of CoNLL:
        https://www.clips.uantwerpen.be/conll2000/chunking/output.html
        """
        found: list[tuple[int, int]] = []
        before = Tag("", None)
        for place, index in enumerate(indices):
            tag = self.tags[index]
            begins = tag.type != before.type or tag.position in _OPENING or before.position in _CLOSING
            if tag.type is not None:
                start = place if begins else found.pop()[0]
                found.append((start, place + 1))
            before = tag
        return found


def _parse(name: str, pattern: re.Pattern[str] | None) -> Tag:
    if name.lower() in _OUTSIDE:
        return Tag("", None)
    match = pattern.fullmatch(name) if pattern else None
    return Tag(match["position"], match["type"]) if match else Tag("", name)
