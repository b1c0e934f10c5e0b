"""What labelled texts teach: weights of the evidence for each label, added to the zero-shot log-odds.

A multinomial logistic regression over the analyses of a text (see `lattice`), whose weights are near zero by a normal
prior, so that few texts leave the zero-shot log-odds nearly as they are. How near is set by cross-validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmkit.chains.calibration import Matrix
from llmkit.chains.ner.lattice import Floats, SpanLattice
from llmkit.text.segmentation import Span

PENALTIES = (1000.0, 300.0, 100.0, 30.0, 10.0)
"""Of the squared weights, for standardized evidence (L2)."""
FOLDS = 5
_ITERATIONS = 60
_LEAST_SPREAD = 0.05


@dataclass(frozen=True)
class SpanHead:
    """The weights that were learned.

    Attributes:
        center, scale: of the evidence in the labelled texts, [evidence].
        weights: of the standardized evidence and a constant, [evidence + 1, labels].
    """

    center: Floats
    scale: Floats
    weights: Matrix

    def log_odds(self, zero_shot: Matrix, evidence: Matrix) -> Matrix:
        """Return the zero-shot log-odds with what was learned, [candidates, labels]."""
        return zero_shot + _standardized(evidence, self.center, self.scale) @ self.weights


@dataclass(frozen=True)
class LabelledSpans:
    """The candidates of labelled texts.

    Attributes:
        spans: of each text.
        zero_shot: log-odds against "no entity", [candidates, labels].
        evidence: [candidates, evidence].
        truth: which label each candidate has, [candidates, labels].
    """

    spans: Sequence[Sequence[Span]]
    zero_shot: Matrix
    evidence: Matrix
    truth: NDArray[np.bool_]

    def select(self, texts: NDArray[np.bool_]) -> LabelledSpans:
        """Return some of the texts."""
        rows = np.repeat(texts, [len(spans) for spans in self.spans])
        spans = [spans for spans, chosen in zip(self.spans, texts, strict=True) if chosen]
        return LabelledSpans(spans, self.zero_shot[rows], self.evidence[rows], self.truth[rows])


@dataclass(frozen=True)
class LearnedHead:
    """A head, and the cross-validated log-loss of a text without and with it; `head` is `None` if it is no better."""

    head: SpanHead | None
    loss_before: float
    loss_after: float


def label_log_probabilities(lattice: SpanLattice, log_odds: Matrix) -> tuple[float, Matrix]:
    """Return the log-sum over all analyses, and the log-probability of each label of each span, [spans, labels]."""
    together = np.logaddexp.reduce(log_odds, axis=1)
    total, spans = lattice.log_marginals(together)
    return total, log_odds + (spans - together)[:, None]


def learn_head(texts: LabelledSpans) -> LearnedHead:
    """Return the head with the least cross-validated log-loss."""
    count = len(texts.spans)
    folds = np.arange(count) % min(FOLDS, count)
    before = _losses(texts, texts.zero_shot)
    tried = []
    for penalty in PENALTIES:
        losses = np.empty(count)
        for fold in range(folds.max() + 1):
            unseen = folds == fold
            head, others = _fit(texts.select(~unseen), penalty), texts.select(unseen)
            losses[unseen] = _losses(others, head.log_odds(others.zero_shot, others.evidence))
        tried.append((float(losses.mean()), penalty))
    loss, penalty = min(tried)
    learned = _fit(texts, penalty) if loss < before.mean() else None
    return LearnedHead(learned, float(before.mean()), loss)


def _fit(texts: LabelledSpans, penalty: float) -> SpanHead:
    from scipy.optimize import minimize

    center, scale = texts.evidence.mean(axis=0), np.maximum(texts.evidence.std(axis=0), _LEAST_SPREAD)
    features = _standardized(texts.evidence, center, scale)
    lattice, shape = SpanLattice.build(texts.spans), (features.shape[1], texts.truth.shape[1])

    def loss(flat: Floats) -> tuple[float, Floats]:
        log_odds = texts.zero_shot + features @ flat.reshape(shape)
        total, log_probabilities = label_log_probabilities(lattice, log_odds)
        gradient = features.T @ (np.exp(log_probabilities) - texts.truth)
        value = total - log_odds[texts.truth].sum() + penalty / 2 * float(flat @ flat)
        return value, gradient.ravel() + penalty * flat

    start = np.zeros(shape).ravel()
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS})
    return SpanHead(center, scale, np.asarray(found.x).reshape(shape))


def _losses(texts: LabelledSpans, log_odds: Matrix) -> Floats:
    """Return the negative log-probability of the truth of each text, in nats."""
    ends = np.cumsum([len(spans) for spans in texts.spans])[:-1]
    losses = []
    parts = zip(texts.spans, np.split(log_odds, ends), np.split(texts.truth, ends), strict=True)
    for spans, scores, truth in parts:
        total, _ = SpanLattice.build([spans]).log_marginals(np.logaddexp.reduce(scores, axis=1))
        losses.append(total - scores[truth].sum())
    return np.array(losses)


def _standardized(evidence: Matrix, center: Floats, scale: Floats) -> Matrix:
    return np.column_stack([(evidence - center) / scale, np.ones(len(evidence))])
