"""Candidates: every span of a text that may be a name, with what its borders cost.

A name begins and ends with a word that is part of a name, and no such word is beside it. Capitals alone do not tell:
"The" has one too, and so do whole headlines, while "paris" may lack it. So the model's own preference for the capital
form of each word counts (truecasing by a language model, Lita et al. 2003), and how the word is written is evidence
beside that. Words of scripts without capitals, and numbers, are evidence neither for nor against a name.

No name crosses the end of a sentence, a cell or a field, and words beyond these are not beside it. A title alone is no
name. A quoted field such as "Holm, Maria" is one name or none.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import regex

from llmkit.chains.calibration import Matrix
from llmkit.chains.ner.function_words import function_words, names_nothing
from llmkit.chains.ner.inverted_names import divides_name, inverted_names
from llmkit.chains.ner.shapes import shapes
from llmkit.chains.ner.tuning import Capitals, NERTuning
from llmkit.chains.scoring import score_continuations, spans_from
from llmkit.prompts import FittedPrompt
from llmkit.text.abbreviations import FULL_TITLES, is_title
from llmkit.text.fields import ends_name, ends_parameter, number_quoted_fields
from llmkit.text.segmentation import Span, sentences
from llmkit.text.words import Word, words

_POSSESSIVE = regex.compile(r"['’]s?\Z", regex.IGNORECASE)
_NUMBER = regex.compile(r"[\d.,]+")
_LETTER = regex.compile(r"[\p{L}\p{N}]")
_OPENS = regex.compile(r"[^\w\s,;'’\-&]")
_SPACE = regex.compile(r"\s*|\+|%20")
_INITIAL_POINT = regex.compile(r"(?<=\b\p{Lu})\.[ \u00a0]?")
_TITLE_POINT = regex.compile(r"\.?[ \u00a0]?")
_LIST_NUMBERS = regex.compile(r"^[^\S\n]*[(\[]?(?:\d{1,3}[.)\]]+|\p{L}\))[^\S\n]+", regex.MULTILINE)
_KNOWN_WORDS = 50_000
_LONGEST_WORD = 60


@dataclass(frozen=True, slots=True)
class Candidate(Span):
    """A span that may be an entity, and what its first and last word and its neighbors cost it, in nats."""

    border_cost: float = 0.0

    @property
    def span(self) -> Span:
        """Its offsets alone."""
        return Span(self.start, self.end)


@dataclass
class Truecaser:
    """The log-likelihoods of words with and without a capital, after a prompt without a text."""

    llm: Any
    prompt: FittedPrompt
    tuning: NERTuning
    known: dict[str, float] = field(default_factory=dict)

    def unmeasured(self) -> Truecaser:
        """Return a copy that has scored no word yet."""
        return replace(self, known={})

    def score_words(self, found: Iterable[str]) -> None:
        """Score both forms of all words that are not known yet, in one pass; very long words are left out."""
        if len(self.known) > _KNOWN_WORDS:
            self.known.clear()
        forms = (form for word in found if len(word) <= _LONGEST_WORD for form in _forms(word))
        new = list(dict.fromkeys(form for form in forms if form not in self.known))
        if new:
            [row] = score_continuations(self.llm, [self.prompt], [new])
            self.known.update(zip(new, map(float, row), strict=True))

    def name_probability(self, word: str, capitals: Capitals, *, first: bool) -> float:
        """Return the probability that a word, with two known forms, is part of a name.

        `capitals` is as in `NERTuning`; `first` is whether the word begins a sentence.
        """
        lower, upper = _forms(word)
        anywhere, within, missing = capitals
        log_odds = self.known[upper] - self.known[lower]
        log_odds += missing if word == lower else anywhere if first else anywhere + within
        if max(self.known[lower], self.known[upper]) > -self.tuning.common_word:
            return 0.0
        return float(1 / (1 + np.exp(-log_odds)))


def name_words(text: str) -> list[Word]:
    """Return the words of a text, without a possessive "'s"."""
    found = []
    for word in words(text):
        tail = _POSSESSIVE.search(text, word.start, word.end)
        end = tail.start() if tail else word.end
        if _LETTER.search(text, word.start, end):
            found.append(Word(word.start, end, word.size))
    return found


def cased_words(text: str) -> list[str]:
    """Return the words of a text that can be written with and without a capital."""
    found = (word.of(text) for word in name_words(text))
    return [word for word in found if len(set(_forms(word))) == 2]


def find_candidates(text: str, max_words: int, truecaser: Truecaser | None) -> list[Candidate]:
    """Return every span of at most `max_words` words whose borders do not cost too much.

    Without a truecaser, no border costs anything, and titles are candidates too.
    """
    found, split = name_words(text), sentences(text)
    edge, neighbor = _border_costs(text, found, split, truecaser)
    limit = truecaser.tuning.max_border_cost if truecaser else 0.0
    ends = [sentence.end for sentence in split]
    fields, apart = _fields_and_gaps(text, found, ends)
    whole = inverted_names(text, found, max_words)
    titles, of_names = _titles(text, found) if truecaser else ([False] * len(found), [False] * len(found))
    starts = [word.start for word in found]
    texts, functions = [word.of(text) for word in found], function_words(text, found)
    candidates = []
    for first, spans in enumerate(spans_from(text, found, max_words)):
        before = 0.0 if not first or apart[first - 1] else neighbor[first - 1]
        for span in spans:
            last = bisect_left(starts, span.end) - 1
            if fields[first] != fields[last] or bisect_left(ends, span.end) > bisect_right(ends, span.start):
                break  # no name crosses the end of a sentence or a field
            after = 0.0 if last + 1 == len(found) or apart[last] else neighbor[last + 1]
            cost = edge[first] + edge[last] + before + after
            if of_names[last] or all(titles[first : last + 1]) or divides_name(whole, first, last):
                continue
            words = slice(first, last + 1)
            if names_nothing(functions[words], texts[words], proper_names=truecaser is not None):
                continue
            if cost <= limit and span.end - span.start <= max_words * _LONGEST_WORD:
                candidates.append(Candidate(span.start, span.end, cost))
    return candidates


def shape_evidence(text: str, candidates: Sequence[Span], truecaser: Truecaser | None) -> Matrix:
    """Return what the words of candidates and those beside them look like, [candidates, `SHAPES`]."""
    found = name_words(text)
    probabilities = _name_probabilities(text, found, sentences(text), truecaser) if truecaser else {}
    return shapes(text, found, probabilities, candidates)


def _fields_and_gaps(text: str, found: Sequence[Word], ends: Sequence[int]) -> tuple[list[int], list[bool]]:
    """Return the number of each word's sentence or field, and whether each word and the next are not side by side.

    A point belongs to the initial before it, and parts nothing: "J. Doe". Nor does `+`, the space of a query string.
    """
    fields, apart = [0] * bool(found), []
    quoted = number_quoted_fields(text, found)
    items = {match.end() for match in _LIST_NUMBERS.finditer(text)}
    for place, (left, right) in enumerate(pairwise(found)):
        between = text[left.end : right.start]
        ended = bisect_right(ends, right.start) > bisect_left(ends, left.end)
        is_inside = quoted[place] == quoted[place + 1] >= 0
        is_border = ended or (ends_name(between) and not is_inside) or ends_parameter(text, left, right)
        is_border = is_border or (len(items) > 1 and right.start in items)
        fields.append(fields[-1] + is_border)
        is_initial = bool(_INITIAL_POINT.fullmatch(text, left.end, right.start))
        apart.append(is_border or (not _SPACE.fullmatch(between) and not is_initial))
    return fields, apart


def _titles(text: str, found: Sequence[Word]) -> tuple[list[bool], list[bool]]:
    """Return whether each word is a title, and whether it is an abbreviated one of the name after it."""
    titles, of_names = [], []
    for word, following in zip(found, [*found[1:], None], strict=False):
        name = word.of(text)
        before_name = (
            following is not None
            and text[following.start].isupper()
            and bool(_TITLE_POINT.fullmatch(text, word.end, following.start))
        )
        has_point = text[word.end : word.end + 1] == "."
        name = name.capitalize() if name.isupper() and before_name else name  # "DR. HOLM"
        titles.append(is_title(name, abbreviated=before_name or has_point))
        of_names.append(titles[-1] and before_name and name.lower() not in FULL_TITLES)
    return titles, of_names


def _border_costs(
    text: str, found: Sequence[Word], split: Sequence[Span], truecaser: Truecaser | None
) -> tuple[list[float], list[float]]:
    """Return what each word costs a span that begins or ends with it, and one that leaves it out beside it."""
    if truecaser is None:
        return [0.0] * len(found), [0.0] * len(found)
    tuning, probabilities = truecaser.tuning, _name_probabilities(text, found, split, truecaser)
    numbers = [bool(_NUMBER.fullmatch(text, word.start, word.end)) for word in found]
    uncased = [tuning.number_probability if is_number else 1.0 for is_number in numbers]
    edge = [tuning.edge_cost * (1 - probabilities.get(index, default)) for index, default in enumerate(uncased)]
    return edge, [tuning.neighbor_cost * probabilities.get(index, 0.0) for index in range(len(found))]


def _name_probabilities(
    text: str, found: Sequence[Word], split: Sequence[Span], truecaser: Truecaser
) -> Mapping[int, float]:
    """Return the probability that a word is part of a name, by place, for words that can have a capital."""
    cased = {place: word.of(text) for place, word in enumerate(found) if len(set(_forms(word.of(text)))) == 2}
    scored = {place: word for place, word in cased.items() if len(word) <= _LONGEST_WORD}
    truecaser.score_words(scored.values())
    is_upper = [word != word.lower() for word in scored.values()]
    one_case = all(is_upper) or not any(is_upper)  # then capitals tell nothing
    capitals = truecaser.tuning.capitals_in_one_case if one_case else truecaser.tuning.capitals
    starts = [sentence.start for sentence in split]
    probabilities = dict.fromkeys(cased, 0.0)  # a word that is too long to be scored is no name
    for place, word in scored.items():
        first = _begins_sentence(text, found, place, starts)
        probabilities[place] = truecaser.name_probability(word, capitals, first=first)
    return probabilities


def _begins_sentence(text: str, found: Sequence[Word], place: int, starts: Sequence[int]) -> bool:
    """Whether a word begins a sentence, or follows a sign that lets a capital follow.

    If the next word has a capital as well, so that a name begins there ("Ada Lovelace was"), it counts as no beginning.
    """
    if place + 1 < len(found):
        following = found[place + 1].start
        if text[found[place].end : following] == " " and text[following].isupper():
            return False
    if not place:
        return True
    if is_title(found[place - 1].of(text)):
        return False
    between = Span(found[place - 1].end, found[place].start)
    begun = bisect_right(starts, between.end) > bisect_left(starts, between.start)
    return begun or bool(_OPENS.search(between.of(text)))


def _forms(word: str) -> tuple[str, str]:
    """Return a word without capitals, and as a name is written."""
    lower = word.lower()
    return lower, word if word != lower else lower[:1].upper() + lower[1:]
