"""The result of classification."""

from __future__ import annotations

from html import escape
from typing import Literal

from pydantic import BaseModel, ConfigDict

from llmkit.chains.html import bars


class Classification(BaseModel):
    """The labels of a text.

    Attributes:
        label: the most likely label; `None` if none reaches the chain's threshold.
        labels: with `multi_label`, every label that reaches the threshold, the most likely first; else the one label,
            if any.
        scores: the probability of each label, in the order in which the labels were given. They add up to one; with
            `multi_label` each is between 0 and 1 by itself. Empty for a model that returns no log-likelihoods.
        calibrated: whether the probabilities were fitted to labelled texts: by `calibrate`, for these labels.
        method: "likelihood", or "structured output" for a model that returns no log-likelihoods and was asked to
            choose.
    """

    model_config = ConfigDict(frozen=True)

    label: str | None
    labels: tuple[str, ...]
    scores: dict[str, float]
    calibrated: bool = False
    method: Literal["likelihood", "structured output"] = "likelihood"

    def _repr_html_(self) -> str:
        if not self.scores:
            return f"<p>{escape(', '.join(self.labels) or 'no label')} <small>(no probabilities)</small></p>"
        return bars(self.scores, marked=self.labels)
