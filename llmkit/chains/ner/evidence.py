"""The log-odds of each candidate as each label: a weighted sum of the label's score and of other evidence.

The score counts by itself, by how much it exceeds the mean of the text's candidates, and by how much it exceeds the
likeliest decoy: the usual things that nobody asked for, so that a price is no product. What a candidate's words look
like, how the model reads it, and how likely it quotes it, is evidence for an entity of any label, with the same weights
for all labels. The usual labels have weights of their own on top of these: a person is rather one word in quotation
marks than a place is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from llmkit.chains.calibration import Matrix
from llmkit.chains.ner.mentions import MENTIONS
from llmkit.chains.ner.shapes import SHAPES

DECOYS = (
    *("a person", "a man", "a woman", "a player", "an organization", "a company", "a team", "a group", "a band"),
    *("a university", "a newspaper", "a journal", "a place", "a location", "a city", "a country", "a town", "a river"),
    *("an event", "a championship", "a film", "an album", "a product", "a ship", "a job", "a food", "a disease"),
    *("an animal", "a day", "a date", "a time", "a number", "a price", "an amount"),
)
"""The usual things that a candidate may be, beside what the labels ask for: nouns of one token, which cost a forward
pass nothing beyond "a" and "an"."""
READINGS = (*DECOYS, "a name", "a title", "a word", "a verb", "an adjective", "a question", "a quote")
"""What the model may read a candidate as, whatever the labels. Chosen by F1 without examples on labelled texts that the
weights were not fitted to: fewer find less, and all of seventy nouns find no more."""
EVIDENCE = ("border cost", *SHAPES, *READINGS, *MENTIONS)
"""The columns of the evidence."""


@dataclass(frozen=True)
class EvidenceWeights:
    """The weights of the sum.

    Attributes:
        constant: added, in nats. The default is the log-odds of one entity among fifty spans.
        score: of the label's score.
        over_text: of how much it exceeds its mean over the text's candidates.
        over_decoys: of how much it exceeds the likeliest decoy.
        evidence: by names of `EVIDENCE`; of those left out, none.
        of_label: what a usual label adds to these, by its name; its constant is named "constant".
    """

    constant: float = -3.9
    score: float = 1.0
    over_text: float = 0.0
    over_decoys: float = 0.0
    evidence: Mapping[str, float] = field(default_factory=lambda: {"border cost": -1.0})
    of_label: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def log_odds(
        self, scores: Matrix, evidence: Matrix, decoys: Sequence[int], labels: Sequence[str | None] = ()
    ) -> Matrix:
        """Return the log-odds of each candidate of a text as each label, [candidates, labels].

        Args:
            scores: of the labels, [candidates, labels].
            evidence: [candidates, evidence].
            decoys: the columns of the evidence that are decoys.
            labels: the name of each label that is a usual one, and `None` for any other.
        """
        log_odds = self.constant + self.score * scores + (evidence @ _column(self.evidence))[:, None]
        for place, label in enumerate(labels):
            if label is not None and (own := self.of_label.get(label)):
                log_odds[:, place] += own.get("constant", 0.0) + evidence @ _column(own)
        if self.over_text and len(scores):
            log_odds = log_odds + self.over_text * (scores - scores.mean(axis=0))
        if self.over_decoys and decoys:
            likeliest = evidence[:, list(decoys)].max(axis=1, keepdims=True)
            log_odds = log_odds + self.over_decoys * (scores - likeliest)
        return np.asarray(log_odds)


def _column(weights: Mapping[str, float]) -> NDArray[np.float64]:
    return np.array([weights.get(name, 0.0) for name in EVIDENCE])


BORDERS_AND_SCORE = EvidenceWeights()
"""The weights for a model that nothing was fitted on."""


def decoys(phrases: Sequence[Sequence[str]]) -> list[int]:
    """Return the columns of the evidence that are decoys for labels with these phrases: those that no label has."""
    asked = {phrase for row in phrases for phrase in row}
    return [EVIDENCE.index(reading) for reading in DECOYS if reading not in asked]
