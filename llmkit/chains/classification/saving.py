"""What is saved of a classification chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from llmkit.chains.calibration import Calibration, ExamplesReport
from llmkit.chains.classification.contextual_calibration import ClassificationTuning
from llmkit.chains.classification.head import Head
from llmkit.chains.classification.label_sets import TruthProbabilities
from llmkit.chains.classification.mixture import Mixture
from llmkit.chains.guarantees.seen import SeenTexts
from llmkit.chains.saving import PROBE, Arrays, SavedChain, seen_array, take_array, take_seen
from llmkit.errors import InputError

PROBES_OF_ENCODERS = (PROBE, "The match ended 3 to 2.", "I want my money back.", "The vote is on Monday.")
"""The texts whose scores recognize an encoder: the log-probabilities of a text add up to one, so that those of two
encoders are more alike than the log-likelihoods of two language models."""


class ShownExample(BaseModel):
    """An example that is in the prompt, with the indices of its labels."""

    input: str
    labels: list[int]


class EmbedderPrior(BaseModel):
    """On how many texts the embedder's prior was measured, and how many the content-free ones weigh as much as."""

    texts: int
    neutral_weight: float


class SavedHead(BaseModel):
    """What is saved of a head, but for its arrays."""

    sure: float | None


class SavedClassifier(SavedChain):
    """What is saved of a classification chain as JSON.

    Attributes:
        labels: the words of each label.
        shown: the examples in the prompt.
        examples: what was done with the labelled examples.
        has_mixture: whether a temperature and biases were fitted to them.
        noise_variance: of the language model's scores; `None` without an embedder.
        method: how the model scores labels.
        template: the sentence in which an encoder reads a label.
        sets_calibration, sets_rows: of the probabilities that label sets stand on, which are an array.
    """

    kind: ClassVar[str] = "classification"

    format: Literal["llmkit classification chain, version 1"] = "llmkit classification chain, version 1"
    labels: dict[str, str]
    multi_label: bool
    method: str = "likelihood"
    template: str | None = None
    contextual_calibration: bool
    uncalibrated_threshold: float | None
    calibration: Calibration
    tuning: ClassificationTuning
    max_accuracy_loss: float | None = None
    shown: tuple[ShownExample, ...] = ()
    examples: ExamplesReport | None = None
    has_mixture: bool = False
    noise_variance: float | None = None
    embedder_prior: EmbedderPrior | None = None
    head: SavedHead | None = None
    sets_calibration: Calibration | None = None
    sets_rows: int = 0

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the chain's constructor."""
        names = list(self.labels)
        chosen = [[names[index] for index in example.labels] for example in self.shown]
        outputs = chosen if self.multi_label else [labels[0] for labels in chosen]
        return {
            "labels": names,
            "descriptions": {name: words for name, words in self.labels.items() if words != name.strip()},
            "examples": [
                {"input": one.input, "output": output} for one, output in zip(self.shown, outputs, strict=True)
            ],
            "show_examples": True if self.shown else None,
            "multi_label": self.multi_label,
            "threshold": self.uncalibrated_threshold,
            "contextual_calibration": self.contextual_calibration,
            "max_accuracy_loss": self.max_accuracy_loss,
            "tuning": self.tuning,
        }


def validate_same_template(saved: str | None, found: str | None) -> None:
    """Raise `InputError` if an encoder reads labels in another sentence than the one that the chain was saved with."""
    if saved != found:
        raise InputError(
            f"the chain was saved with the template {saved!r}, but this model's is {found!r}: load the model with the "
            "same one, or fit a new chain"
        )


def save_rows(
    facts: Mapping[str, Any], arrays: Arrays, seen: SeenTexts, truth: TruthProbabilities | None
) -> tuple[dict[str, Any], Arrays]:
    """Return facts and arrays with digests of the texts that a chain learned from, and what its label sets stand on."""
    found = {**facts, "seen_texts": len(seen.digests)}
    added = {**arrays, "seen": seen_array(seen)}
    if truth is None:
        return found, added
    found |= {"sets_calibration": truth.calibration, "sets_rows": len(truth.values)}
    return found, {**added, "sets": truth.values}


def load_rows(saved: SavedClassifier, arrays: Arrays) -> tuple[SeenTexts, TruthProbabilities | None]:
    """Return what `save_rows` added; a chain that was saved by an earlier version has neither."""
    seen = take_seen(saved, arrays)
    if saved.sets_calibration is None:
        return seen, None
    return seen, TruthProbabilities(saved.sets_calibration, take_array(arrays, "sets", saved.sets_rows))


def save_head(head: Head) -> tuple[SavedHead, Arrays]:
    """Return the numbers and the arrays of a head."""
    arrays = {"head.center": head.center, "head.weights": head.weights}
    arrays |= {
        f"head.{name}": save_mixture(mixture) for name, mixture in (("joint", head.joint), ("alone", head.alone))
    }
    return SavedHead(sure=head.sure), arrays


def load_head(saved: SavedHead, arrays: Arrays, dimensions: int, labels: int, *, independent: bool) -> Head:
    """Return a saved head; raise `InputError` if it is damaged."""
    return Head(
        take_array(arrays, "head.center", dimensions),
        take_array(arrays, "head.weights", 2, dimensions + 1, labels),
        load_mixture(arrays, "head.joint", 2, labels),
        load_mixture(arrays, "head.alone", 2, labels),
        saved.sure,
        independent,
    )


def save_mixture(mixture: Mixture) -> NDArray[np.float64]:
    """Return a mixture as an array."""
    return np.concatenate([[mixture.zero_shot], mixture.learned, mixture.bias])


def load_mixture(arrays: Arrays, name: str, parts: int, labels: int) -> Mixture:
    """Return a saved mixture with so many parts of a head; raise `InputError` if it is damaged."""
    values = take_array(arrays, name, 1 + parts + labels)
    return Mixture(float(values[0]), values[1 : 1 + parts], values[1 + parts :])
