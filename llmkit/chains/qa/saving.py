"""What is saved of a chain that answers questions."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from llmkit.chains.qa.tuning import QATuning
from llmkit.chains.saving import SavedChain

Style = Literal["extractive", "abstractive"]


class SavedQA(SavedChain):
    """What is saved of a chain that answers questions as JSON.

    Attributes:
        method: how answers are found: by the likelihood of spans, or by the head of an encoder.
        style, top_k, max_answer_words, max_new_tokens, tuning: the arguments of the chain; the tuning as `calibrate`
            left it.
        examples: the labelled questions in the prompt.
        yes_no_threshold: the one in use for yes and no.
        calibrated: whether the confidences were fitted on this model.
        has_embedder: whether sentences are found by an embedder, too, of which a vector is saved as an array.
        english_only: whether it is used for English texts alone.
    """

    kind: ClassVar[str] = "question-answering"

    format: Literal["llmkit question-answering chain, version 1"] = "llmkit question-answering chain, version 1"
    threshold: float
    method: Literal["likelihood", "question-answering head"]
    style: Style
    top_k: int
    max_answer_words: int
    max_new_tokens: int
    tuning: QATuning
    examples: tuple[dict[str, Any], ...] = ()
    yes_no_threshold: float
    calibrated: bool
    has_embedder: bool = False
    english_only: bool = False

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the chain's constructor."""
        found = {"style": self.style, "max_answer_words": self.max_answer_words, "tuning": self.tuning}
        if self.method != "likelihood":  # the others are errors then
            return found
        return found | {name: getattr(self, name) for name in ("top_k", "max_new_tokens", "examples")}
