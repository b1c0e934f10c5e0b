"""What the words of a candidate and those beside it look like: evidence for any label, in numbers from 0 to 1 or so.

The classic features of named-entity recognition (Nadeau & Sekine 2007, https://doi.org/10.1075/li.30.1.03nad), and the
truecaser's probabilities that a word is part of a name.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import regex

from llmkit.chains.calibration import Matrix
from llmkit.chains.ner.function_words import CONJUNCTIONS, function_words
from llmkit.chains.ner.values import is_value
from llmkit.text.segmentation import Span, sentences

SHAPES = (
    *("one word", "two words", "three words", "more words", "length"),
    *("all have capitals", "none has a capital", "first is lower", "last is lower", "all capitals", "has digit"),
    *("function word first", "function word inside", "conjunction inside", "comma inside", "sign inside", "value"),
    *("least name probability", "mean name probability", "first name probability", "last name probability"),
    *("begins sentence", "ends text", "capital before", "capital after", "lower after"),
    *("opened before", "possessive after", "@ before", "# before"),
    *("function word before", "function word after", "border before", "border after", "between borders"),
    *("name probability before", "name probability after"),
)
"""The columns of `shapes`."""

UNKNOWN = 0.5
"""The probability that a word is part of a name where nothing tells."""

_SENTENCE_SIGNS = (".", "!", "?", ":")
_CELL_END = regex.compile(r"[^\S\n\r\t]*(?:[\n\r\t|]|\Z)")
_QUOTED = regex.compile(r"[\"'“„«].*[\"'”“»]", regex.DOTALL)
_OPENED = regex.compile(r"[\"'(\[“‘«„]\Z")


@dataclass(frozen=True)
class _Words:
    """The words of a text, and what is known of each."""

    text: str
    spans: Sequence[Span]
    probabilities: Mapping[int, float]

    @cached_property
    def texts(self) -> list[str]:
        return [span.of(self.text) for span in self.spans]

    @cached_property
    def is_function_word(self) -> list[bool]:
        return function_words(self.text, self.spans)

    @cached_property
    def sentence_starts(self) -> list[int]:
        return [sentence.start for sentence in sentences(self.text)]

    def has_capital(self, place: int) -> bool:
        return self.text[self.spans[place].start].isupper()

    def probability(self, place: int) -> float:
        return self.probabilities.get(place, UNKNOWN)

    def is_apart(self, place: int) -> bool:
        """Return whether there is a sign between a word and the next."""
        return bool(self.text[self.spans[place].end : self.spans[place + 1].start].strip())

    def begins_sentence(self, place: int, start: int) -> bool:
        if not place:
            return True
        end = self.spans[place - 1].end
        begun = bisect_right(self.sentence_starts, start) > bisect_right(self.sentence_starts, end)
        return begun or self.text[end:start].rstrip()[-1:] in _SENTENCE_SIGNS


def shapes(text: str, words: Sequence[Span], probabilities: Mapping[int, float], candidates: Sequence[Span]) -> Matrix:
    """Return the evidence of `SHAPES` for candidates, [candidates, shapes].

    Args:
        text: the text.
        words: its words.
        probabilities: how likely some of the words, by place, are part of a name.
        candidates: each begins and ends with a word, or with signs around it.
    """
    known = _Words(text, words, probabilities)
    starts, ends = [word.start for word in words], [word.end for word in words]
    rows = []
    for candidate in candidates:
        first = min(bisect_right(ends, candidate.start), len(words) - 1)
        last = max(bisect_left(starts, candidate.end) - 1, first)
        rows.append([*_inside(known, candidate, first, last), *_around(known, candidate, first, last)])
    return np.array(rows, dtype=np.float64).reshape(len(candidates), len(SHAPES))


def _inside(known: _Words, candidate: Span, first: int, last: int) -> list[float]:
    places = range(first, last + 1)
    named, size = candidate.of(known.text), last - first + 1
    is_quoted = _is_quoted(known.text, candidate)  # a whole field, in which a comma divides nothing
    capitals = [known.has_capital(place) for place in places]
    probabilities = [known.probability(place) for place in places]
    functions = known.is_function_word[first : last + 1]
    return [
        *(size == 1, size == 2, size == 3, size > 3, float(np.log(len(named)))),
        *(all(capitals), not any(capitals), not capitals[0], not capitals[-1], named.isupper()),
        any(sign.isdigit() for sign in named),
        *(functions[0], any(functions[1:-1])),
        any(known.texts[place].lower() in CONJUNCTIONS for place in range(first + 1, last)),
        *("," in named and not is_quoted, not is_quoted and any(map(known.is_apart, range(first, last)))),
        is_value(named),
        *(min(probabilities), float(np.mean(probabilities)), probabilities[0], probabilities[-1]),
    ]


def _is_quoted(text: str, candidate: Span) -> bool:
    return bool(_QUOTED.fullmatch(text[max(candidate.start - 1, 0) : candidate.end + 1]))


def _around(known: _Words, candidate: Span, first: int, last: int) -> list[float]:
    text, at_end = known.text, last + 1 >= len(known.spans)
    begins = known.begins_sentence(first, candidate.start)
    before, after = text[candidate.start - 1 : candidate.start], text[candidate.end : candidate.end + 1]
    function_before = not begins and known.is_function_word[first - 1]
    function_after = not at_end and known.is_function_word[last + 1]
    left = begins or function_before or bool(text[known.spans[first - 1].end : candidate.start].strip())
    right = at_end or function_after or bool(text[candidate.end : known.spans[last + 1].start].strip())
    capital_after = not at_end and known.has_capital(last + 1)
    is_field = "," in candidate.of(text) and _is_quoted(text, candidate)  # no words are beside it: "Holm, Maria"
    has_rest = not (begins and _CELL_END.match(text, candidate.end))  # a whole line or cell begins no sentence
    return [
        *(
            begins and has_rest,
            at_end,
            not begins and known.has_capital(first - 1),
            capital_after,
            not at_end and not capital_after,
        ),
        *(not is_field and bool(_OPENED.search(before)), after in ("'", "’"), before == "@", before == "#"),
        *(function_before, function_after, left, right, left and right),
        known.probability(first - 1) if first and not is_field else 0.0,
        0.0 if at_end or is_field else known.probability(last + 1),
    ]
