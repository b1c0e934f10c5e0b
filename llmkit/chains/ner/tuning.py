"""The numbers of NERChain that depend on the model."""

from __future__ import annotations

import math
from dataclasses import dataclass

from llmkit.chains.ner.evidence import BORDERS_AND_SCORE, EvidenceWeights
from llmkit.chains.ner.smollm2_weights import ANY_LABELS, NAMES, NAMES_WITHOUT_CASE
from llmkit.chains.tuning import Tuning

Capitals = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class NERTuning(Tuning):
    """What was fitted on one model for names of people, organizations and places. Scores and costs are in nats.

    Attributes:
        names: what the scores and the evidence count where all labels stand for people, organizations or places.
            Neutral: the score less the cost of the borders, and a constant of -3.9, the log-odds of one entity among
            fifty spans, whatever the model.
        names_without_case: the same for names in a text whose letters have no case, such as Chinese. Its words often
            stand without spaces, so that many spans with nearly the same borders compete for one name.
        any_labels: the same for other labels, and for entities that are no proper names.
        prior_share: the share of each label's prior that is subtracted, from 0 to 1. Neutral: 1, as published
            (contextual calibration, Zhao et al. 2021).
        reference_phrase: what the phrases of a label are compared with: what any candidate could be called.
        capitals: the evidence of a word's capital for a name: of any capital, what is added within a sentence, and of
            no capital. Neutral: 1, 1 and -1, each a little evidence.
        capitals_in_one_case: the same in a text that is all in capitals, or has none.
        common_word: a word that the model expects with less surprise is no part of a name: "I" has a capital, but is
            none. Neutral: 0, no word.
        edge_cost: the cost of a candidate that begins or ends with a word that is surely no part of a name, for each.
            Neutral: 1.
        neighbor_cost: the cost of leaving out the word before or after it that is surely part of a name. Neutral: 1.
        number_probability: how likely a number is part of a name: "Apollo 11" is one, "2011" is none.
        max_border_cost: candidates whose edges and neighbors cost more are not scored. Neutral: no limit.
    """

    names: EvidenceWeights = BORDERS_AND_SCORE
    names_without_case: EvidenceWeights = BORDERS_AND_SCORE
    any_labels: EvidenceWeights = BORDERS_AND_SCORE
    prior_share: float = 1.0
    reference_phrase: str = "a thing"
    capitals: Capitals = (1.0, 1.0, -1.0)
    capitals_in_one_case: Capitals = (0.0, 0.0, 0.0)
    common_word: float = 0.0
    edge_cost: float = 1.0
    neighbor_cost: float = 1.0
    number_probability: float = 0.5
    max_border_cost: float = math.inf


NEUTRAL = NERTuning()
SMOLLM2_135M = NERTuning(
    model="smollm2-135m",
    names=NAMES,
    names_without_case=NAMES_WITHOUT_CASE,
    any_labels=ANY_LABELS,
    prior_share=0.5,
    capitals=(1.0, 3.0, -4.0),
    capitals_in_one_case=(0.0, 0.0, -1.0),
    common_word=5.0,
    edge_cost=2.5,
    neighbor_cost=2.5,
    max_border_cost=4.0,
)
"""Chosen on rows of WikiNEuRal and WNUT-17, and for other labels on texts of many genres; no figure in the docs is
measured on any of these."""
