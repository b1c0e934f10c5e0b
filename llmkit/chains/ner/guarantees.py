"""How the share of false entities of a text depends on the threshold, and a threshold with a guaranteed share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmkit.chains.guarantees.conformal import control_expected_share
from llmkit.chains.guarantees.guarantee import Guarantee
from llmkit.chains.guarantees.thresholds import ShareOfFalse, Target, control_share
from llmkit.chains.ner.calibration import EntityDecoder, LabelledScores
from llmkit.text.segmentation import Span

LOWEST_THRESHOLD = 0.05
"""Of the thresholds that are tried; below it are candidates that are hardly ever entities."""


def guarantee_share(
    decoder: EntityDecoder, rows: Sequence[LabelledScores], error: float, confidence: float | None
) -> Guarantee:
    """Return the guarantee that on average at most the share `error` of the entities of a text is false.

    With a confidence the mean is over the texts in which entities are found; without, over all texts, of which those
    without entities have no false ones, and it is the expected one.
    """
    shares = [share_of_false(decoder, row) for row in rows]
    if confidence is None:
        return control_expected_share(shares, Target(error, unit="entities", lowest=LOWEST_THRESHOLD))
    return control_share(shares, Target(error, confidence, "entities", LOWEST_THRESHOLD))


def share_of_false(decoder: EntityDecoder, row: LabelledScores) -> ShareOfFalse:
    """Return the share of false entities of a labelled text with each threshold that changes what is found.

    An entity is false if its span or its label is not that of the labelled text.
    """
    labelled, scored = row
    probabilities = decoder.probabilities(scored)
    thresholds = np.unique(probabilities[probabilities >= LOWEST_THRESHOLD])[::-1]
    losses = []
    for threshold in thresholds.tolist():
        found = decoder.entities(scored, threshold)
        false = sum(labelled.entities.get(Span(entity.start, entity.end)) != entity.label for entity in found)
        losses.append(false / len(found))
    return ShareOfFalse(thresholds, np.array(losses, dtype=np.float64))
