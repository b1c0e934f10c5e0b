"""A scorer of labels with what is subtracted from its scores, and what they are scaled with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from llmkit.chains.base import apply_to_good
from llmkit.chains.calibration import Matrix
from llmkit.chains.classification.contextual_calibration import (
    NeutralScores,
    Prior,
    blend,
    neutral_scores,
    noise_variance,
)
from llmkit.chains.classification.encoder_scorer import Scorer
from llmkit.chains.classification.mixture import Mixture
from llmkit.chains.scoring import Row


@dataclass(frozen=True)
class CalibratedScorer:
    """A scorer and the prior of its continuations, of which a share is subtracted from its scores.

    Attributes:
        neutral: the scores of content-free texts.
        mixture: a temperature and biases for the scores that are left.
    """

    scorer: Scorer
    prior: Prior
    share: float = 1.0
    neutral: NeutralScores | None = None
    mixture: Mixture | None = None

    def try_scores(self, texts: Sequence[str]) -> list[Row | Exception]:
        """Return the calibrated label scores of each text, or the error that it failed with."""
        return apply_to_good(lambda rows: list(self._calibrated(np.stack(rows))), self.scorer.try_scores(texts))

    def _calibrated(self, raw: Matrix) -> Matrix:
        scores = self.scorer.label_scores(raw - self.share * self.prior)
        return self.mixture.scores(scores) if self.mixture else scores

    def noise_variance(self) -> float:
        """Return how much the calibrated scores vary where the text says nothing; measured here if it was not yet."""
        neutral = self.neutral or neutral_scores(
            self.scorer.try_scores, self.scorer.verbalized, self.scorer.max_prior_scores
        )
        scores = self.scorer.label_scores(neutral.scores - neutral.prior)
        return noise_variance(scores, neutral.counts)

    def refit(self, texts: Sequence[str], neutral_weight: float) -> CalibratedScorer:
        """Return the scorer with its prior measured on texts too."""
        measured = self.scorer.scores(texts).mean(axis=0)
        mixture = self.mixture and replace(self.mixture, bias=np.zeros_like(self.mixture.bias))  # the prior's part now
        return replace(self, prior=blend(self.prior, measured, len(texts), neutral_weight), share=1.0, mixture=mixture)
