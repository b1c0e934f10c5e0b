"""Labels from two kinds of evidence: the log-likelihoods of a language model and the similarities of an embedder.

Each knows other things: a language model sentiment and the form of a question, an embedder topics and intents. Their
scores are added, the language model's divided by their variance where the text says nothing (see `noise_variance`):
if the scores of the wrong labels scatter normally with this variance, and the score of the right one is one nat higher,
this is its log-likelihood ratio (the matched filter). So a model counts little that cannot tell the labels apart, as a
small one among 77 labels of several tokens each. Similarities need no such division: where the labels are equally far
from a text, they differ little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

from llmkit.chains.base import apply_to_good, unwrap_all
from llmkit.chains.calibration import ExamplesReport, Matrix, TriedUse
from llmkit.chains.classification.embedder import EmbedderEvidence
from llmkit.chains.classification.example_use import ExampleChoice, choose, compare, try_model_uses
from llmkit.chains.classification.few_shot import MIN_MEASURED, FewShot
from llmkit.chains.classification.head import Head, LabelledTexts, learn_head
from llmkit.chains.classification.language_model import LanguageModelEvidence
from llmkit.chains.classification.long_texts import PooledRow
from llmkit.chains.classification.saving import SavedClassifier, load_head, save_head
from llmkit.chains.classification.scorer import LabelScorer
from llmkit.chains.inputs import validate_share
from llmkit.chains.saving import Arrays
from llmkit.locks import CopyableLock

LEAST_VARIANCE = 0.25
"""In squared nats: a model does not count more than four times, however little its scores scatter."""


class JointEvidence:
    """The labels' scores by a language model and an embedder together, and what was learned from labelled texts.

    Args:
        model: the language model's part; it knows the examples only if they go into its prompt.
        embedder: the embedder's part.
        examples: labelled texts, from which a head is learned at the first use.
        shown: whether examples go into the model's prompt.
        max_accuracy_loss: the most accuracy that may be lost on the examples, from 0 to 1, by not asking the language
            model about texts of which the embedder is sure; `None` always asks it.
    """

    def __init__(
        self,
        model: LanguageModelEvidence,
        embedder: EmbedderEvidence,
        examples: FewShot,
        *,
        shown: bool,
        max_accuracy_loss: float | None,
    ) -> None:
        self.model, self.embedder = model, embedder
        self._zero_shot, self._examples = model, examples
        self._shown, self._max_loss = shown, max_accuracy_loss
        self._lock = CopyableLock()
        self._learned: _Learned | None = None
        self._loaded = False

    @property
    def shows_examples(self) -> bool:
        """Whether the examples go into the prompt; may have to measure it first."""
        return self.learned().model.shows_examples

    def report(self) -> ExamplesReport | None:
        """Return what was done with the examples; `None` if there are none."""
        return self.learned().report

    def fit(self, examples: Sequence[Mapping[str, Any]]) -> None:
        """Learn from labelled examples, instead of the former ones."""
        found = self._zero_shot.learn(examples)
        with self._lock:
            zero_shot = self._zero_shot.using(found, None) if self._shown else self._zero_shot
            learned = self._learn(found, zero_shot)
            self._examples, self._zero_shot, self._loaded = found, zero_shot, False
            self._adopt(learned)

    def learned(self) -> _Learned:
        """Return what was learned from the examples, which is done at the first use."""
        with self._lock:
            if self._learned is None:
                self._adopt(self._learn(self._examples, self._zero_shot))
            assert self._learned is not None
            return self._learned

    def head(self) -> Head | None:
        """Return the head, which is learned at the first use; `None` if there is none."""
        return self.learned().head

    def forget_stale(self) -> bool:
        """Return whether the model's weights have changed; then all is measured again at the next use."""
        with self._lock:
            has_changed = self._zero_shot.forget_stale()
            if not has_changed:
                return False
            if self._loaded:  # what was loaded cannot be learned again
                self._zero_shot.warn_uncalibrated()
                self._adopt(_Learned(self._zero_shot, None, None))
            else:
                self._learned, self.model = None, self._zero_shot
            return True

    def warn_uncalibrated(self) -> None:
        """Log that a calibration was undone, because the weights have changed."""
        self.model.warn_uncalibrated()

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return what was learned, to be saved: fields of `SavedClassifier`, and arrays."""
        learned = self.learned()
        parts = [self.model.state(), self.embedder.state()]
        facts = {"noise_variance": self.model.noise_variance(), "max_accuracy_loss": self._max_loss}
        if learned.head:
            saved, arrays = save_head(learned.head)
            parts.append(({"head": saved}, arrays))
        for more, _ in parts:
            facts |= more
        return facts | {"examples": learned.report}, {
            name: array for _, arrays in parts for name, array in arrays.items()
        }

    def restore(self, settings: SavedClassifier, arrays: Arrays) -> None:
        """Take over what was saved; raise `InputError` if it is of another model, prompt or embedder."""
        self.embedder.restore(settings, arrays)
        self.model.restore(settings, arrays)
        scorer, head = self._examples.zero_shot, None
        if settings.head:
            sizes = len(self.embedder.center), len(scorer.verbalized)
            head = load_head(settings.head, arrays, *sizes, independent=scorer.multi_label)
        self._learned, self._loaded = _Learned(self.model, head, settings.examples), True

    def measure_prior(self, texts: Sequence[str]) -> None:
        """Measure the priors on texts too."""
        with self._lock:
            learned = self.learned()
            self._zero_shot.measure_prior(texts)
            if self.model is not self._zero_shot:
                self.model.measure_prior(texts)
            self.embedder.measure_prior(self.embedder.embed(texts), self.model.tuning.neutral_weight)
            if learned.head and not self._loaded:  # a loaded head stays
                head, _ = self._learn_head(self._labelled_texts(self._examples, self._zero_shot))
                self._learned = replace(learned, head=head)

    def try_pooled_scores(self, texts: Sequence[str]) -> list[PooledRow | Exception]:
        """Return the scores of each text, or the error that it failed with."""
        vectors, head = self.embedder.embed(texts), self.head()
        similar = self.embedder.scores(vectors)
        if head is None:
            return _try_joint(self.model, texts, similar)
        learned = head.learned(vectors)
        alone = head.alone.scores(similar, learned)
        is_sure = head.is_sure(alone)
        rest = np.flatnonzero(~is_sure)
        asked = [texts[place] for place in rest.tolist()]
        joint = iter(_try_joint(self.model, asked, similar[rest]) if rest.size else ())
        results: list[PooledRow | Exception] = []
        for place, sure in enumerate(is_sure):
            row = PooledRow(alone[place], evidence="embedder") if sure else next(joint)
            if not sure and isinstance(row, PooledRow):
                row = PooledRow(head.joint.scores(row.row, learned[:, place]), row.passages, "head")
            results.append(row)
        return results

    def _adopt(self, learned: _Learned) -> None:
        self._learned, self.model = learned, learned.model

    def _learn(self, examples: FewShot, zero_shot: LanguageModelEvidence) -> _Learned:
        """Return what the examples are best used for: in the head, in the model's prompt, or for its prior."""
        if not examples.examples or len(np.unique(examples.truth, axis=0)) < 2:
            unused = ExampleChoice("none").report(len(examples.examples), examples.zero_shot.verbalized, None)
            return _Learned(zero_shot, None, zero_shot.report() or (unused if examples.examples else None))
        examples = replace(examples, measured_neutral=zero_shot.scorers()[0].neutral)
        texts = self._labelled_texts(examples, zero_shot)
        head, tried = self._learn_head(texts)
        if not self._shown and len(examples.measured) >= MIN_MEASURED:
            tried += self._try_model_uses(examples, zero_shot, texts)
        use = choose(tried)
        choice = ExampleChoice("prompt" if use == "none" and self._shown else use, tuple(tried))
        report = choice.report(len(examples.examples), examples.zero_shot.verbalized, examples.prior_weight)
        model = zero_shot.using(examples, choice) if use in ("prompt", "prior") else zero_shot
        return _Learned(model, head if use == "head" else None, report)

    def _labelled_texts(self, examples: FewShot, zero_shot: LanguageModelEvidence) -> LabelledTexts:
        vectors = self.embedder.embed(examples.texts)
        similar, sample = self.embedder.scores(vectors), examples.sample
        pooled = unwrap_all(_try_joint(zero_shot, [examples.texts[place] for place in sample], similar[sample]))
        return LabelledTexts(vectors, examples.truth, similar, sample, np.stack([one.row for one in pooled]))

    def _learn_head(self, texts: LabelledTexts) -> tuple[Head | None, list[TriedUse]]:
        """Return the head, if there is something to learn, and how it compares with zero-shot."""
        independent = self._examples.zero_shot.multi_label
        found = learn_head(texts, self.embedder.center, independent=independent, max_loss=self._max_loss)
        if found is None:
            return None, []
        head, unseen = found
        truth = texts.truth[texts.sample]
        margin = head.joint.penalty(len(truth)) / (truth.size if independent else len(truth))
        scores = head.joint.scores(texts.joint, unseen)
        return head, [compare("head", scores, texts.joint, truth, independent=independent, margin=margin)]

    def _try_model_uses(
        self, examples: FewShot, zero_shot: LanguageModelEvidence, texts: LabelledTexts
    ) -> Iterator[TriedUse]:
        rows = [texts.sample.index(place) for place in examples.measured]
        similar = texts.similar[examples.measured]

        def combine(indices: Sequence[int], scores: Matrix, noise: float | None) -> Matrix:
            variance = zero_shot.noise_variance() if noise is None else noise
            return scores / max(variance, LEAST_VARIANCE) + similar[indices]

        return try_model_uses(examples, texts.joint[rows], combine)


@dataclass(frozen=True)
class _Learned:
    """What was learned from examples: the model's part, the head if any, and the report."""

    model: LanguageModelEvidence
    head: Head | None
    report: ExamplesReport | None


def _try_joint(model: LanguageModelEvidence, texts: Sequence[str], similar: Matrix) -> list[PooledRow | Exception]:
    """Return the scores of texts by both, from those of the embedder, [texts, labels]."""
    rows = model.try_pooled_scores(texts)
    numbered = [row if isinstance(row, Exception) else (number, row) for number, row in enumerate(rows)]
    weight = 1 / max(model.noise_variance(), LEAST_VARIANCE)
    return apply_to_good(
        lambda good: [PooledRow(weight * row.row + similar[number], row.passages, "both") for number, row in good],
        numbered,
    )


def collect_evidence(
    model: Callable[[Sequence[Mapping[str, Any]]], LanguageModelEvidence],
    embedder: Embeddings | None,
    scorer: LabelScorer,
    examples: Sequence[Mapping[str, Any]],
    *,
    shown: bool,
    max_accuracy_loss: float | None,
) -> LanguageModelEvidence | JointEvidence:
    """Return the evidence of a language model or, with an embedder, that of both.

    Args:
        model: makes the language model's part, from the examples that it may use in its prompt and prior.
        embedder: the embedder; without one, the language model has all examples.
        scorer: the language model's scorer.
        examples: labelled texts.
        shown: with an embedder: whether examples go into the prompt too.
        max_accuracy_loss: see `JointEvidence`.

    Raises:
        InputError: an example is wrong, says which.
    """
    if embedder is None:
        return model(examples)
    if max_accuracy_loss is not None:
        validate_share(max_accuracy_loss, "max_accuracy_loss")
    evidence = model(examples if shown else ())
    return JointEvidence(
        evidence,
        EmbedderEvidence(embedder, scorer),
        evidence.learn(examples),
        shown=shown,
        max_accuracy_loss=max_accuracy_loss,
    )
