"""The candidates of texts of any length, each scored in the passage that shows the most around it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from llmkit.chains.base import apply_to_good, attempt
from llmkit.chains.calibration import Matrix
from llmkit.chains.ner.candidates import Candidate, Truecaser, cased_words, find_candidates
from llmkit.chains.ner.entity_typing import EntityTyper
from llmkit.chains.ner.lists import decide_lists_together, doubtful_cells, join_inverted_names
from llmkit.chains.ner.values import is_value
from llmkit.errors import InputError
from llmkit.prompts import FittedPrompt
from llmkit.text.segmentation import Passage, passages

VALUE_COST = 100.0
"""What a number, a date or an address costs as a name, in nats: its probability is 0 at any temperature."""

Prompts = list[tuple[FittedPrompt, list[Candidate]]]
Plan = tuple[str, Prompts]
"""A text, and the prompts of its passages with the candidates of each."""


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
        self.typer.encode_ahead(texts)
        return apply_to_good(self._score_plans, [attempt(self._plan, text) for text in texts])

    def unmeasured(self) -> SpanScorer:
        """Return a copy whose priors are measured again."""
        return replace(self, typer=replace(self.typer), truecaser=self.truecaser and self.truecaser.unmeasured())

    def _plan(self, text: str) -> Plan:
        candidates = find_candidates(text, self.max_words, self.truecaser)
        if self.typer.of_names.all():
            candidates = [candidate for candidate in candidates if not is_value(candidate.of(text))]
        parts = self._passages(text, candidates)
        shares = assign_to_passages(candidates, parts, len(text))
        return text, [(self.typer.fit(part.text), share) for part, share in zip(parts, shares, strict=True) if share]

    def _score_plans(self, plans: Sequence[Plan]) -> list[ScoredText]:
        prompts = [prompt for _, passages in plans for prompt, _ in passages]
        names = [[span.of(text) for span in candidates] for text, passages in plans for _, candidates in passages]
        scores = iter(self.typer.scores(prompts, names) if prompts else ())
        joined = [self._join(text, passages, [next(scores) for _ in passages]) for text, passages in plans]
        return [self._decide_lists(item) for item in self._rescore_doubtful_cells(joined)]

    def _rescore_doubtful_cells(self, scored: Sequence[ScoredText]) -> list[ScoredText]:
        """Return the scores with those of doubtful cells averaged with what they are without the text around them."""
        least = self.typer.tuning.no_entity_score
        places = [doubtful_cells(item.text, item.candidates, item.scores, least) for item in scored]
        names = [item.candidates[at].of(item.text) for item, row in zip(scored, places, strict=True) for at in row]
        if not names:
            return list(scored)
        alone = iter(self.typer.scores([self.typer.fit(name) for name in names], [[name] for name in names]))
        averaged = []
        for item, row in zip(scored, places, strict=True):
            scores = item.scores.copy()
            for place in row:
                scores[place] = (scores[place] + next(alone)[0] - item.candidates[place].border_cost) / 2
            averaged.append(replace(item, scores=scores))
        return averaged

    def _decide_lists(self, scored: ScoredText) -> ScoredText:
        text, spans = scored.text, scored.candidates
        scores = decide_lists_together(text, spans, scored.scores, self.typer.tuning.no_entity_score)
        if (person := self.typer.person) is not None:
            scores = join_inverted_names(text, spans, scores, person)
        return replace(scored, scores=scores)

    def _passages(self, text: str, candidates: Sequence[Candidate]) -> list[Passage]:
        """Passages that overlap by as many tokens as the longest candidate has."""
        most = min(self.max_tokens, self.typer.max_text_tokens)
        starts = [start for start, _ in self.typer.llm.token_offsets(text)]
        tokens = (bisect_left(starts, span.end) - bisect_left(starts, span.start) for span in candidates)
        return passages(text, self.typer.llm, most, min(max(tokens, default=0) + 4, most // 2))

    def _join(self, text: str, prompts: Prompts, scores: Sequence[Matrix]) -> ScoredText:
        candidates = [candidate for _, share in prompts for candidate in share]
        if not candidates:
            return ScoredText(text, [], np.zeros((0, len(self.typer.phrases))))
        costs = np.array([candidate.border_cost for candidate in candidates])[:, None]
        if self.typer.of_names.any():
            values = np.array([is_value(candidate.of(text)) for candidate in candidates])
            costs = costs + VALUE_COST * (values[:, None] & self.typer.of_names)
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
