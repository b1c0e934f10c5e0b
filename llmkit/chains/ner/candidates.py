"""Which spans of a text may be names: all of them, each with what its borders say against it.

A name begins and ends with a name-like word, and no name-like word stands beside it. Capitals alone do not tell: "The"
has one too, and so do whole headlines, while "paris" may lack it. So the model says how it would rather write each
word (truecasing by a language model, Lita et al. 2003), and what is written is evidence beside that. Words of scripts
without capitals, and numbers, are neither for nor against.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import regex

from llmkit.chains.scoring import score_continuations, spans_from
from llmkit.prompts import FittedPrompt
from llmkit.text.segmentation import Span, sentences
from llmkit.text.words import Word, words

WRITTEN = (1.0, 3.0, -4.0)
"""What a capital is worth, in nats: anywhere, so much more within a sentence, and what its lack is worth."""

COMMON = 5.0
"""A word that the model expects with less surprise than this, in nats, is no name: "I" has a capital, but is none."""

INSIDE, BESIDE = 2.5, 2.5
"""What it costs a span, in nats, to begin or end with a word that is surely no part of a name; to leave one out that
surely is."""

NUMBER = 0.5
"""How likely a number is part of a name: "Apollo 11" is one, "2011" is none."""

HOPELESS = 4.0
"""A span whose borders cost more is not looked at."""

_POSSESSIVE = regex.compile(r"['’]s?\Z", regex.IGNORECASE)
_NUMBER = regex.compile(r"[\d.,]+")
_LETTER = regex.compile(r"[\p{L}\p{N}]")
_OPENS = regex.compile(r"[^\w\s,;'’\-&]")
_KNOWN_WORDS = 50_000
_LONGEST_WORD = 60


@dataclass(frozen=True, slots=True)
class Mention(Span):
    """A span that may be an entity.

    Attributes:
        doubt: what its borders cost it, in nats.
    """

    doubt: float = 0.0

    @property
    def span(self) -> Span:
        """Its place alone."""
        return Span(self.start, self.end)


@dataclass
class Truecaser:
    """Knows how likely a model finds words, with a capital and without, where it has read nothing."""

    llm: Any
    prompt: FittedPrompt
    known: dict[str, float] = field(default_factory=dict)

    def learn(self, found: Iterable[str]) -> None:
        """Ask the model, in one pass, for all words that are not known yet."""
        if len(self.known) > _KNOWN_WORDS:
            self.known.clear()
        new = list(dict.fromkeys(form for word in found for form in _forms(word) if form not in self.known))
        if new:
            [row] = score_continuations(self.llm, [self.prompt], [new])
            self.known.update(zip(new, map(float, row), strict=True))

    def likeness(self, word: str, written: Sequence[float], *, first: bool) -> float:
        """Give the probability that a word, which has a capital or could have one, is part of a name.

        `written` says what the way it is written is worth, as `WRITTEN`; `first`, whether it begins a sentence.
        """
        lower, upper = _forms(word)
        anywhere, within, lack = written
        odds = self.known[upper] - self.known[lower]
        odds += lack if word == lower else anywhere if first else anywhere + within
        return 0.0 if max(self.known[lower], self.known[upper]) > -COMMON else float(1 / (1 + np.exp(-odds)))


def name_words(text: str) -> list[Word]:
    """Give the words of a text, a possessive "'s" taken off."""
    found = []
    for word in words(text):
        tail = _POSSESSIVE.search(text, word.start, word.end)
        end = tail.start() if tail else word.end
        if _LETTER.search(text, word.start, end):
            found.append(Word(word.start, end, word.size))
    return found


def mentions(text: str, most: int, truecaser: Truecaser | None) -> list[Mention]:
    """Give every span of at most `most` words, but for those whose borders speak too much against them.

    Without a truecaser, nothing speaks against any.
    """
    found = name_words(text)
    likeness = _likeness(text, found, truecaser) if truecaser else {}
    inside = [NUMBER if truecaser and _NUMBER.fullmatch(text, word.start, word.end) else 1.0 for word in found]
    beside = {at: BESIDE * likely for at, likely in likeness.items()}
    parted = [bool(text[left.end : right.start].strip()) for left, right in pairwise(found)]
    starts = [word.start for word in found]
    ends = [span.end for span in sentences(text)]
    kept = []
    for first, spans in enumerate(spans_from(text, found, most)):
        before = 0.0 if not first or parted[first - 1] else beside.get(first - 1, 0.0)
        for span in spans:
            if bisect_left(ends, span.end) > bisect_right(ends, span.start):
                break  # no name goes over the end of a sentence
            last = bisect_left(starts, span.end) - 1
            after = 0.0 if last + 1 == len(found) or parted[last] else beside.get(last + 1, 0.0)
            within = sum(1 - likeness.get(at, inside[at]) for at in (first, last))
            doubt = INSIDE * within + before + after
            if doubt <= HOPELESS and span.end - span.start <= most * _LONGEST_WORD:
                kept.append(Mention(span.start, span.end, doubt))
    return kept


def _likeness(text: str, found: Sequence[Word], truecaser: Truecaser) -> Mapping[int, float]:
    """Give the name-likeness of each word that can have a capital, by its place."""
    cased = {at: word.of(text) for at, word in enumerate(found) if len(set(_forms(word.of(text)))) == 2}
    told = {at: word for at, word in cased.items() if len(word) <= _LONGEST_WORD}
    truecaser.learn(told.values())
    capitals = [word != word.lower() for word in told.values()]
    written = (0.0, 0.0, -1.0) if all(capitals) or not any(capitals) else WRITTEN  # one case tells nothing of a word
    starts = [span.start for span in sentences(text)]
    likeness = dict.fromkeys(cased, 0.0)  # what is too long to ask for is no name
    for at, word in told.items():
        likeness[at] = truecaser.likeness(word, written, first=_begins(text, found, at, starts))
    return likeness


def _begins(text: str, found: Sequence[Word], at: int, starts: Sequence[int]) -> bool:
    """Whether a word begins a sentence, or stands behind a sign that lets a capital follow.

    If the next word has a capital as well, so that a name begins there ("Ada Lovelace was"), it counts as no beginning.
    """
    if at + 1 < len(found) and text[found[at].end : found[at + 1].start] == " " and text[found[at + 1].start].isupper():
        return False
    if not at:
        return True
    between = Span(found[at - 1].end, found[at].start)
    begun = bisect_right(starts, between.end) > bisect_left(starts, between.start)
    return begun or bool(_OPENS.search(between.of(text)))


def _forms(word: str) -> tuple[str, str]:
    """Give a word without capitals, and as a name would be written."""
    lower = word.lower()
    return lower, word if word != lower else lower[:1].upper() + lower[1:]
