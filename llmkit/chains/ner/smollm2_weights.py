"""The weights of the scores and the evidence with the model smollm2-135m.

Fitted by maximum likelihood of the labelled analyses (see `lattice`) with an L2 penalty that cross-validation chose:
`NAMES` on texts of WikiNEuRal and WNUT-17 together, `ANY_LABELS` on half of `benchmarks/genre_entities.jsonl`; no
figure in the documentation is measured on any of these. The weights of a label have a larger penalty than those that
all labels share. The weight of a comma was fitted as -0.4; with -1.6 the F1 of these texts is as high, and "Paris,
France" is two places.
"""

from __future__ import annotations

from llmkit.chains.ner.evidence import EvidenceWeights

# fmt: off
NAMES = EvidenceWeights(
    constant=-4.77,
    score=0.736,
    evidence={
        "border cost": -0.697, "one word": 0.209, "two words": -0.107, "three words": -0.503, "more words": 0.246,
        "length": 0.0164, "all have capitals": 0.33, "none has a capital": 1.01, "first is lower": -0.512,
        "last is lower": 0.128, "all capitals": 1.04, "has digit": -0.978, "function word first": -1.16,
        "function word inside": 0.425, "conjunction inside": -0.403, "comma inside": -1.6, "sign inside": -0.787,
        "value": 0, "least name probability": -0.458, "mean name probability": -0.533,
        "first name probability": -0.198, "last name probability": -0.1, "begins sentence": -1.11,
        "ends text": 0.0221, "capital before": -0.393, "capital after": 0.202, "lower after": -0.149,
        "opened before": -1.33, "possessive after": 1.35, "@ before": -1.62, "# before": -3.97,
        "function word before": 0.0904, "function word after": 0.139, "border before": -0.0899,
        "border after": -0.578, "between borders": 0.102, "name probability before": -0.193,
        "name probability after": -1.08, "a person": -0.065, "a man": -0.0344, "a woman": -0.148, "a player": 0.135,
        "an organization": 0.105, "a company": 0.089, "a team": -0.0923, "a group": -0.175, "a band": 0.11,
        "a university": 0.132, "a newspaper": 0.205, "a journal": -0.107, "a place": -0.0812, "a location": -0.00219,
        "a city": 0.0589, "a country": 0.0212, "a town": 0.0215, "a river": 0.188, "an event": -0.144,
        "a championship": -0.0358, "a film": 0.087, "an album": -0.0399, "a product": -0.0859, "a ship": -0.235,
        "a job": -0.0309, "a food": -0.0516, "a disease": 0.0149, "an animal": 0.185, "a day": -0.0464,
        "a date": 0.0209, "a time": 0.00434, "a number": 0.063, "a price": -0.0889, "an amount": -0.225,
        "a name": 0.335, "a title": -0.155, "a word": -0.106, "a verb": -0.0846, "an adjective": 0.0727,
        "a question": -0.307, "a quote": 0.142, "mention": 0.705, "mention by length": 0.0381,
        "longer mention": -0.19, "whole mention": 0.225,
    },
    of_label={
        "person": {
            "constant": 1.29, "border cost": -0.0876, "one word": -0.157, "two words": 0.317, "three words": -0.0582,
            "more words": -0.0679, "length": -0.0674, "all have capitals": 0.0256, "none has a capital": 0.215,
            "first is lower": 0.089, "last is lower": 0.0808, "all capitals": 0.0355, "has digit": 0.0039,
            "function word first": -0.0527, "function word inside": -0.0728, "conjunction inside": -0.0797,
            "sign inside": 0.0669, "least name probability": 0.146, "mean name probability": 0.0105,
            "first name probability": -0.0566, "last name probability": 0.009, "begins sentence": -0.273,
            "ends text": -0.165, "capital before": 0.113, "capital after": -0.0485, "lower after": 0.112,
            "opened before": -0.113, "possessive after": 0.417, "@ before": 0.242, "# before": -0.0526,
            "function word before": -0.00437, "function word after": 0.078, "border before": -0.061,
            "border after": -0.0823, "between borders": -0.124, "name probability before": 0.135,
            "name probability after": -0.435, "a person": 0.0314, "a man": 0.0942, "a woman": 0.0782,
            "a player": 0.0356, "an organization": -0.0282, "a company": -0.0754, "a team": 0.0253,
            "a group": -0.0515, "a band": 0.0429, "a university": 0.00532, "a newspaper": -0.0275, "a place": -0.0962,
            "a location": -0.0614, "a city": -0.0497, "a country": -0.0827, "a town": -0.0462, "a river": 0.0519,
            "an event": -0.0362, "a championship": 0.0165, "a film": 0.0365, "an album": 0.0122, "a product": -0.0208,
            "a ship": 0.0259, "a job": -0.0132, "a food": 0.0155, "a disease": 0.0658, "an animal": 0.00979,
            "a day": 0.0173, "a date": -0.00932, "a time": -0.00222, "a number": 0.0237, "a price": 0.0279,
            "an amount": 0.00523, "a name": 0.0337, "a title": -0.017, "a word": -0.0311, "a verb": 0.00915,
            "an adjective": 0.00209, "a question": -0.00451, "a quote": 0.0389, "mention": 0.0724,
            "mention by length": 0.0117, "longer mention": -0.00929, "whole mention": 0.000606,
        },
        "organization": {
            "constant": -0.227, "border cost": -0.0135, "one word": 0.12, "two words": -0.218, "three words": 0.0285,
            "more words": 0.0467, "length": -0.0125, "all have capitals": -0.11, "none has a capital": 0.116,
            "first is lower": -0.00695, "last is lower": 0.0885, "all capitals": -0.109, "has digit": -0.0771,
            "function word first": -0.0585, "function word inside": 0.0692, "conjunction inside": 0.114,
            "sign inside": -0.123, "least name probability": -0.141, "mean name probability": -0.207,
            "first name probability": -0.0399, "last name probability": -0.062, "begins sentence": 0.223,
            "ends text": 0.167, "capital before": -0.111, "capital after": -0.0898, "lower after": -0.0175,
            "opened before": -0.576, "possessive after": 0.117, "@ before": -0.239, "# before": -0.892,
            "function word before": -0.0378, "function word after": 0.0525, "border before": 0.00631,
            "border after": 0.0703, "between borders": 0.0298, "name probability before": -0.279,
            "name probability after": 0.0395, "a person": -0.00146, "a man": -0.0682, "a woman": -0.0547,
            "a player": 0.0143, "an organization": 0.0426, "a company": 0.0423, "a team": 0.001, "a group": -0.0399,
            "a band": 0.016, "a university": 0.0177, "a newspaper": 0.0555, "a journal": 0.0436, "a place": 0.076,
            "a location": 0.0101, "a city": 0.0168, "a country": 0.0852, "a town": 0.00631, "a river": -0.03,
            "an event": -0.00642, "a championship": -0.0286, "a film": -0.0248, "an album": -0.0151,
            "a product": 0.0115, "a ship": -0.0221, "a job": 0.0116, "a food": -0.0295, "a disease": -0.0658,
            "an animal": -0.00291, "a day": -0.0145, "a date": -0.00482, "a time": -0.0109, "a number": -0.0354,
            "a price": -0.0482, "an amount": -0.0335, "a name": 0.00334, "a title": 0.00427, "a word": 0.0451,
            "a verb": 0.0025, "an adjective": -0.0455, "a question": -0.0218, "a quote": 0.00957, "mention": 0.0609,
            "mention by length": 0.0551, "longer mention": -0.0512, "whole mention": 0.0341,
        },
        "location": {
            "constant": -0.283, "border cost": -0.015, "one word": 0.0718, "two words": -0.117,
            "three words": -0.0543, "more words": 0.0622, "length": 0.0826, "all have capitals": 0.14,
            "none has a capital": -0.163, "first is lower": -0.167, "last is lower": -0.148, "all capitals": 0.247,
            "has digit": -0.0899, "function word first": -0.0817, "function word inside": 0.0745,
            "conjunction inside": -0.101, "sign inside": -0.0754, "least name probability": -0.0815,
            "mean name probability": 0.107, "first name probability": 0.0635, "last name probability": 0.0362,
            "begins sentence": -0.135, "ends text": 0.00152, "capital before": -0.0673, "capital after": 0.172,
            "lower after": -0.119, "opened before": 0.467, "possessive after": -0.309, "@ before": -0.273,
            "# before": 0.283, "function word before": 0.0572, "function word after": -0.107, "border before": 0.0398,
            "border after": -0.0843, "between borders": 0.111, "name probability before": 0.112,
            "name probability after": 0.215, "a person": -0.0408, "a man": -0.0317, "a woman": -0.0482,
            "a player": -0.0274, "an organization": 0.00311, "a company": 0.048, "a team": -0.0416, "a group": 0.0624,
            "a band": -0.0405, "a university": -0.00101, "a newspaper": 0.00614, "a journal": -0.0611,
            "a place": 0.00671, "a location": 0.051, "a city": 0.0428, "a country": 0.00101, "a town": 0.0434,
            "a river": 0.00944, "an event": 0.0187, "a championship": 0.00613, "a film": 0.00275,
            "an album": -0.00373, "a product": -0.00501, "a ship": -0.043, "a job": -0.00357, "a food": 0.0054,
            "a disease": 0.00252, "an animal": 0.024, "a day": -0.0106, "a date": 0.0176, "a time": 0.0139,
            "a number": 0.0222, "a price": 0.00551, "an amount": -0.00923, "a name": 0.0188, "a title": -0.0131,
            "a word": -0.0317, "a verb": -0.0257, "an adjective": 0.0555, "a question": -0.0249, "a quote": -0.0247,
            "mention": -0.0158, "mention by length": -0.0604, "longer mention": 0.0287, "whole mention": 0.00277,
        },
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
