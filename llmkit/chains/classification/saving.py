"""A fitted chain as data: what it learned in `chain.json` and `arrays.safetensors`, and no code."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from llmkit.chains.calibration import Calibration, ExamplesReport
from llmkit.chains.classification.contextual_calibration import ClassificationTuning
from llmkit.chains.classification.head import Head
from llmkit.chains.classification.label_sets import TruthProbabilities
from llmkit.chains.classification.mixture import Mixture
from llmkit.chains.guarantees.guarantee import Guarantee
from llmkit.chains.guarantees.seen import SeenTexts
from llmkit.errors import InputError
from llmkit.regular_files import read_regular

Arrays = dict[str, NDArray[np.float64]]

SETTINGS_FILE, ARRAYS_FILE = "chain.json", "arrays.safetensors"
MAX_BYTES = 1 << 31
PROBE = "N/A"
"""A text of which the model's scores and the embedder's vector are saved, to recognize both."""
MAX_SCORE_DIFFERENCE = 1.0
"""In nats: the same model in another precision differs by some tenths at most, another model by many nats."""
PROBES_OF_ENCODERS = (PROBE, "The match ended 3 to 2.", "I want my money back.", "The vote is on Monday.")
"""The same for encoders: their log-probabilities add up to one, so that those of two encoders are more alike."""
MAX_PROBABILITY_DIFFERENCE = 0.25
"""In nats, for encoders: in bfloat16 `minilm-l6` differs by up to 0.1."""
MIN_COSINE = 0.999


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


class SavedSettings(BaseModel):
    """What is saved of a chain as JSON.

    Attributes:
        labels: the words of each label.
        shown: the examples in the prompt.
        examples: what was done with the labelled examples.
        has_mixture: whether a temperature and biases were fitted to them.
        noise_variance: of the language model's scores; `None` without an embedder.
        method: how the model scores labels.
        template: the sentence in which an encoder reads a label.
        sets_calibration, sets_rows: of the probabilities that label sets stand on, which are an array.
        seen_texts: of how many texts, which the chain learned from, a digest is in an array.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal["llmkit classification chain, version 1"] = "llmkit classification chain, version 1"
    labels: dict[str, str]
    multi_label: bool
    method: str = "likelihood"
    template: str | None = None
    contextual_calibration: bool
    threshold: float | None
    uncalibrated_threshold: float | None
    calibration: Calibration
    tuning: ClassificationTuning
    max_accuracy_loss: float | None = None
    shown: list[ShownExample] = []
    examples: ExamplesReport | None = None
    has_mixture: bool = False
    noise_variance: float | None = None
    embedder_prior: EmbedderPrior | None = None
    head: SavedHead | None = None
    guarantee: Guarantee | None = None
    sets_calibration: Calibration | None = None
    sets_rows: int = 0
    seen_texts: int = 0

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


def write_chain(folder: str | os.PathLike[str], settings: SavedSettings, arrays: Arrays) -> None:
    """Write both files; raise `InputError` if the folder cannot be written."""
    from safetensors.numpy import save

    path = Path(folder)
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    try:
        path.mkdir(parents=True, exist_ok=True)
        for name, data in ((ARRAYS_FILE, content), (SETTINGS_FILE, settings.model_dump_json(indent=1).encode())):
            unfinished = path / f"{name}.part-{os.getpid()}"
            unfinished.write_bytes(data)
            unfinished.replace(path / name)
    except OSError as error:
        raise InputError(f"the chain cannot be saved in {path}: {error}") from error


def read_chain(folder: str | os.PathLike[str]) -> tuple[SavedSettings, Arrays]:
    """Read both files; raise `InputError` if they are missing, damaged or of another version."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = Path(folder)
    try:
        settings = SavedSettings.model_validate_json(read_regular(path / SETTINGS_FILE))
        arrays = load(read_regular(path / ARRAYS_FILE, MAX_BYTES))
    except (OSError, ValidationError, SafetensorError) as error:
        raise InputError(f"{path} has no saved classification chain that can be read: {error}") from error
    return settings, {name: np.asarray(array, dtype=np.float64) for name, array in arrays.items()}


def digest(folder: str | os.PathLike[str]) -> str:
    """Return a digest of both files of a saved chain; raise `InputError` if they cannot be read."""
    try:
        parts = [read_regular(Path(folder) / name, MAX_BYTES) for name in (SETTINGS_FILE, ARRAYS_FILE)]
    except OSError as error:
        raise InputError(f"{folder} has no saved classification chain that can be read: {error}") from error
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def take_array(arrays: Mapping[str, NDArray[np.float64]], name: str, *shape: int) -> NDArray[np.float64]:
    """Return an array, or raise `InputError` if it is missing or of another shape."""
    found = arrays.get(name)
    if found is None or found.shape != shape:
        have = "is missing" if found is None else f"has the shape {found.shape}"
        raise InputError(f"the saved chain is damaged: its array {name!r} {have}, but must have the shape {shape}")
    if not np.isfinite(found).all():
        raise InputError(f"the saved chain is damaged: its array {name!r} has numbers that are not finite")
    return found


def validate_same_method(saved: SavedSettings, method: str, template: str | None) -> None:
    """Raise `InputError` if the model scores labels in another way than the one that the chain was saved with."""
    if saved.method != method:
        raise InputError(
            f"the chain was saved with a model that scores labels by {saved.method}, but this one does by {method}: "
            "load it with the same model, or fit a new chain"
        )
    if saved.template != template:
        raise InputError(
            f"the chain was saved with the template {saved.template!r}, but this model's is {template!r}: load the "
            "model with the same one, or fit a new chain"
        )


def validate_same_model(saved: NDArray[np.float64], found: NDArray[np.float64], max_difference: float) -> None:
    """Raise `InputError` if the scores of the probes are those of another model or prompt."""
    difference = float(np.abs(saved - found).max())
    if difference > max_difference:
        raise InputError(
            f"the chain was saved with another model or prompt: its labels' scores differ by up to "
            f"{difference:.1f} nats. Load it with the same ones, or fit a new chain"
        )


def validate_embedder_given(saved: SavedSettings, embedder: Any) -> None:
    """Raise `InputError` if a chain was saved with an embedder and none is given, or the reverse."""
    has_embedder = saved.noise_variance is not None
    if has_embedder and embedder is None:
        raise InputError("the chain was saved with an embedder: give the same one, such as embedder='minilm-l6'")
    if not has_embedder and embedder is not None:
        raise InputError("the chain was saved without an embedder: leave it out, or fit a new chain")


def validate_same_embedder(saved: NDArray[np.float64] | None, found: NDArray[np.float64]) -> None:
    """Raise `InputError` if the vector of the probe is that of another embedder."""
    if saved is None or saved.shape != found.shape or not saved @ found >= MIN_COSINE:  # also for NaN
        raise InputError("the chain was saved with another embedder: load it with the same one, or fit a new chain")


def save_rows(
    facts: Mapping[str, Any], arrays: Arrays, seen: SeenTexts, truth: TruthProbabilities | None
) -> tuple[dict[str, Any], Arrays]:
    """Return facts and arrays with digests of the texts that a chain learned from, and what its label sets stand on."""
    found = {**facts, "seen_texts": len(seen.digests)}
    added = {**arrays, "seen": np.array(sorted(seen.digests), dtype=np.float64)}
    if truth is None:
        return found, added
    found |= {"sets_calibration": truth.calibration, "sets_rows": len(truth.values)}
    return found, {**added, "sets": truth.values}


def load_rows(saved: SavedSettings, arrays: Arrays) -> tuple[SeenTexts, TruthProbabilities | None]:
    """Return what `save_rows` added; a chain that was saved by an earlier version has neither."""
    digests = take_array(arrays, "seen", saved.seen_texts) if saved.seen_texts else ()
    seen = SeenTexts(int(digest) for digest in digests)
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
