"""Results of classification, and the rows that `calibrate` takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Literal

from langchain_core.documents import Document
from pydantic import ConfigDict

from llmkit.chains.guarantees.guarantee import GuaranteedResult
from llmkit.chains.html import bars
from llmkit.chains.inputs import parse_text
from llmkit.errors import InputError, kind_of

Evidence = Literal["model", "both", "head", "embedder"]
Method = Literal[
    "likelihood", "structured output", "entailment", "relevance", "similarity", "masked words", "classifier"
]


class Classification(GuaranteedResult):
    """The labels of a text.

    Attributes:
        label: the most likely label; `None` if none reaches the chain's threshold.
        labels: with `multi_label`, every label that reaches the threshold, the most likely first; else the one label,
            if any.
        scores: the probability of each label, in the order in which the labels were given. They add up to one; with
            `multi_label` each is between 0 and 1 by itself. Empty for a model that returns no log-likelihoods.
        calibrated: whether the probabilities were fitted to labelled texts: by `calibrate`, for these labels.
        passages: how many passages the text was read in: more than one if it is longer than the context window; then
            the probabilities are their means, weighted by length.
        method: "likelihood" of a language model; "structured output" for a model that returns no log-likelihoods and
            was asked to choose; by the head of an encoder, "entailment", "relevance", "similarity", "masked words" or
            "classifier".
        evidence: what the probabilities stand on: "model", the model alone; "both", the language model and the
            embedder; "head", both and what was learned from labelled texts; "embedder", the embedder and what was
            learned, because it was sure enough without the language model.
    """

    model_config = ConfigDict(frozen=True)

    label: str | None
    labels: tuple[str, ...]
    scores: dict[str, float]
    calibrated: bool = False
    passages: int = 1
    method: Method = "likelihood"
    evidence: Evidence = "model"

    def _repr_html_(self) -> str:
        if not self.scores:
            return f"<p>{escape(', '.join(self.labels) or 'no label')} <small>(no probabilities)</small></p>"
        return bars(self.scores, marked=self.labels)

    @classmethod
    def from_probabilities(
        cls, probabilities: Mapping[str, float], threshold: float | None, *, multi_label: bool, **facts: Any
    ) -> Classification:
        """Return the result of these probabilities: the labels that reach the threshold, or the likeliest one."""
        ranked = sorted(probabilities, key=lambda label: -probabilities[label])
        likely = [label for label in ranked if threshold is None or probabilities[label] >= threshold]
        labels = tuple(likely if multi_label else likely[:1])
        return cls(label=next(iter(labels), None), labels=labels, scores=dict(probabilities), **facts)

    @classmethod
    def without_scores(cls, labels: tuple[str, ...], passages: int) -> Classification:
        """Return the choice of a model that returns no log-likelihoods."""
        label = next(iter(labels), None)
        return cls(label=label, labels=labels, scores={}, passages=passages, method="structured output")


def parse_rows(rows: Any) -> tuple[list[str], list[Any] | None]:
    """Return the texts of the rows, and their labels if they have any."""
    if isinstance(rows, str | Document | Mapping) or not isinstance(rows, Sequence):
        raise InputError(f"rows is {kind_of(rows)}, but must be a list of texts or of labelled texts")
    if not rows:
        raise InputError("there are no rows to calibrate with")
    labelled = [isinstance(row, Mapping) and {"input", "output"} <= row.keys() for row in rows]
    texts = []
    for number, (row, has_label) in enumerate(zip(rows, labelled, strict=True), 1):
        if has_label != labelled[0]:
            raise InputError(f"row {number} has {'a' if has_label else 'no'} label, but row 1 has not the same form")
        if isinstance(row, list | tuple):
            raise InputError(f"row {number} is a list, but must be a text or {{'input': text, 'output': label}}")
        try:
            texts.append(parse_text(row["input"] if has_label else row))
        except InputError as error:
            raise InputError(f"row {number}: {error}") from error
    return texts, [row["output"] for row in rows] if all(labelled) else None
