"""The weights of the scores and the evidence with the model smollm2-135m.

Fitted by maximum likelihood of the labelled analyses (see `lattice`) with an L2 penalty that cross-validation chose:
`NAMES` on texts of WikiNEuRal and WNUT-17 together, `ANY_LABELS` on half of `benchmarks/genre_entities.jsonl`; no
figure in the documentation is measured on any of these. The weight of a comma was fitted as -0.1; with -1.6 the F1 of
these texts is as high, and "Paris, France" is two places.
"""

from __future__ import annotations

from llmkit.chains.ner.evidence import EvidenceWeights

# fmt: off
NAMES = EvidenceWeights(
    constant=-5.677,
    score=0.692,
    evidence={
        "border cost": -0.646, "one word": -0.224, "two words": 0.0189, "three words": -0.229, "more words": 0.249,
        "length": 0.175, "all have capitals": 0.256, "none has a capital": 0.403, "first is lower": -0.17,
        "last is lower": 0.00963, "all capitals": -0.0626, "has digit": -0.426, "function word first": -0.539,
        "function word inside": 0.3, "conjunction inside": -0.356, "comma inside": -1.6, "sign inside": -0.204,
        "least name probability": -0.0126, "mean name probability": 0.0823, "first name probability": 0.0378,
        "last name probability": -0.0784, "begins sentence": -0.834, "ends text": 0.312, "capital before": -0.21,
        "capital after": -0.244, "lower after": -0.014, "opened before": -0.641, "possessive after": 0.565,
        "@ before": -0.214, "# before": -1.68, "function word before": -0.109, "function word after": -0.0158,
        "border before": 0.0985, "border after": 0.108, "between borders": -0.0157, "name probability before": -0.203,
        "name probability after": -0.684, "a person": -0.042, "a man": 0.0706, "a woman": -0.0872, "a player": 0.0495,
        "an organization": 0.0376, "a company": 0.0706, "a team": -0.0498, "a group": -0.0703, "a band": 0.166,
        "a university": 0.084, "a newspaper": 0.192, "a journal": -0.139, "a place": -0.031, "a location": 0.0643,
        "a city": 0.0333, "a country": 0.0274, "a town": 0.0731, "a river": 0.102, "an event": -0.134,
        "a championship": -0.0454, "a film": 0.0196, "an album": -0.0421, "a product": 0.00563, "a ship": -0.0875,
        "a job": -0.0248, "a food": -0.0246, "a disease": 0.0276, "an animal": 0.0351, "a day": -0.0696,
        "a date": -0.0253, "a time": 0.029, "a number": -0.0556, "a price": -0.0177, "an amount": -0.102,
        "a name": 0.163, "a title": -0.0738, "a word": -0.188, "a verb": -0.08, "an adjective": 0.0822,
        "a question": -0.145, "a quote": 0.0697,
    },
)
NAMES_WITHOUT_CASE = EvidenceWeights(constant=-14.2, score=3.0)  # set by hand, on 16 sentences in seven languages
ANY_LABELS = EvidenceWeights(
    constant=-6.345,
    score=0.114,
    over_text=0.644,
    over_decoys=0.189,
    evidence={
        "one word": -0.373, "two words": 0.637, "three words": 0.12, "more words": -0.0965, "length": 0.747,
        "all have capitals": -0.115, "none has a capital": 0.412, "first is lower": 0.149, "last is lower": 0.432,
        "all capitals": 2.7, "has digit": 0.438, "function word first": -1.2, "function word inside": -0.649,
        "conjunction inside": 0.273, "comma inside": 0.121, "sign inside": -0.953, "value": -0.96,
        "begins sentence": 0.0966, "ends text": -0.642, "capital before": -0.481, "capital after": -0.0722,
        "lower after": 0.204, "opened before": -0.864, "function word before": 0.735, "function word after": -0.328,
        "border before": -0.0386, "border after": 0.487, "between borders": 0.434,
    },
)
# fmt: on
