"""The weights of the scores and the evidence with the model smollm2-135m.

Fitted by maximum likelihood of the labelled analyses (see `lattice`) with an L2 penalty that cross-validation chose:
`NAMES` on texts of WikiNEuRal and WNUT-17 together, `ANY_LABELS` on half of `benchmarks/genre_entities.jsonl`; no
figure in the documentation is measured on any of these.
"""

from __future__ import annotations

from llmkit.chains.ner.evidence import EvidenceWeights

# fmt: off
NAMES = EvidenceWeights(
    constant=-4.588,
    score=0.77,
    evidence={
        "border cost": -0.715, "one word": -0.281, "two words": 0.0235, "three words": -0.336, "more words": 0.339,
        "length": 0.0111, "all have capitals": 0.294, "none has a capital": 0.764, "first is lower": -0.583,
        "last is lower": 0.0961, "all capitals": 0.744, "has digit": -0.462, "function word first": -0.88,
        "function word inside": 0.536, "conjunction inside": -0.0484, "comma inside": -0.0705, "sign inside": -0.481,
        "least name probability": -0.244, "mean name probability": -0.404, "first name probability": -0.332,
        "last name probability": -0.264, "begins sentence": -0.895, "ends text": 0.135, "capital before": -0.376,
        "capital after": 0.175, "lower after": -0.184, "opened before": -1.18, "possessive after": 1.12,
        "@ before": -1.25, "# before": -4.03, "function word before": -0.0289, "function word after": 0.121,
        "border before": -0.0226, "border after": -0.466, "between borders": 0.164, "name probability before": -0.296,
        "name probability after": -1.26, "a person": -0.151, "a man": -0.0498, "a woman": -0.0453,
        "a character": 0.0741, "a player": 0.19, "an actor": 0.0318, "a politician": 0.137, "an organization": 0.0174,
        "a company": 0.0875, "a team": -0.0665, "a group": -0.221, "a band": 0.174, "a party": -0.0575,
        "a club": 0.0562, "a school": -0.0599, "a university": 0.102, "a newspaper": 0.0768, "a journal": -0.127,
        "a league": 0.0174, "a brand": -0.0965, "a place": 0.0153, "a location": 0.0557, "a city": 0.0422,
        "a country": 0.0492, "a town": 0.0644, "a state": 0.138, "a region": -0.0162, "a river": 0.166,
        "a street": -0.0255, "an event": -0.132, "a war": -0.0344, "a festival": 0.0203, "a season": -0.0135,
        "a championship": -0.0324, "a holiday": -0.12, "an award": 0.0519, "a law": 0.153, "a film": 0.0583,
        "a song": 0.00808, "a book": 0.109, "a game": -0.0479, "an album": -0.0851, "a show": 0.0558,
        "a product": -0.033, "a car": -0.0573, "a ship": -0.189, "a website": -0.01, "a day": -0.0124,
        "a month": 0.0536, "a year": -0.0611, "a date": -0.0275, "a price": -0.0699, "an amount": -0.187,
        "a language": 0.0285, "a nationality": -0.013, "a religion": -0.0417, "a role": -0.0859, "a job": 0.00244,
        "a food": -0.0517, "a disease": -0.0593, "a drug": 0.0271, "an animal": 0.137, "a plant": -0.0117,
        "a species": 0.0543, "a name": 0.286, "a title": -0.149, "a word": -0.0314, "a noun": 0.0918,
        "a pronoun": -0.0381, "a verb": -0.17, "an adjective": 0.0411, "a phrase": -0.107, "a sentence": -0.0272,
        "a quote": 0.239, "a message": -0.0889, "a question": -0.218, "a reference": -0.165,
    },
)
ANY_LABELS = EvidenceWeights(
    constant=-6.292,
    score=0.122,
    over_text=0.653,
    over_decoys=0.164,
    evidence={
        "one word": -0.388, "two words": 0.634, "three words": 0.142, "more words": -0.0944, "length": 0.746,
        "all have capitals": -0.0854, "none has a capital": 0.419, "first is lower": 0.11, "last is lower": 0.434,
        "all capitals": 2.69, "has digit": 0.455, "function word first": -1.22, "function word inside": -0.664,
        "conjunction inside": 0.3, "comma inside": 0.086, "sign inside": -0.983, "value": -0.991,
        "begins sentence": 0.0967, "ends text": -0.623, "capital before": -0.487, "capital after": -0.0853,
        "lower after": 0.212, "opened before": -0.869, "function word before": 0.738, "function word after": -0.33,
        "border before": -0.0579, "border after": 0.469, "between borders": 0.405,
    },
)
# fmt: on
