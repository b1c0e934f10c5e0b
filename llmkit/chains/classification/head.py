"""A classifier head that is learned from labelled texts, on their embeddings.

It has two parts: a multinomial logistic regression, and the similarity to the mean embedding of each label's texts,
which needs fewer texts (nearest centroid, Tibshirani et al. 2002; Snell et al. 2017). Their scores are added to the
zero-shot scores of the language model and the embedder (stacking, Wolpert 1992). How much each counts, and the penalty
of the regression, are set by cross-validation: by the scores of texts that they were not fitted to. With few labelled
texts the sum stays near the zero-shot scores, by a normal prior on what is set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from llmkit.chains.calibration import Calibration, Matrix
from llmkit.chains.classification.mixture import Mixture, Truth, assign_folds, right_shares, summed_loss

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Of the squared weights of the regression, on unit vectors (L2)."""
MIN_CASCADED = 100
"""With fewer labelled texts, a loss of half a point of accuracy cannot be seen."""


@dataclass(frozen=True)
class Head:
    """What was learned from labelled texts.

    Attributes:
        center: subtracted from embeddings, [dimensions].
        weights: of the regression and of the centroids, [2, dimensions + 1, labels]; the last is added to each score.
            Zeros for labels of which there were no texts.
        joint: the mixture with the zero-shot scores of the language model and the embedder.
        alone: the mixture with those of the embedder, for texts that it is sure of.
        sure: the least probability, by the embedder alone, at which the language model is not asked; `None` is never.
        independent: whether each label holds or not by itself.
    """

    center: NDArray[np.float64]
    weights: NDArray[np.float64]
    joint: Mixture
    alone: Mixture
    sure: float | None
    independent: bool

    def learned(self, vectors: Matrix) -> NDArray[np.float64]:
        """Return the scores of both parts for embedded texts, [2, texts, labels]."""
        return np.asarray(_with_constant(vectors - self.center) @ self.weights)

    def is_sure(self, alone: Matrix) -> Truth:
        """Return for which texts, by the scores of the embedder alone, the language model is not asked."""
        if self.sure is None:
            return np.zeros(len(alone), dtype=bool)
        return np.asarray(_confidence(alone, self.independent) >= self.sure)


@dataclass(frozen=True)
class LabelledTexts:
    """Labelled texts, embedded and scored; an order that does not depend on that in which they were given.

    Attributes:
        vectors: their embeddings, [texts, dimensions].
        truth: which labels hold, [texts, labels].
        similar: the embedder's zero-shot scores, [texts, labels].
        sample: the indices of those that the language model has scored.
        joint: the zero-shot scores of both, [sample, labels].
    """

    vectors: Matrix
    truth: Truth
    similar: Matrix
    sample: Sequence[int]
    joint: Matrix


def learn_head(
    texts: LabelledTexts, center: NDArray[np.float64], *, independent: bool, max_loss: float | None
) -> tuple[Head, NDArray[np.float64]] | None:
    """Return the head with the least cross-validated log-loss; `None` if there are not two labels to tell apart.

    Beside it, the scores of the sample by parts that were not learned from the text in question, [2, sample, labels].

    Args:
        texts: the labelled texts.
        center: the mean embedding of texts that say nothing.
        independent: whether each label holds or not by itself.
        max_loss: the most accuracy that may be lost by not asking the language model; `None` always asks it.
    """
    count = texts.truth.sum(axis=0)
    known = np.flatnonzero((count > 0) & ((count < len(texts.truth)) | (not independent)))
    if len(known) < (1 if independent else 2):
        return None
    truth, features, sample = texts.truth[:, known], _with_constant(texts.vectors - center), list(texts.sample)
    zero_shot, similar = texts.joint[:, known], texts.similar[:, known]
    centroids = _Part.learn(partial(_centroids, independent=independent), features, truth)
    tried = []
    for penalty in PENALTIES:
        regression = _Part.learn(partial(_regress, penalty=penalty, independent=independent), features, truth)
        parts = np.stack([regression.unseen, centroids.unseen])
        mixture, loss = Mixture.fit(zero_shot, parts[:, sample], truth[sample], independent=independent)
        tried.append((loss, regression, parts, mixture))
    _, regression, unseen, joint = min(tried, key=lambda one: one[0])
    alone, _ = Mixture.fit(similar, unseen, truth, independent=independent)
    sure = None
    if max_loss is not None and len(sample) >= MIN_CASCADED:
        by_itself, mixed = alone.scores(similar[sample], unseen[:, sample]), joint.scores(zero_shot, unseen[:, sample])
        sure = _sureness(by_itself, mixed, truth[sample], max_loss, independent)
    labels = texts.truth.shape[1]
    weights = np.stack([part.weights(features, truth) for part in (regression, centroids)])
    head = Head(
        center,
        _among(weights, known, labels),
        replace(joint, bias=_among(joint.bias, known, labels)),
        replace(alone, bias=_among(alone.bias, known, labels)),
        sure,
        independent,
    )
    return head, _among(unseen[:, sample], known, labels)


@dataclass(frozen=True)
class _Part:
    """A part of the head.

    Attributes:
        fit: returns its weights, [dimensions + 1, labels], from features and truth.
        unseen: the scores of each text by a part that was fitted to others, divided by their spread, [texts, labels].
        spread: their standard deviation.
    """

    fit: Callable[[Matrix, Truth], Matrix]
    unseen: Matrix
    spread: float

    @classmethod
    def learn(cls, fit: Callable[[Matrix, Truth], Matrix], features: Matrix, truth: Truth) -> _Part:
        unseen = _cross_validated(fit, features, truth)
        spread = float(unseen.std()) or 1.0
        return cls(fit, unseen / spread, spread)

    def weights(self, features: Matrix, truth: Truth) -> Matrix:
        return self.fit(features, truth) / self.spread


def _with_constant(features: Matrix) -> Matrix:
    return np.column_stack([features, np.ones(len(features))])


def _among(values: NDArray[np.float64], known: NDArray[np.intp], count: int) -> NDArray[np.float64]:
    """Return values of some labels, [..., known], among those of all, with zeros for the others."""
    full = np.zeros((*values.shape[:-1], count))
    full[..., known] = values
    return full


def _centered(scores: Matrix, independent: bool) -> Matrix:
    return scores if independent else scores - scores.mean(axis=1, keepdims=True)


def _regress(features: Matrix, truth: Truth, penalty: float, independent: bool) -> Matrix:
    """Return the weights of the logistic regression, [dimensions + 1, labels]; it has no intercept."""
    from scipy.optimize import minimize

    inputs = features[:, :-1]
    shape = inputs.shape[1], truth.shape[1]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(shape)
        value, gradient = summed_loss(inputs @ weights, truth, independent)
        return value + penalty / 2 * float(flat @ flat), (inputs.T @ gradient + penalty * weights).ravel()

    weights = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B").x.reshape(shape)
    return _centered(np.vstack([weights, np.zeros(shape[1])]), independent)


def _centroids(features: Matrix, truth: Truth, independent: bool) -> Matrix:
    """Return weights that score a text by half its negative squared distance from each label's mean, as above.

    What is the same for all labels is left out. With independent labels, it is the difference of the distances from the
    texts without the label and those with it.
    """
    inputs = features[:, :-1]

    def scores_of(members: Truth) -> Matrix:
        counts = members.sum(axis=0)
        means = np.where(counts, inputs.T @ members / np.maximum(counts, 1), inputs.mean(axis=0)[:, None])
        return np.vstack([means, -(means**2).sum(axis=0) / 2])

    return scores_of(truth) - scores_of(~truth) if independent else _centered(scores_of(truth), independent)


def _cross_validated(fit: Callable[[Matrix, Truth], Matrix], features: Matrix, truth: Truth) -> Matrix:
    """Return the scores of each text by weights fitted to the others; each fold has as many of each label."""
    folds = assign_folds(truth)
    scores = np.empty(truth.shape)
    for fold in np.unique(folds):
        unseen = folds == fold
        scores[unseen] = features[unseen] @ fit(features[~unseen], truth[~unseen])
    return scores


def _confidence(scores: Matrix, independent: bool) -> NDArray[np.float64]:
    """Return the probability of the least certain decision about each text."""
    probabilities = Calibration(independent=independent).probabilities(scores)
    return np.asarray(
        np.maximum(probabilities, 1 - probabilities).min(axis=1) if independent else probabilities.max(axis=1)
    )


def _sureness(alone: Matrix, joint: Matrix, truth: Truth, max_loss: float, independent: bool) -> float | None:
    """Return the least confidence from which on not asking the language model costs at most so much accuracy.

    That is the measured loss and one standard error: with some hundreds of texts, the loss alone is often a matter of
    chance.
    """
    confidence = _confidence(alone, independent)
    order = np.argsort(-confidence, kind="stable")
    lost = (right_shares(joint, truth, independent) - right_shares(alone, truth, independent))[order]
    mean, square = np.cumsum(lost) / len(lost), np.cumsum(lost**2) / len(lost)
    error = np.sqrt(np.maximum(square - mean**2, 0) / len(lost))
    ordered = confidence[order]
    last = np.flatnonzero(np.append(ordered[1:] < ordered[:-1], True))  # equals are decided together
    bad = np.flatnonzero((mean + error)[last] > max_loss + 1e-12)
    good = last[: bad[0]] if bad.size else last
    return float(ordered[good[-1]]) if good.size else None
