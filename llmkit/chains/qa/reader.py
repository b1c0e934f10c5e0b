"""Short answers: all spans of the sentences that matter are weighed, and the best one is the answer.

A span's score is its log-likelihood as the answer to the question, less a share of that as the answer to a question
that asks for nothing (a phrase is likely after a text whatever is asked). For the best spans, how likely the question
is after the answer counts too (the noisy channel, Lewis & Fan 2019; Min et al. 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmkit.chains.scoring import Row, score_continuations, separator, spans_from
from llmkit.chains.tuning import NEUTRAL_QUESTION
from llmkit.errors import ContextWindowExceeded, InputError
from llmkit.prompts import FittedPrompt, TaskPrompt
from llmkit.retrieval import Hit
from llmkit.text.segmentation import Span
from llmkit.text.words import terms, words

PRIOR = 0.5
"""The share of the neutral likelihood that is taken off."""
CHANNEL = 0.3
"""The weight of the question's likelihood."""
RANK = 1.0
"""Nats that a sentence loses to the one before it in the ranking."""
REPEATED = 4.0
"""Nats that a span loses whose words all stand in the question: it seldom answers it."""
STARTS = 12
"""Spans are tried from the words that begin an answer best: so many by likelihood, so many with the prior off."""
CHANNEL_AMONG = 8
MARGIN = 8
"""Tokens that are kept free, as a span alone may have other tokens than inside its sentence."""


@dataclass(frozen=True)
class Reading:
    """A question with the sentences that may answer it, the best first, and its prompts."""

    question: str
    hits: list[Hit]
    asked: FittedPrompt
    neutral: FittedPrompt
    reverse: FittedPrompt

    @property
    def shown(self) -> str:
        """The sentences in the order of the source."""
        return in_order(self.hits)

    @property
    def starts(self) -> list[tuple[Hit, Span]]:
        """The words at which an answer may begin."""
        return [(hit, word) for hit in self.hits for word in words(hit.text)]


@dataclass(frozen=True)
class Finding:
    """A span of a sentence; `span` is its place in the document."""

    hit: Hit
    span: Span
    text: str
    score: float


@dataclass(frozen=True)
class Reader:
    """Finds answers in sentences.

    Attributes:
        llm: tells likelihoods.
        prompt: asks for an answer; has the field `question`.
        reverse: asks for the question that an answer belongs to.
        room: tokens that are kept for an answer at least.
    """

    llm: Any
    prompt: TaskPrompt
    reverse: TaskPrompt
    max_words: int
    context_window: int | None = None
    room: int = 0

    def check(self, question: str) -> None:
        """Raise `ContextWindowExceeded` for a question that leaves no room for a text."""
        try:
            self._reading(question, [Hit(0, 1, 0, "x")])
        except ContextWindowExceeded as error:
            what = "the question and the room for its answer"
            raise ContextWindowExceeded(error.needed, error.available, what) from error

    def reading(self, question: str, hits: Sequence[Hit]) -> Reading:
        """Lay out as many of the sentences as fit.

        Raises:
            ContextWindowExceeded: the question and a sentence do not fit.
        """
        for count in range(len(hits), 0, -1):
            try:
                return self._reading(question, list(hits[:count]))
            except ContextWindowExceeded:
                if count == 1:
                    raise
        raise InputError("there is no text to answer from")

    def _reading(self, question: str, hits: list[Hit]) -> Reading:
        shown = in_order(hits)
        room = max(self.room, *(self.llm.get_num_tokens(hit.text) for hit in hits)) + MARGIN
        asked, neutral = (self._fit(self.prompt, shown, room, question=each) for each in (question, NEUTRAL_QUESTION))
        beyond = room + self.llm.get_num_tokens(_asking(question)) + MARGIN
        return Reading(question, hits, asked, neutral, self._fit(self.reverse, shown, beyond))

    def alone(self, question: str, hit: Hit, answer: str) -> FittedPrompt:
        """Ask one sentence alone, with room for an answer of any length."""
        return self._fit(self.prompt, hit.text, self.llm.get_num_tokens(answer) + MARGIN, question=question)

    def _fit(self, prompt: TaskPrompt, text: str, room: int, **fields: str) -> FittedPrompt:
        layout: Any = "flan" if getattr(self.llm, "layout", None) == "flan" else None
        return prompt.fit(
            text, model=self.llm, max_new_tokens=room, context_window=self.context_window, layout=layout, **fields
        )

    def read(self, readings: Sequence[Reading]) -> list[Finding | None]:
        """Give the best span for each question; none where there are no words."""
        starts = self._shortlists(readings)
        spans = [_spans(each, self.max_words) for each in starts]
        texts = [[text for *_, text in each] for each in spans]
        likely, usual = self._both(readings, texts, include_eos=True)
        scores = [
            one - PRIOR * two - _handicap(each, own)
            for one, two, each, own in zip(likely, usual, readings, spans, strict=True)
        ]
        best = [_best(row, each) for row, each in zip(scores, texts, strict=True)]
        named = [[each[place] for place in places] for places, each in zip(best, texts, strict=True)]
        found: list[Finding | None] = []
        for places, own, row, back in zip(best, spans, scores, self._channel(readings, named), strict=True):
            if not places:
                found.append(None)
                continue
            totals = row[places] + CHANNEL * back
            chosen = int(np.argmax(totals))
            found.append(Finding(*own[places[chosen]], score=float(totals[chosen])))
        return found

    def _both(
        self, readings: Sequence[Reading], texts: Sequence[Sequence[str]], *, include_eos: bool
    ) -> tuple[list[Row], list[Row]]:
        """The likelihoods after the question and after the neutral one."""
        prompts = [*(each.asked for each in readings), *(each.neutral for each in readings)]
        rows = score_continuations(
            self.llm, prompts, [*texts, *texts], prefix=separator(self.prompt), include_eos=include_eos
        )
        return rows[: len(readings)], rows[len(readings) :]

    def _shortlists(self, readings: Sequence[Reading]) -> list[list[tuple[Hit, Span]]]:
        """The words at which the best spans are likely to begin."""
        starts = [each.starts for each in readings]
        likely, usual = self._both(
            readings, [[word.of(hit.text) for hit, word in each] for each in starts], include_eos=False
        )
        kept = []
        for each, one, two in zip(starts, likely, usual, strict=True):
            places = {*np.argsort(-one, kind="stable")[:STARTS], *np.argsort(PRIOR * two - one, kind="stable")[:STARTS]}
            kept.append([each[place] for place in sorted(map(int, places))])
        return kept

    def _channel(self, readings: Sequence[Reading], answers: Sequence[Sequence[str]]) -> list[Row]:
        """The log-likelihood of each question after each of its answers."""
        told = [
            [*(f"{text}{_asking('')}" for text in texts), *(f"{text}{_asking(each.question)}" for text in texts)]
            for each, texts in zip(readings, answers, strict=True)
        ]
        rows = score_continuations(self.llm, [each.reverse for each in readings], told)
        return [row[len(row) // 2 :] - row[: len(row) // 2] for row in rows]


def in_order(hits: Sequence[Hit]) -> str:
    """Give sentences in the order of the source."""
    return " ".join(hit.text for hit in sorted(hits, key=lambda hit: (hit.document, hit.start)))


def _asking(question: str) -> str:
    return f"\nQuestion: {question}".rstrip()


def _spans(starts: Sequence[tuple[Hit, Span]], max_words: int) -> list[tuple[Hit, Span, str]]:
    """The spans that begin at these words, with their places in the document."""
    wanted = {(hit, word.start) for hit, word in starts}
    found = []
    for hit in dict.fromkeys(hit for hit, _ in starts):
        for spans in spans_from(hit.text, words(hit.text), max_words):
            for span in spans:
                if (hit, span.start) in wanted:
                    found.append((hit, Span(hit.start + span.start, hit.start + span.end), span.of(hit.text)))
    return found


def _handicap(reading: Reading, spans: Sequence[tuple[Hit, Span, str]]) -> Row:
    """What each span loses for its sentence's rank, and for saying no more than the question."""
    asked = set(terms(reading.question))
    return np.array([RANK * reading.hits.index(hit) + REPEATED * (set(terms(text)) <= asked) for hit, _, text in spans])


def _best(scores: Row, texts: Sequence[str]) -> list[int]:
    """The best places, none of which says the same as another."""
    kept: dict[str, int] = {}
    for place in map(int, np.argsort(-scores, kind="stable")):
        kept.setdefault(texts[place].casefold(), place)
        if len(kept) == CHANNEL_AMONG:
            break
    return list(kept.values())
