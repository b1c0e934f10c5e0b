"""Labels from two kinds of evidence: the log-likelihoods of a language model and the similarities of an embedder.

Each knows other things: a language model sentiment and the form of a question, an embedder topics and intents. Their
scores are added, the language model's divided by their variance where the text says nothing (see `noise_variance`):
if the scores of the wrong labels scatter normally with this variance, and the score of the right one is one nat higher,
this is its log-likelihood ratio (the matched filter). So a model counts little that cannot tell the labels apart, as a
small one among 77 labels of several tokens each. Similarities need no such division: where the labels are equally far
from a text, they differ little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

from llmkit.chains.base import apply_to_good, unwrap_all
from llmkit.chains.calibration import ExamplesReport, Matrix
from llmkit.chains.classification.embedder import EmbedderEvidence
from llmkit.chains.classification.few_shot import FewShot
from llmkit.chains.classification.head import Head, LabelledTexts, balanced_sample, learn_head
from llmkit.chains.classification.language_model import LanguageModelEvidence
from llmkit.chains.classification.long_texts import PooledRow
from llmkit.chains.classification.saving import Arrays, SavedSettings, load_head, save_head
from llmkit.chains.classification.scorer import LabelScorer
from llmkit.chains.inputs import validate_share
from llmkit.locks import CopyableLock

LEAST_VARIANCE = 0.25
"""In squared nats: a model does not count more than four times, however little its scores scatter."""
MAX_SCORES = 8192
"""About the most labels that a language model scores after labelled texts, all texts together."""
MIN_SCORED = 64
"""Labelled texts that it scores at least, if there are so many."""


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
        self._examples, self._shown, self._max_loss = examples, shown, max_accuracy_loss
        self._lock = CopyableLock()
        self._head: Head | None = None
        self._learned = False
        self._loaded_count = 0

    @property
    def shows_examples(self) -> bool:
        """Whether the examples go into the prompt."""
        return self.model.shows_examples

    def report(self) -> ExamplesReport | None:
        """Return what was done with the examples; `None` if there are none."""
        if (head := self.head()) is None:
            return self.model.report()
        losses = head.log_loss_before, head.log_loss_after
        return ExamplesReport(self._example_count, "head", "log-loss", *losses)

    @property
    def _example_count(self) -> int:
        """How many examples the head was learned from, which a loaded chain does not have."""
        return len(self._examples.examples) or self._loaded_count

    def fit(self, examples: Sequence[Mapping[str, Any]]) -> None:
        """Learn a head from labelled examples, instead of the former ones."""
        found = self.model.learn(examples)
        if self._shown:
            self.model.fit(examples)
        with self._lock:
            before = self._examples, self._learned, self._head
            self._examples, self._learned = found, False
            try:
                self.head()
            except BaseException:
                self._examples, self._learned, self._head = before
                raise

    def forget_stale(self) -> bool:
        """Return whether the model's weights have changed; then all is measured again at the next use."""
        with self._lock:
            has_changed = self.model.forget_stale()
            if has_changed and self._head and not self._examples.examples:  # it was loaded, and cannot be learned again
                self.model.warn_uncalibrated()
            self._learned = self._learned and not has_changed
            return has_changed

    def warn_uncalibrated(self) -> None:
        """Log that a calibration was undone, because the weights have changed."""
        self.model.warn_uncalibrated()

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return what was learned, to be saved: fields of `SavedSettings`, and arrays."""
        parts = [self.model.state(), self.embedder.state()]
        facts = {"noise_variance": self.model.noise_variance(), "max_accuracy_loss": self._max_loss}
        if head := self.head():
            saved, arrays = save_head(head, self._example_count)
            parts.append(({"head": saved}, arrays))
        for more, _ in parts:
            facts |= more
        return facts, {name: array for _, arrays in parts for name, array in arrays.items()}

    def restore(self, settings: SavedSettings, arrays: Arrays) -> None:
        """Take over what was saved; raise `InputError` if it is of another model, prompt or embedder."""
        self.embedder.restore(settings, arrays)
        self.model.restore(settings, arrays)
        scorer = self._examples.zero_shot
        if settings.head:
            sizes = len(self.embedder.center), len(scorer.verbalized)
            self._head = load_head(settings.head, arrays, *sizes, independent=scorer.multi_label)
            self._loaded_count = settings.head.examples
        self._learned = True

    def measure_prior(self, texts: Sequence[str]) -> None:
        """Measure the priors on texts too."""
        with self._lock:
            self.model.measure_prior(texts)
            self.embedder.measure_prior(self.embedder.embed(texts), self.model.tuning.neutral_weight)
            self._learned = self._learned and not self._examples.examples  # a loaded head stays

    def try_pooled_scores(self, texts: Sequence[str]) -> list[PooledRow | Exception]:
        """Return the scores of each text, or the error that it failed with."""
        vectors, head = self.embedder.embed(texts), self.head()
        similar = self.embedder.scores(vectors)
        if head is None:
            return self._try_joint(texts, similar)
        learned = head.learned(vectors)
        alone = head.alone.scores(similar, learned)
        is_sure = head.is_sure(alone)
        rest = np.flatnonzero(~is_sure)
        joint = iter(self._try_joint([texts[place] for place in rest.tolist()], similar[rest]) if rest.size else ())
        results: list[PooledRow | Exception] = []
        for place, sure in enumerate(is_sure):
            row = PooledRow(alone[place], evidence="embedder") if sure else next(joint)
            if not sure and isinstance(row, PooledRow):
                row = PooledRow(head.joint.scores(row.row, learned[place]), row.passages, "head")
            results.append(row)
        return results

    def head(self) -> Head | None:
        """Return what was learned from the examples, which is done at the first use; `None` if nothing was."""
        with self._lock:
            if not self._learned:
                self._head, self._learned = self._learn(), True
            return self._head

    def _learn(self) -> Head | None:
        examples = self._examples
        distinct = {
            (tuple(labels), row["input"]) for row, labels in zip(examples.examples, examples.labels, strict=True)
        }
        rows = sorted(distinct)  # so that nothing depends on the order in which they were given
        count = len(examples.zero_shot.verbalized)
        truth = np.array([[label in labels for label in range(count)] for labels, _ in rows]).reshape(-1, count)
        if not rows or (len(set(map(tuple, truth))) < 2):
            return None
        texts = [text for _, text in rows]
        vectors = self.embedder.embed(texts)
        similar = self.embedder.scores(vectors)
        sample = balanced_sample(truth, max(MIN_SCORED, MAX_SCORES // count))
        joint = unwrap_all(self._try_joint([texts[place] for place in sample], similar[sample]))
        labelled = LabelledTexts(vectors, truth, similar, sample, np.stack([pooled.row for pooled in joint]))
        independent = examples.zero_shot.multi_label
        return learn_head(labelled, self.embedder.center, independent=independent, max_loss=self._max_loss)

    def _try_joint(self, texts: Sequence[str], similar: Matrix) -> list[PooledRow | Exception]:
        """Return the zero-shot scores of texts by both, from those of the embedder, [texts, labels]."""
        rows = self.model.try_pooled_scores(texts)
        numbered = [row if isinstance(row, Exception) else (number, row) for number, row in enumerate(rows)]
        weight = 1 / max(self.model.noise_variance(), LEAST_VARIANCE)
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
