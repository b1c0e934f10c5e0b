"""The candidates of texts of any length, each scored in the passage that shows the most around it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from llmkit.chains.base import apply_to_good, attempt
from llmkit.chains.calibration import Matrix
from llmkit.chains.ner.candidates import Candidate, Truecaser, cased_words, find_candidates, shape_evidence
from llmkit.chains.ner.conjoined_names import weigh_conjoined_names
from llmkit.chains.ner.entity_typing import EntityTyper
from llmkit.chains.ner.evidence import READINGS, EvidenceWeights, decoys
from llmkit.chains.ner.lists import decide_lists_together, doubtful_cells, join_inverted_names
from llmkit.chains.ner.mentions import mentions
from llmkit.chains.ner.shapes import SHAPES
from llmkit.chains.ner.values import is_calendar_word, is_numbered_name, is_value
from llmkit.chains.scoring import Row
from llmkit.errors import InputError
from llmkit.prompts import FittedPrompt
from llmkit.text.segmentation import Passage, passages

IMPOSSIBLE = 100.0
"""What a number, a date or an address costs as a name, in nats: its probability is 0 at any temperature."""
PROBE_TEXT, PROBE_NAMES = "Ada Lovelace lived in London until it was cold.", ("Ada Lovelace", "London", "cold")
"""A text and words of it whose scores are saved with a chain, to recognize the model."""

Prompts = list[tuple[FittedPrompt, list[Candidate]]]
Plan = tuple[str, Prompts]
"""A text, and the prompts of its passages with the candidates of each."""


@dataclass(frozen=True)
class ScoredText:
    """The candidates of a text.

    Attributes:
        scores: the log-odds of each label against "no entity", [candidates, labels].
        evidence: what `EVIDENCE` names, [candidates, evidence]; a model that classifies tokens has none.
    """

    text: str
    candidates: Sequence[Candidate]
    scores: Matrix
    evidence: Matrix = field(default_factory=lambda: np.zeros((0, 0)))


@dataclass(frozen=True)
class _Reading:
    """The candidates of a text with their scores, [candidates, labels, readings and 1]: see `EntityTyper.scores`."""

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

    method: ClassVar[Literal["likelihood"]] = "likelihood"

    def score(self, texts: Sequence[str]) -> list[ScoredText | Exception]:
        """Score all texts together; a text that cannot be scored has its error."""
        if self.truecaser:
            with suppress(InputError):  # the text that it comes from fails by itself below
                self.truecaser.score_words(word for text in texts for word in cased_words(text))
        self.typer.encode_ahead(texts)
        return apply_to_good(self._score_plans, [attempt(self._plan, text) for text in texts])

    def probe(self) -> Row:
        """Return scores by which the model and the prompt are recognized, [names times labels], in nats."""
        [scores] = self.typer.scores([self.typer.fit(PROBE_TEXT)], [PROBE_NAMES])
        return scores[:, : len(self.typer.phrases)].ravel()

    def unmeasured(self) -> SpanScorer:
        """Return a copy whose priors are measured again."""
        return replace(self, typer=replace(self.typer), truecaser=self.truecaser and self.truecaser.unmeasured())

    def weights_for(self, text: str) -> EvidenceWeights:
        """Return what the scores and the evidence count in a text: of names, or of labels of any kind."""
        tuning = self.typer.tuning
        if not self.truecaser or not self.typer.of_names.all():
            return tuning.any_labels
        return tuning.names if text.lower() != text.upper() else tuning.names_without_case

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
        weighed = [self._weigh(reading) for reading in joined]
        return [self._decide_lists(item) for item in self._rescore_doubtful_cells(joined, weighed)]

    def _join(self, text: str, prompts: Prompts, scores: Sequence[Matrix]) -> _Reading:
        candidates = [candidate for _, share in prompts for candidate in share]
        columns = len(self.typer.phrases) + len(READINGS) + 1
        return _Reading(text, candidates, np.concatenate([np.zeros((0, columns)), *scores]))

    def _weigh(self, reading: _Reading) -> ScoredText:
        """Return the candidates with their log-odds: those that name nothing of a label have none as it."""
        text, candidates = reading.text, reading.candidates
        scores, readings = np.split(reading.scores[:, :-1], [len(self.typer.phrases)], axis=1)
        costs = np.array([candidate.border_cost for candidate in candidates]).reshape(-1, 1)
        looks, quoted = shape_evidence(text, candidates, self.truecaser), mentions(candidates, reading.scores[:, -1])
        evidence = np.concatenate([costs, looks, readings, quoted], axis=1)
        weights = self.weights_for(text)
        log_odds = weights.log_odds(scores, evidence, decoys(self.typer.phrases), self.typer.usual)
        begins = looks[:, SHAPES.index("begins sentence")] > 0
        log_odds -= IMPOSSIBLE * self._impossible([candidate.of(text) for candidate in candidates], begins)
        return ScoredText(text, candidates, log_odds, evidence)

    def _impossible(self, names: Sequence[str], begins: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return what each candidate cannot be, [candidates, labels]; `begins` is whether it begins a sentence."""
        of_names, of_amounts = self.typer.of_names, self.typer.of_amounts
        not_people = of_names & (np.arange(len(of_names)) != (-1 if self.typer.person is None else self.typer.person))
        values, days, numbered = (
            np.array([test(name) for name in names], dtype=bool)[:, None]
            for test in (is_value, is_calendar_word, is_numbered_name)
        )
        numbered &= ~begins[:, None]  # "Nearly 500" has a capital there as well
        return np.asarray((values & of_names) | (days & not_people) | (numbered & of_amounts))

    def _rescore_doubtful_cells(
        self, readings: Sequence[_Reading], weighed: Sequence[ScoredText]
    ) -> Sequence[ScoredText]:
        """Return the texts with the scores of doubtful cells averaged with those without the text around them."""
        places = [doubtful_cells(item.text, item.candidates, item.scores, 0.0) for item in weighed]
        names = [item.candidates[at].of(item.text) for item, row in zip(weighed, places, strict=True) for at in row]
        if not names:
            return weighed
        alone = iter(self.typer.scores([self.typer.fit(name) for name in names], [[name] for name in names]))
        rescored = []
        for reading, item, row in zip(readings, weighed, places, strict=True):
            scores = reading.scores.copy()
            for place in row:
                scores[place, :-1] = (scores[place, :-1] + next(alone)[0, :-1]) / 2
            again = self._weigh(replace(reading, scores=scores)) if row else item
            mixed = item.scores.copy()
            mixed[row] = again.scores[row]
            rescored.append(replace(item, scores=mixed))
        return rescored

    def _decide_lists(self, scored: ScoredText) -> ScoredText:
        text, spans = scored.text, scored.candidates
        scores = decide_lists_together(text, spans, scored.scores, 0.0)
        if self.typer.of_names.all():
            scores = weigh_conjoined_names(text, spans, scores)
        if (person := self.typer.person) is not None:
            scores = join_inverted_names(text, spans, scores, person)
        return replace(scored, scores=scores)

    def _passages(self, text: str, candidates: Sequence[Candidate]) -> list[Passage]:
        """Passages that overlap by as many tokens as the longest candidate has."""
        most = min(self.max_tokens, self.typer.max_text_tokens)
        starts = [start for start, _ in self.typer.llm.token_offsets(text)]
        tokens = (bisect_left(starts, span.end) - bisect_left(starts, span.start) for span in candidates)
        return passages(text, self.typer.llm, most, min(max(tokens, default=0) + 4, most // 2))


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
