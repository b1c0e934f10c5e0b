"""What a sentence embedder says of each label of a text: how similar the text is to words for the label."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from llmkit.chains.calibration import Matrix
from llmkit.chains.classification.contextual_calibration import Prior, blend, neutral_scores
from llmkit.chains.classification.saving import EmbedderPrior, SavedClassifier
from llmkit.chains.classification.scorer import LabelScorer
from llmkit.chains.saving import PROBE, Arrays, take_array, validate_same_embedder
from llmkit.text.content_free import NEUTRAL_TEXTS
from llmkit.text.ranking import unit_rows
from llmkit.text.segmentation import TokenCounter, passages
from llmkit.text.token_estimate import QUARTERS, TokenEstimate

NATS = 1.14
"""What one standard deviation of the cosines of unrelated texts is worth, in nats: with `minilm-l6` that is 12 times
the cosine. Chosen by log-loss and accuracy on AG News, SST-2, TREC and banking77."""
MAX_TOKENS = 250
"""Of the longest passage that is embedded whole: the usual embedder reads 256 tokens and ignores the rest."""


class EmbedderEvidence:
    """The labels' scores by an embedder, with the prior subtracted.

    A text is compared with the mean embedding of two texts for each label: its words, and the sentence that a language
    model would complete with them ("The category of this text is sports."). A text of over `MAX_TOKENS`, or
    more than the embedder reads, is the mean of its passages; so are the words of a label. The tokens are the
    embedder's own, or estimated where it does not show its tokenizer.

    Args:
        embedder: the embedder.
        scorer: the language model's scorer, which has the words of the labels and, with `multi_label`, those of the
            alternatives.
    """

    def __init__(self, embedder: Embeddings, scorer: LabelScorer) -> None:
        self.embedder, self._scorer = embedder, scorer
        self._words = [*scorer.verbalized, *scorer.alternatives]
        self._measured: tuple[Prior, int, float] | None = None

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Return the unit vector of each text, [texts, dimensions]."""
        divided = [self._divide(text) for text in texts]
        vectors = iter(unit_rows(self.embedder.embed_documents([part for parts in divided for part in parts])))
        means = []
        for parts in divided:
            weights = np.array([len(part) for part in parts], dtype=np.float64)
            means.append(weights @ np.stack([next(vectors) for _ in parts]))
        return unit_rows(np.stack(means))

    def scores(self, vectors: Matrix) -> Matrix:
        """Return the score of each label for each embedded text, [texts, labels], in nats."""
        similarities = self._similarities(vectors)
        return self._scorer.label_scores(similarities - self._prior)

    def measure_prior(self, vectors: Matrix, neutral_weight: float) -> None:
        """Measure the prior on embedded texts too."""
        measured = self._similarities(vectors).mean(axis=0)
        self._measured = (measured, len(vectors), neutral_weight)

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return what was measured, to be saved: fields of `SavedClassifier`, and arrays."""
        arrays = {"embedder.probe": self.embed([PROBE])[0]}
        if self._measured is None:
            return {}, arrays
        measured, count, neutral_weight = self._measured
        prior = EmbedderPrior(texts=count, neutral_weight=neutral_weight)
        return {"embedder_prior": prior}, {**arrays, "embedder.prior": measured}

    def restore(self, settings: SavedClassifier, arrays: Arrays) -> None:
        """Take over what was saved; raise `InputError` if it is of another embedder."""
        validate_same_embedder(arrays.get("embedder.probe"), self.embed([PROBE])[0])
        if prior := settings.embedder_prior:
            measured = take_array(arrays, "embedder.prior", len(self._words))
            self._measured = (measured, prior.texts, prior.neutral_weight)

    @cached_property
    def center(self) -> NDArray[np.float64]:
        """The mean embedding of content-free texts, [dimensions]."""
        return np.asarray(self._neutral.mean(axis=0))

    @cached_property
    def _counter(self) -> tuple[TokenCounter, int]:
        """What counts the tokens of a passage, and the most that it may have."""
        from llmkit.models.embedder_window import find_embedder_window

        if window := find_embedder_window(self.embedder):
            return window, min(window.window, MAX_TOKENS)
        return TokenEstimate(), QUARTERS * MAX_TOKENS

    def _divide(self, text: str) -> list[str]:
        counter, most = self._counter
        if counter.get_num_tokens(text) <= most:
            return [text]
        return [part.text for part in passages(text, counter, most) if part.text.strip()]

    @property
    def _prior(self) -> Prior:
        return blend(self._neutral_prior, *self._measured) if self._measured else self._neutral_prior

    @cached_property
    def _neutral(self) -> Matrix:
        return self.embed(NEUTRAL_TEXTS)

    @cached_property
    def _neutral_prior(self) -> Prior:
        return neutral_scores(lambda texts: list(self._similarities(self.embed(texts))), self._scorer.verbalized).prior

    @cached_property
    def _label_vectors(self) -> Matrix:
        """Vectors of the labels' words, scaled so that their products with those of texts are in nats."""
        start = self._scorer.prompt.parts.output_start
        sentences = [f"{start} {words}." for words in self._words] if start else self._words
        mean = unit_rows(self.embed(self._words) + self.embed(sentences))
        cosines = self._neutral @ self._neutral.T
        spread = float(cosines[np.triu_indices(len(cosines), 1)].std())
        return np.asarray(mean * (NATS / spread if spread > 0 else 0.0))

    def _similarities(self, vectors: Matrix) -> Any:
        return vectors @ self._label_vectors.T
