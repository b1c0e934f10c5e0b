"""Labels from two kinds of evidence: the log-likelihoods of a language model and the similarities of an embedder.

Each knows other things: a language model sentiment and the form of a question, an embedder topics and intents. Their
scores are added, the language model's divided by their variance where the text says nothing (see `noise_variance`):
if the scores of the wrong labels scatter normally with this variance, and the score of the right one is one nat higher,
this is its log-likelihood ratio (the matched filter). So a model counts little that cannot tell the labels apart, as a
small one among 77 labels of several tokens each. Similarities need no such division: where the labels are equally far
from a text, they differ little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmkit.chains.base import apply_to_good
from llmkit.chains.calibration import ExamplesReport
from llmkit.chains.classification.embedder import EmbedderEvidence
from llmkit.chains.classification.language_model import LanguageModelEvidence
from llmkit.chains.classification.long_texts import PooledRow

LEAST_VARIANCE = 0.25
"""In squared nats: a model does not count more than four times, however little its scores scatter."""


class JointEvidence:
    """The labels' scores by a language model and an embedder together."""

    def __init__(self, model: LanguageModelEvidence, embedder: EmbedderEvidence) -> None:
        self.model, self.embedder = model, embedder

    @property
    def shows_examples(self) -> bool:
        """Whether the examples go into the prompt."""
        return self.model.shows_examples

    def report(self) -> ExamplesReport | None:
        """Return what was done with the examples; `None` if there are none."""
        return self.model.report()

    def fit(self, examples: Sequence[Mapping[str, Any]]) -> None:
        """Learn from labelled examples, instead of the former ones."""
        self.model.fit(examples)

    def forget_stale(self) -> bool:
        """Return whether the model's weights have changed; then all is measured again at the next use."""
        return self.model.forget_stale()

    def warn_uncalibrated(self) -> None:
        """Log that a calibration was undone, because the weights have changed."""
        self.model.warn_uncalibrated()

    def measure_prior(self, texts: Sequence[str]) -> None:
        """Measure the priors on texts too."""
        self.model.measure_prior(texts)
        self.embedder.measure_prior(self.embedder.embed(texts), self.model.tuning.neutral_weight)

    def try_pooled_scores(self, texts: Sequence[str]) -> list[PooledRow | Exception]:
        """Return the scores of each text, or the error that it failed with."""
        similar = self.embedder.scores(self.embedder.embed(texts))
        rows = self.model.try_pooled_scores(texts)
        numbered = [row if isinstance(row, Exception) else (number, row) for number, row in enumerate(rows)]
        weight = self._model_weight()
        return apply_to_good(
            lambda good: [PooledRow(weight * row.row + similar[number], row.passages, "both") for number, row in good],
            numbered,
        )

    def _model_weight(self) -> float:
        return 1 / max(self.model.noise_variance(), LEAST_VARIANCE)
