"""The log-odds of candidates are a weighted sum of scores and evidence; decoys are what no label asks for."""

import numpy as np
import pytest

from llmkit.chains.ner.entity_typing import LABEL_PHRASES
from llmkit.chains.ner.evidence import DECOYS, EVIDENCE, READINGS, EvidenceWeights, decoys
from llmkit.chains.ner.shapes import SHAPES, shapes
from llmkit.chains.ner.smollm2_weights import ANY_LABELS, NAMES
from llmkit.text.segmentation import Span
from llmkit.text.words import words


def test_the_fitted_weights_name_only_evidence() -> None:
    assert set(NAMES.evidence) <= set(EVIDENCE)
    assert all(set(own) <= {"constant", *EVIDENCE} for own in NAMES.of_label.values())
    assert set(NAMES.of_label) == set(LABEL_PHRASES)
    assert set(ANY_LABELS.evidence) <= set(SHAPES)
    assert len(set(READINGS)) == len(READINGS)


def test_labels_are_no_decoys_of_their_own() -> None:
    of_price = decoys([("a price", "an amount"), ("a gadget",)])
    assert {EVIDENCE[place] for place in of_price} == set(DECOYS) - {"a price", "an amount"}


def test_a_likelier_decoy_makes_a_label_less_likely() -> None:
    scores = np.array([[3.0, 0.0], [3.0, 0.0]])
    evidence = np.zeros((2, len(EVIDENCE)))
    evidence[1, EVIDENCE.index("a price")] = 5.0
    weights = EvidenceWeights(constant=-4.0, over_decoys=0.5)
    plain, taken = weights.log_odds(scores, evidence, decoys([("a product",), ("a date",)]))
    assert plain == pytest.approx([3 - 4 + 1.5, -4.0])
    assert taken == pytest.approx([3 - 4 - 1.0, -4 - 2.5])
    asked = weights.log_odds(scores, evidence, decoys([("a price",), ("a date",)]))
    assert asked[1] == pytest.approx(asked[0])


def test_a_usual_label_has_weights_of_its_own() -> None:
    scores, evidence = np.zeros((2, 2)), np.zeros((2, len(EVIDENCE)))
    evidence[1, EVIDENCE.index("one word")] = 1.0
    weights = EvidenceWeights(constant=-4.0, of_label={"person": {"constant": 1.0, "one word": 2.0}})
    assert weights.log_odds(scores, evidence, [], ["person", None]) == pytest.approx(np.array([[-3, -4], [-1, -4]]))
    assert weights.log_odds(scores, evidence, []) == pytest.approx(np.full((2, 2), -4.0))


def test_the_text_is_what_a_score_is_compared_with() -> None:
    scores = np.array([[2.0], [0.0], [1.0]])
    found = EvidenceWeights(constant=0.0, score=0.0, over_text=1.0).log_odds(scores, np.zeros((3, len(EVIDENCE))), [])
    assert found[:, 0] == pytest.approx([1.0, -1.0, 0.0])


def test_shapes_describe_a_candidate_and_what_is_beside_it() -> None:
    text = 'Then she met "Ada Lovelace" of IBM, 1843.'
    found = [Span(word.start, word.end) for word in words(text)]
    ada, ibm = Span(14, 26), Span(31, 34)
    assert (ada.of(text), ibm.of(text)) == ("Ada Lovelace", "IBM")
    of_ada, of_ibm = (dict(zip(SHAPES, row, strict=True)) for row in shapes(text, found, {3: 0.9}, [ada, ibm]))
    expected = {
        "two words": 1,
        "all have capitals": 1,
        "opened before": 1,
        "function word after": 1,
        "border before": 1,
    }
    assert {name: of_ada[name] for name in expected} == expected
    assert (of_ada["first name probability"], of_ada["last name probability"]) == (0.9, 0.5)
    assert (of_ibm["all capitals"], of_ibm["function word before"], of_ibm["begins sentence"]) == (1, 1, 0)
    assert shapes(text, found, {}, []).shape == (0, len(SHAPES))
