"""What is saved of a chain that finds entities."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from llmkit.chains.calibration import Calibration, ExamplesReport
from llmkit.chains.ner.head import SpanHead
from llmkit.chains.ner.tuning import NERTuning
from llmkit.chains.saving import Arrays, SavedChain, take_array


class SavedNER(SavedChain):
    """What is saved of a chain that finds entities as JSON.

    Attributes:
        labels: the words of each label.
        method: how entities are found.
        proper_names, max_words, max_passage_tokens, tuning: the arguments of the chain.
        uncalibrated_threshold: the one of the constructor.
        calibration: of the probabilities.
        head_evidence: how many kinds of evidence a head was learned for; `None` without a head.
        examples: what was done with the labelled examples.
    """

    kind: ClassVar[str] = "entity"

    format: Literal["llmkit entity chain, version 1"] = "llmkit entity chain, version 1"
    threshold: float
    labels: dict[str, str]
    method: str
    proper_names: bool | None
    max_words: int
    max_passage_tokens: int
    tuning: NERTuning
    uncalibrated_threshold: float
    calibration: Calibration
    head_evidence: int | None = None
    examples: ExamplesReport | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the chain's constructor."""
        found: dict[str, Any] = {
            "labels": list(self.labels),
            "descriptions": {name: words for name, words in self.labels.items() if words != name.strip()},
            "threshold": self.uncalibrated_threshold,
        }
        if self.method == "token labels":  # the others are errors then
            return found
        names = ("proper_names", "max_words", "max_passage_tokens", "tuning")
        return found | {name: getattr(self, name) for name in names}


def save_head(head: SpanHead | None) -> tuple[int | None, Arrays]:
    """Return for how many kinds of evidence a head was learned, and its arrays."""
    if head is None:
        return None, {}
    return len(head.center), {"head.center": head.center, "head.scale": head.scale, "head.weights": head.weights}


def load_head(saved: SavedNER, arrays: Arrays) -> SpanHead | None:
    """Return the saved head, if there is one; raise `InputError` if it is damaged."""
    if (count := saved.head_evidence) is None:
        return None
    return SpanHead(
        take_array(arrays, "head.center", count),
        take_array(arrays, "head.scale", count),
        take_array(arrays, "head.weights", count + 1, len(saved.labels)),
    )
