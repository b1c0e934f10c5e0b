"""Sets of labels that have the true one with a given probability (conformal prediction)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from langchain_core.runnables import RunnableConfig
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from llmkit.chains.base import Chain
from llmkit.chains.calibration import Calibration, Matrix
from llmkit.chains.guarantees.conformal import rows_for_coverage, set_threshold
from llmkit.chains.inputs import Text, TextInput, parse_text
from llmkit.errors import InputError


class LabelSet(BaseModel):
    """The labels that a text may have.

    Attributes:
        labels: the likeliest first, never empty. With the probability `coverage` the true label is among them; with
            `multi_label`, all true labels are.
        scores: the probability of each label, in the order in which the labels were given.
        coverage: the probability, over the draw of the rows and of the text.
        rows: how many labelled rows it stands on. Where they are too few for the coverage, every label is in the set.
    """

    model_config = ConfigDict(frozen=True)

    labels: tuple[str, ...]
    scores: dict[str, float]
    coverage: float
    rows: int


@dataclass(frozen=True)
class TruthProbabilities:
    """How likely a chain thought the true labels of rows that it had not learned from.

    Attributes:
        calibration: with which these probabilities were computed.
        values: the probability of the true label of each row; with several labels, of the least likely one.
    """

    calibration: Calibration
    values: NDArray[np.float64]

    @classmethod
    def from_scores(cls, calibration: Calibration, scores: Matrix, truth: NDArray[np.bool_]) -> TruthProbabilities:
        """Return the probabilities of the true labels, which are [rows, labels], as the scores are."""
        return cls(calibration, np.where(truth, calibration.probabilities(scores), 1.0).min(axis=1))


class LabelSets(Chain[Text, str, LabelSet]):
    """A chain that returns sets of labels; see `ZeroShotClassificationChain.sets`.

    Attributes:
        coverage: the probability that a set has the true label.
        threshold: the least probability of a label in a set; the likeliest label is in it in any case.
        is_trivial: whether the rows are too few for this coverage, so that every label is in every set.
    """

    tool_name = "find_possible_labels"
    tool_description = "Say which labels a text may have, so that the true one is among them with a known probability."
    tool_input = TextInput

    def __init__(
        self,
        score: Callable[[Sequence[str]], Sequence[NDArray[np.float64] | Exception]],
        labels: Sequence[str],
        rows: TruthProbabilities,
        coverage: Any,
    ) -> None:
        if isinstance(coverage, bool) or not isinstance(coverage, int | float) or not 0 < coverage < 1:
            raise InputError(f"coverage is {coverage!r}, but must be above 0 and below 1")
        self._score, self.labels, self._rows, self.coverage = score, tuple(labels), rows, float(coverage)
        self.threshold = set_threshold(rows.values, coverage)
        self.is_trivial = len(rows.values) < rows_for_coverage(coverage)

    def prepare(self, input: Text) -> str:
        """Check that the text is not empty."""
        return parse_text(input)

    def run(self, prepared: Sequence[str], configs: Sequence[RunnableConfig]) -> list[LabelSet | Exception]:
        """Return the set of each text."""
        scored = self._score(prepared)
        return [row if isinstance(row, Exception) else self._set(row) for row in scored]

    def _set(self, row: NDArray[np.float64]) -> LabelSet:
        probabilities = self._rows.calibration.probabilities(row[None])[0]
        ranked = np.argsort(-probabilities, kind="stable")
        chosen = [index for place, index in enumerate(ranked) if not place or probabilities[index] >= self.threshold]
        scores: dict[str, Any] = dict(zip(self.labels, map(float, probabilities), strict=True))
        labels = tuple(self.labels[index] for index in chosen)
        return LabelSet(labels=labels, scores=scores, coverage=self.coverage, rows=len(self._rows.values))
