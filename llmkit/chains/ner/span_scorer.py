"""The candidates of texts of any length, each scored in the passage that shows the most around it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from llmkit.chains.calibration import Matrix
from llmkit.chains.ner.candidates import Candidate, Truecaser, cased_words, find_candidates
from llmkit.chains.ner.entity_typing import EntityTyper
from llmkit.errors import InputError
from llmkit.prompts import FittedPrompt
from llmkit.text.segmentation import Passage, passages

Prompts = list[tuple[FittedPrompt, list[Candidate]]]


@dataclass(frozen=True)
class ScoredText:
    """The candidates of a text and the score of each label, less the border cost, in nats: [candidates, labels]."""

    text: str
    candidates: Sequence[Candidate]
    scores: Matrix


@dataclass(frozen=True)
class SpanScorer:
    """Scores candidates of at most `max_words` words, in passages of at most `max_tokens` tokens."""

    typer: EntityTyper
    truecaser: Truecaser | None
    max_words: int
    max_tokens: int

    def score(self, texts: Sequence[str]) -> list[ScoredText | Exception]:
        """Score all texts together; a text that cannot be scored has its error."""
        if self.truecaser:
            with suppress(InputError):  # the text that it comes from fails by itself below
                self.truecaser.score_words(word for text in texts for word in cased_words(text))
        plans = [self._try_plan(text) for text in texts]
        prompts, names = [], []
        for text, plan in zip(texts, plans, strict=True):
            if isinstance(plan, list):
                prompts += [prompt for prompt, _ in plan]
                names += [[candidate.of(text) for candidate in candidates] for _, candidates in plan]
        scores = iter(self.typer.scores(prompts, names) if prompts else ())
        return [
            self._join(text, plan, [next(scores) for _ in plan]) if isinstance(plan, list) else plan
            for text, plan in zip(texts, plans, strict=True)
        ]

    def _try_plan(self, text: str) -> Prompts | InputError:
        """Return the prompts of a text's passages, each with its candidates."""
        try:
            candidates = find_candidates(text, self.max_words, self.truecaser)
            parts = self._passages(text, candidates)
            shares = assign_to_passages(candidates, parts, len(text))
            return [(self.typer.fit(part.text), share) for part, share in zip(parts, shares, strict=True) if share]
        except InputError as error:
            return error

    def _passages(self, text: str, candidates: Sequence[Candidate]) -> list[Passage]:
        """Passages that overlap by as many tokens as the longest candidate has."""
        most = min(self.max_tokens, self.typer.max_text_tokens)
        starts = [start for start, _ in self.typer.llm.token_offsets(text)]
        tokens = (bisect_left(starts, span.end) - bisect_left(starts, span.start) for span in candidates)
        return passages(text, self.typer.llm, most, min(max(tokens, default=0) + 4, most // 2))

    def _join(self, text: str, plan: Prompts, scores: Sequence[Matrix]) -> ScoredText:
        candidates = [candidate for _, share in plan for candidate in share]
        if not candidates:
            return ScoredText(text, [], np.zeros((0, len(self.typer.phrases))))
        costs = np.array([candidate.border_cost for candidate in candidates])[:, None]
        return ScoredText(text, candidates, np.concatenate(scores) - costs)


def assign_to_passages(candidates: Sequence[Candidate], parts: Sequence[Passage], length: int) -> list[list[Candidate]]:
    """Return, for overlapping passages in order, the candidates that each shows with the most text around them.

    Those that are in no passage are left out; `length` is that of the text, in characters.
    """
    shares: list[list[Candidate]] = [[] for _ in parts]
    starts, ends = [part.start for part in parts], [part.end for part in parts]

    def context(candidate: Candidate, place: int) -> int:
        part = parts[place]
        before = candidate.start - part.start if part.start else length
        return min(before, part.end - candidate.end if part.end < length else length)

    for candidate in candidates:
        if places := range(bisect_left(ends, candidate.end), bisect_right(starts, candidate.start)):
            shares[max(places, key=lambda place: context(candidate, place))].append(candidate)
    return shares
