"""A head learned from labelled texts: near zero-shot where there are few, and sure only where that costs nothing."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import check_grad

from llmkit.chains.calibration import Calibration
from llmkit.chains.classification import head as heads
from llmkit.chains.classification.head import Head, LabelledTexts, learn_head
from llmkit.chains.classification.mixture import balanced_order, log_losses, right_shares, summed_loss
from llmkit.text.ranking import unit_rows

DIMENSIONS = 6


def labelled(
    per_label: int, labels: int = 3, *, seed: int = 0, noise: float = 0.3, useful: bool = True
) -> LabelledTexts:
    """Return texts whose vectors have their label's direction, and zero-shot scores that know little."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.eye(labels, dtype=bool), per_label, axis=0)
    directions = truth @ np.eye(labels, DIMENSIONS) if useful else np.zeros((len(truth), DIMENSIONS))
    vectors = unit_rows(directions + noise * rng.normal(size=(len(truth), DIMENSIONS)))
    zero_shot = 0.5 * truth + rng.normal(size=truth.shape)
    return LabelledTexts(vectors, truth, zero_shot, range(len(truth)), zero_shot)


def learn(texts: LabelledTexts, *, independent: bool = False, max_loss: float | None = None) -> Head:
    found = learn_head(texts, np.zeros(DIMENSIONS), independent=independent, max_loss=max_loss)
    assert found
    head, _ = found
    return head


def accuracy(head: Head, texts: LabelledTexts) -> float:
    return float((joint(head, texts).argmax(axis=1) == texts.truth.argmax(axis=1)).mean())


def joint(head: Head, texts: LabelledTexts) -> np.ndarray:
    return head.joint.scores(texts.joint, head.learned(texts.vectors))


def test_a_head_learns_what_zero_shot_does_not_know() -> None:
    unseen = labelled(100, seed=1)
    zero_shot = float((unseen.joint.argmax(axis=1) == unseen.truth.argmax(axis=1)).mean())
    found = learn(labelled(20))
    assert zero_shot < 0.6
    assert accuracy(found, unseen) > 0.85


def test_vectors_that_say_nothing_leave_zero_shot_as_it_is() -> None:
    """The head counts next to nothing, so that the log-loss on other texts is that of zero-shot, or lower."""
    unseen = labelled(100, seed=1, useful=False)
    found = learn(labelled(20, useful=False))
    before = Calibration().log_loss(unseen.joint, unseen.truth)
    assert Calibration().log_loss(joint(found, unseen), unseen.truth) < before + 0.02


@pytest.mark.parametrize("independent", [False, True])
def test_one_text_a_label_changes_little(independent: bool) -> None:
    found = learn(labelled(1), independent=independent)
    assert 0.5 < found.joint.zero_shot < 1.5
    assert found.joint.learned.sum() < 0.5


@pytest.mark.parametrize("independent", [False, True])
def test_a_label_without_texts_keeps_its_zero_shot_score(independent: bool) -> None:
    texts = labelled(12, labels=4)
    rows = np.flatnonzero(~texts.truth[:, 2])
    vectors, truth, similar = texts.vectors[rows], texts.truth[rows], texts.similar[rows]
    part = LabelledTexts(vectors, truth, similar, range(len(rows)), texts.joint[rows])
    found = learn(part, independent=independent)
    assert not found.learned(texts.vectors)[:, :, 2].any()
    assert found.joint.bias[2] == found.alone.bias[2] == 0
    assert found.learned(texts.vectors)[:, :, [0, 1, 3]].any(axis=(1, 2)).all()


def test_nothing_is_learned_of_one_label() -> None:
    texts = labelled(4, labels=2)
    one = LabelledTexts(texts.vectors[:4], texts.truth[:4], texts.similar[:4], range(4), texts.joint[:4])
    assert learn_head(one, np.zeros(DIMENSIONS), independent=False, max_loss=None) is None
    assert learn_head(one, np.zeros(DIMENSIONS), independent=True, max_loss=None) is None


@pytest.mark.parametrize("independent", [False, True])
def test_the_gradient_is_that_of_the_loss(independent: bool) -> None:
    truth = labelled(3).truth
    scores = np.random.default_rng(2).normal(size=truth.shape)

    def loss(flat: np.ndarray) -> float:
        return summed_loss(flat.reshape(truth.shape), truth, independent)[0]

    def gradient(flat: np.ndarray) -> np.ndarray:
        return summed_loss(flat.reshape(truth.shape), truth, independent)[1].ravel()

    assert check_grad(loss, gradient, scores.ravel()) < 1e-5
    calibration = Calibration(independent=independent)
    count = truth.size if independent else len(truth)
    assert loss(scores.ravel()) == pytest.approx(count * calibration.log_loss(scores, truth))


@pytest.mark.parametrize("independent", [False, True])
def test_the_losses_of_texts_have_the_mean_log_loss(independent: bool) -> None:
    texts = labelled(3)
    losses = log_losses(texts.joint, texts.truth, independent)
    assert losses.mean() == pytest.approx(Calibration(independent=independent).log_loss(texts.joint, texts.truth))
    right = right_shares(texts.joint, texts.truth, independent)
    decided = (texts.joint >= 0) == texts.truth if independent else texts.joint.argmax(1) == texts.truth.argmax(1)
    assert right.mean() == pytest.approx(decided.mean())


def test_scores_of_the_sample_are_of_regressions_that_did_not_see_it() -> None:
    """With vectors that say nothing, a regression on all texts would be right about most of them; these are not."""
    texts = labelled(20, useful=False)
    found = learn_head(texts, np.zeros(DIMENSIONS), independent=False, max_loss=None)
    assert found
    _, unseen = found
    for part in unseen:
        assert right_shares(part, texts.truth, independent=False).mean() < 0.5


def test_centroids_are_those_of_scikit_learn() -> None:
    from sklearn.neighbors import NearestCentroid

    texts = labelled(15, noise=0.8)
    features, expected = heads._with_constant(texts.vectors), NearestCentroid()
    expected.fit(texts.vectors, texts.truth.argmax(axis=1))
    scores = features @ heads._centroids(features, texts.truth, independent=False)
    assert (scores.argmax(axis=1) == expected.predict(texts.vectors)).all()
    two = texts.truth[:, :2]  # the odds of a label against all other texts
    distances = [((texts.vectors[:, None] - texts.vectors[rows].mean(axis=0)) ** 2).sum(axis=2) / 2 for rows in two.T]
    others = [((texts.vectors[:, None] - texts.vectors[~rows].mean(axis=0)) ** 2).sum(axis=2) / 2 for rows in two.T]
    odds = features @ heads._centroids(features, two, independent=True)
    np.testing.assert_allclose(odds, (np.array(others) - np.array(distances))[:, :, 0].T, atol=1e-9)


def test_a_regression_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    texts = labelled(15, noise=0.8)
    weights = heads._regress(heads._with_constant(texts.vectors), texts.truth, 0.5, independent=False)[:-1]
    reference = LogisticRegression(C=2.0, fit_intercept=False, tol=1e-8, max_iter=1000)
    reference.fit(texts.vectors, texts.truth.argmax(axis=1))
    np.testing.assert_allclose(weights, reference.coef_.T, atol=1e-2)


@pytest.mark.parametrize(
    "fit", [partial(heads._regress, penalty=0.3, independent=True), partial(heads._centroids, independent=True)]
)
def test_scores_are_cross_validated(fit: Any) -> None:
    """A text's own label does not reach its score."""
    texts = labelled(5)
    features = heads._with_constant(texts.vectors)
    before = heads._cross_validated(fit, features, texts.truth)
    other = texts.truth.copy()
    other[0] = [True, True, False]  # the same first label: the same folds
    after = heads._cross_validated(fit, features, other)
    np.testing.assert_allclose(before[0], after[0])
    assert np.abs(before - after).max() > 0.01


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(1, 50))
def test_a_sample_has_as_many_of_each_label(labels: list[int], size: int) -> None:
    truth = np.eye(5, dtype=bool)[labels]
    sample = balanced_order(truth)[:size]
    assert len(set(sample)) == len(sample) == min(size, len(labels))
    taken, there = truth[sample].sum(axis=0), truth.sum(axis=0)
    assert all(count == there[label] or count >= taken.max() - 1 for label, count in enumerate(taken))


def test_the_language_model_is_not_asked_where_that_costs_nothing() -> None:
    texts = labelled(60)
    alike = learn(texts, max_loss=0.005)
    assert alike.sure is not None
    assert alike.is_sure(alike.alone.scores(texts.similar, alike.learned(texts.vectors))).any()
    assert learn(texts, max_loss=None).sure is None
    assert not learn(texts, max_loss=None).is_sure(texts.similar).any()
    assert learn(labelled(33), max_loss=0.5).sure is None  # 99 texts are too few to see half a point


def test_sureness_by_hand() -> None:
    """Of five texts the embedder is surest of the first two, right about them, and wrong about the third."""
    truth = np.repeat([[True, False]], 5, axis=0)
    joint_scores = np.repeat([[1.0, 0.0]], 5, axis=0)
    alone = np.array([[4.0, 0.0], [3.0, 0.0], [0.0, 2.0], [1.5, 0.0], [1.0, 0.0]])
    sure = heads._sureness(alone, joint_scores, truth, 0.0, independent=False)
    assert sure == pytest.approx(1 / (1 + np.exp(-3.0)))
    assert heads._sureness(alone, joint_scores, truth, 0.5, independent=False) == pytest.approx(1 / (1 + np.exp(-1.0)))
    assert heads._sureness(-alone, joint_scores, truth, 0.0, independent=False) is None
    equal = np.array([[3.0, 0.0], [0.0, 3.0], [3.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert heads._sureness(equal, joint_scores, truth, 0.0, independent=False) is None  # equals are decided together
