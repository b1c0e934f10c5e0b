"""What labelled examples are used for: one choice among all ways, by log-loss on examples that were not learned from.

An example may go into the prompt, into the prior of the labels, into a classifier head on embeddings, or, without
an embedder, into a temperature and biases for the model's scores. Every way is compared with zero-shot scores of the
same examples. To be chosen, its log-loss must be lower by more than a margin: two standard errors of the mean
difference, so that it is no matter of chance; for what is itself shrunk to zero-shot, the head and the temperature, the
penalty of its distance from it. Of these the one wins whose log-loss, with its margin, is lowest by
most. If there is none, the examples are not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from llmkit.chains.calibration import ExamplesReport, ExampleUse, Matrix, TriedUse
from llmkit.chains.classification.few_shot import FewShot
from llmkit.chains.classification.mixture import Mixture, Truth, log_losses, right_shares

STANDARD_ERRORS = 2.0
ROUNDING = 1e-6
"""In nats: what is shrunk to zero-shot is at least as good, but for the rounding of the fit."""


@dataclass(frozen=True)
class ExampleChoice:
    """What the examples are used for, and what was tried.

    Attributes:
        use: the way that was chosen.
        tried: all ways that were compared with zero-shot; none if there was no choice.
        mixture: for "calibration": what was fitted to them.
    """

    use: ExampleUse
    tried: tuple[TriedUse, ...] = ()
    mixture: Mixture | None = None

    def report(self, examples: int, labels: Sequence[str], prior_weight: float | None) -> ExamplesReport:
        """Return the report of so many examples.

        Args:
            examples: how many.
            labels: the words of each label.
            prior_weight: the weight that they would have in the prior.
        """
        best = next((one for one in self.tried if one.use == self.use), None) or closest(self.tried)
        mixture = self.mixture
        return ExamplesReport(
            examples,
            self.use,
            "log-loss" if best else None,
            best.zero_shot_log_loss if best else None,
            best.log_loss if best else None,
            prior_weight=prior_weight if self.use == "prior" else None,
            temperature=1 / max(mixture.zero_shot, 1e-9) if mixture else None,
            bias=dict(zip(labels, map(float, mixture.bias), strict=True)) if mixture else None,
            tried=self.tried,
        )


def compare(
    use: ExampleUse, scores: Matrix, zero_shot: Matrix, truth: Truth, *, independent: bool, margin: float | None = None
) -> TriedUse:
    """Return how a way compares with zero-shot on the same texts.

    Args:
        use: the way.
        scores: by this way, learned from other texts, [texts, labels].
        zero_shot: without examples, [texts, labels].
        truth: which labels hold, [texts, labels].
        independent: whether each label holds or not by itself.
        margin: by how much its log-loss must be lower; by default `STANDARD_ERRORS` of the mean difference.
    """
    losses, before = (log_losses(each, truth, independent) for each in (scores, zero_shot))
    if margin is None:
        error = (before - losses).std(ddof=1) / np.sqrt(len(losses)) if len(losses) > 1 else np.inf
        margin = float(STANDARD_ERRORS * error)
    return TriedUse(
        use=use,
        texts=len(truth),
        log_loss=float(losses.mean()),
        accuracy=float(right_shares(scores, truth, independent).mean()),
        zero_shot_log_loss=float(before.mean()),
        zero_shot_accuracy=float(right_shares(zero_shot, truth, independent).mean()),
        margin=margin,
    )


def closest(tried: Sequence[TriedUse]) -> TriedUse | None:
    """Return the way whose log-loss, with its margin, is lowest by most; `None` if nothing was tried."""
    return max(tried, key=lambda one: one.advantage, default=None)


def choose(tried: Sequence[TriedUse]) -> ExampleUse:
    """Return the way that is better than zero-shot by more than its margin, the best of these, or "none".

    Of equals it is the first. A head that is as good as zero-shot where that is always right is chosen, because with it
    the language model need not be asked.
    """
    best = closest(tried)
    return best.use if best and best.advantage > -ROUNDING else "none"


def try_calibration(zero_shot: Matrix, truth: Truth, *, independent: bool) -> tuple[Mixture, TriedUse]:
    """Return a temperature and biases for the zero-shot scores of labelled texts, and how they compare with these."""
    mixture, _ = Mixture.fit(zero_shot, None, truth, independent=independent)
    scale = len(truth) * (truth.shape[1] if independent else 1)
    margin = mixture.penalty(len(truth)) / scale
    return mixture, compare(
        "calibration", mixture.scores(zero_shot), zero_shot, truth, independent=independent, margin=margin
    )


def try_model_uses(
    few_shot: FewShot, zero_shot: Matrix, combine: Callable[[Sequence[int], Matrix, float | None], Matrix]
) -> Iterator[TriedUse]:
    """Yield how the ways that concern the language model alone compare with zero-shot: in the prior, in the prompt.

    If the prompt is no better for the part of the examples that comes first, the others are not scored.

    Args:
        few_shot: the examples.
        zero_shot: the scores of the measured ones, [measured, labels].
        combine: returns scores as `zero_shot` has them, from the indices of measured examples, the language model's
            scores of these, and the noise of these scores; `None` is that of zero-shot.
    """
    truth, independent = few_shot.truth[few_shot.measured], few_shot.zero_shot.multi_label
    everything = list(range(len(truth)))
    if few_shot.calibrated:
        scores = combine(everything, few_shot.try_prior(), None)
        yield compare("prior", scores, zero_shot, truth, independent=independent)
    if not few_shot.can_try_prompt:
        return
    indices, parts = list[int](), list[Matrix]()
    for part, scores, noise in few_shot.try_prompt():
        indices, parts = indices + part, [*parts, combine(part, scores, noise)]
        found = compare("prompt", np.vstack(parts), zero_shot[indices], truth[indices], independent=independent)
        if found.log_loss >= found.zero_shot_log_loss:
            break
    yield found
