"""Labels by the heads that classify a text, or a text together with a label.

- Entailment (natural language inference): the text is the premise, the label in a sentence the hypothesis (Yin et al.
  2019, as `pipeline("zero-shot-classification")` of transformers).
- A cross-encoder with one score: how well the label fits the text.
- A classifier of texts with labels of its own: those that are asked for must be among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmkit.models.encoders.forward_passes import EncodedInput, ForwardPasses
from llmkit.models.encoders.heads import Head, contradiction_index, entailment_index, label_names
from llmkit.models.encoders.label_matching import match_labels

Matrix = NDArray[np.float64]
LabelWords = Sequence[tuple[str, str]]
"""Each label and the words for it: its description, or else the label itself."""


@dataclass(frozen=True)
class PairHead:
    """Scores a text together with each label: an entailment classifier, or a cross-encoder with one score."""

    passes: ForwardPasses
    head: Head
    template: str

    is_independent = True
    prefers_labels = False

    @property
    def method(self) -> str:
        """How labels are scored."""
        return "relevance" if self.head is Head.RELEVANCE else "entailment"

    def text_window(self, labels: LabelWords) -> int:
        """Return the most tokens of a text that fit the window together with the longest label."""
        longest = max(len(self.passes.encode_text(self._hypothesis(words)).ids) for _, words in labels)
        return self.passes.window - self.passes.special_tokens(is_pair=True) - longest

    def log_probabilities(self, texts: Sequence[str], labels: LabelWords, *, multi_label: bool) -> Matrix:
        """Return the log-probability of each label: [texts, labels]."""
        pairs = [(text, self._hypothesis(words)) for text in texts for _, words in labels]
        inputs = [EncodedInput.of(encoding) for encoding in self.passes.encode(pairs)]
        logits = np.stack(self.passes.run(inputs, read_logits)).reshape(len(texts), len(labels), -1)
        if self.head is Head.RELEVANCE:
            fits = logits[..., 0]
            return log_sigmoid(fits) if multi_label else log_softmax(fits)
        config = self.passes.loaded.model.config
        entailment = entailment_index(config) or 0
        if not multi_label:
            return log_softmax(logits[..., entailment])
        return log_sigmoid(logits[..., entailment] - logits[..., contradiction_index(config, entailment)])

    def _hypothesis(self, words: str) -> str:
        return self.template.replace("{}", words)


@dataclass(frozen=True)
class ClassifierHead:
    """Classifies texts into the labels of its configuration."""

    passes: ForwardPasses

    method = "classifier"
    is_independent = True
    prefers_labels = False

    def text_window(self, labels: LabelWords) -> int:
        """Return the most tokens of a text that are read at once, or raise `InputError` for a label it lacks."""
        self._columns(labels)
        return self.passes.window - self.passes.special_tokens(is_pair=False)

    def log_probabilities(self, texts: Sequence[str], labels: LabelWords, *, multi_label: bool) -> Matrix:
        """Return the log-probability of each label: [texts, labels].

        Of several of the head's labels that one label stands for, the probabilities are added. Where not all of the
        head's labels are asked for, those that are share the probability; with `multi_label` they do not.
        """
        columns = self._columns(labels)
        inputs = [EncodedInput.of(encoding) for encoding in self.passes.encode(list(texts))]
        logits = np.stack(self.passes.run(inputs, read_logits))
        own = self._own_log_probabilities(logits)
        asked = np.stack([np.logaddexp.reduce(own[:, found], axis=1) for found in columns], axis=1)
        if multi_label:
            return np.asarray(np.minimum(asked, 0.0))
        return log_softmax(asked)

    def _own_log_probabilities(self, logits: Matrix) -> Matrix:
        """Return the log-probabilities of the head's own labels, by its `problem_type`."""
        if self.passes.loaded.model.config.problem_type == "multi_label_classification":
            return log_sigmoid(logits)
        return log_softmax(logits)

    def _columns(self, labels: LabelWords) -> list[list[int]]:
        return match_labels(labels, label_names(self.passes.loaded.model.config))


def read_logits(outputs: Any, row: int, index: int) -> Matrix:
    """Return the logits of one input."""
    return np.asarray(outputs.logits[row].double().cpu().numpy())


def log_softmax(scores: Matrix) -> Matrix:
    """Return log-probabilities that add up to one over the last axis."""
    return np.asarray(scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True))


def log_sigmoid(scores: Matrix) -> Matrix:
    """Return the logarithm of the logistic function."""
    return np.asarray(-np.logaddexp(0.0, -scores))
