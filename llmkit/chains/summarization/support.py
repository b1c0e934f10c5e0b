"""How far a source supports each sentence of its summary, and which sentences nothing supports.

Two signs are joined by a logistic regression: how many of a sentence's content words the source has, and, where these
alone leave it open, how much likelier the model finds the sentence with the source before it than without (pointwise
mutual information, as in van der Poel et al. 2022, https://arxiv.org/abs/2210.13210). It was fitted on sentences of
reference summaries beside their own source and another one, so a support is the probability that the sentence is of
this source. It does not tell who said what, or whether "not" was left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmkit.chains.scoring import score_continuations, scoring_model, separator
from llmkit.chains.summarization.results import Summary, SummarySentence, without_sentences
from llmkit.chains.summarization.strategies import Evidence, Outcome
from llmkit.chains.summarization.tuning import SummarizationTuning
from llmkit.errors import ContextWindowExceeded
from llmkit.prompts import FittedPrompt, TaskPrompt
from llmkit.text.segmentation import sentences
from llmkit.text.word_forms import content_words, recognize_language, stems
from llmkit.text.words import terms

NO_SOURCE = "…"
"""What the model reads in place of the source, to find how likely a sentence is without it."""
SURE = 0.8
"""A sentence whose words alone give it such a support is not scored by the model: that costs a fifth of the time."""
UNSUPPORTED = "no sentence of the summary has enough support in the text"


@dataclass(frozen=True)
class _Checked:
    """A sentence, the part of the source that has most of its words, and the share of them that this part has."""

    text: str
    evidence: Evidence
    source_words: float


@dataclass(frozen=True)
class SupportCheck:
    """Checks the sentences of summaries.

    Attributes:
        prompt: asks for a summary of a part of the source.
        min_support: sentences with less are left out, unless none has as much.
        context_window: as for the chain.
    """

    llm: Any
    prompt: TaskPrompt
    tuning: SummarizationTuning
    min_support: float
    context_window: int | None = None

    def apply(self, summaries: Sequence[Summary], outcomes: Sequence[Outcome]) -> list[Summary]:
        """Return the summaries with the support of each sentence, without those that have too little of it."""
        found = [list(_with_words(*pair)) for pair in zip(summaries, outcomes, strict=True)]
        ratios = self._log_ratios([one for group in found for one in group if self._support(one, None) < SURE])
        checked = [[self._sentence(one, ratios.get((one.text, one.evidence.text))) for one in group] for group in found]
        return [self._leave_out(*pair) for pair in zip(summaries, checked, strict=True)]

    def _sentence(self, checked: _Checked, log_ratio: float | None) -> SummarySentence:
        support = self._support(checked, log_ratio)
        return SummarySentence(
            text=checked.text, support=support, source_words=checked.source_words, log_ratio=log_ratio
        )

    def _support(self, checked: _Checked, log_ratio: float | None) -> float:
        weights = self.tuning.support if log_ratio is not None else self.tuning.support_by_words
        logit = weights.intercept + weights.source_words * checked.source_words + weights.log_ratio * (log_ratio or 0)
        return float(1 / (1 + np.exp(-logit)))

    def _leave_out(self, summary: Summary, found: Sequence[SummarySentence]) -> Summary:
        kept = [one for one in found if one.support >= self.min_support]
        notices = summary.notices
        if found and not kept:
            kept = [max(found, key=lambda one: one.support)]
            notices = (*notices, UNSUPPORTED)
        left_out = tuple(one for one in found if one not in kept)
        text = without_sentences(summary.text, left_out)
        changes = {"text": text, "sentences": tuple(kept), "left_out": left_out, "notices": notices}
        return summary.model_copy(update=changes)

    def _log_ratios(self, checked: Sequence[_Checked]) -> Mapping[tuple[str, str], float]:
        """Return how much likelier each sentence is after its source than without, in nats a token.

        Empty for a model that returns no log-likelihoods, or whose tuning makes no use of them.
        """
        scorer = scoring_model(self.llm) if self.tuning.support.log_ratio and checked else None
        if scorer is None:
            return {}
        prompts: dict[str, FittedPrompt] = {one.evidence.text: one.evidence.prompt for one in checked}
        texts = {source: [one.text for one in checked if one.evidence.text == source] for source in prompts}
        prefix = separator(self.prompt)
        try:
            nothing = self.prompt.fit(NO_SOURCE, model=self.llm, context_window=self.context_window, max_new_tokens=0)
            with_source = score_continuations(scorer, list(prompts.values()), list(texts.values()), prefix=prefix)
            every = [text for group in texts.values() for text in group]
            [without] = score_continuations(scorer, [nothing], [every], prefix=prefix)
        except ContextWindowExceeded:  # a sentence may have a token more than when it was generated
            return {}
        tokens = np.array([scorer.get_num_tokens(prefix + text) for text in every])
        values = (np.concatenate(with_source) - without) / tokens
        keys = [(text, source) for source, group in texts.items() for text in group]
        return {key: float(value) for key, value in zip(keys, values, strict=True)}


def _with_words(summary: Summary, outcome: Outcome) -> Iterator[_Checked]:
    """Yield each sentence of a summary with the part of the source that has most of its content words."""
    if summary.strategy == "source" or not outcome.evidence:
        return
    language = recognize_language(terms(outcome.evidence[0].text))
    parts = [frozenset(stems(terms(evidence.text), language)) for evidence in outcome.evidence]
    for span in sentences(summary.text):
        text = span.of(summary.text)
        words = stems(content_words(terms(text), language), language)
        shares = [sum(word in part for word in words) / len(words) if words else 1.0 for part in parts]
        best = int(np.argmax(shares))
        yield _Checked(text, outcome.evidence[best], shares[best])
