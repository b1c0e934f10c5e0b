"""The evidence that an answer is right is made of what it says, and needs no embedder."""

import numpy as np
import pytest

from llmkit.chains.qa.answer_spans import AnswerSpan
from llmkit.chains.qa.evidence import EVIDENCE, MAX_LEAD, USUAL_SIMILARITY, lead, weigh
from llmkit.chains.qa.tuning import SMOLLM2_135M
from llmkit.retrieval import RetrievedSentence
from llmkit.text.segmentation import Span

TEXT = "Maria Holm built it in 1874."


def span(text: str, similarity: float | None = None, document: int = 0) -> AnswerSpan:
    start = TEXT.index(text)
    sentence = RetrievedSentence(0, len(TEXT), document, TEXT, similarity=similarity)
    return AnswerSpan(sentence, Span(start, start + len(text)), text)


def test_the_lead_is_over_the_best_span_elsewhere() -> None:
    spans = [span("Maria Holm"), span("Holm"), span("1874"), span("built it")]
    assert lead(spans, np.array([-1.0, -1.5, -4.0, -7.0]), 0) == 3
    assert lead(spans[:2], np.array([-1.0, -1.5]), 0) == MAX_LEAD
    assert lead([*spans, span("Maria Holm", document=1)], np.array([-1.0, -1.5, -4.0, -7.0, -1.25]), 0) == 0.25


@pytest.mark.parametrize("name", EVIDENCE)
def test_each_part_of_the_evidence_counts_by_its_weight(name: str) -> None:
    spans, scores, likelihoods = (
        [span("Holm", 0.75), span("1874", 0.75)],
        np.array([-5.0, -2.0]),
        np.array([-1.0, -6.0]),
    )
    known = {"score": -2.0, "lead": 3.0, "similarity": 0.75 - USUAL_SIMILARITY, "likelihood": -6.0}
    assert weigh(spans, scores, likelihoods, {name: 2.0}) == pytest.approx(2 * known[name])


def test_without_an_embedder_the_similarity_is_no_evidence() -> None:
    assert weigh([span("1874")], np.array([-2.0]), np.array([-3.0]), {"similarity": 5.0}) == 0


def test_without_weights_the_evidence_is_the_score() -> None:
    assert weigh([span("1874"), span("Holm")], np.array([-2.0, -1.0]), np.array([0.0, -9.0]), {}) == -1.0


def test_of_two_answers_with_the_same_score_the_likelier_one_is_surer() -> None:
    scores = np.array([-2.0])
    sure, unsure = (
        SMOLLM2_135M.confidence(weigh([span("1874", 0.6)], scores, np.array([one]), SMOLLM2_135M.evidence_weights))
        for one in (-1.0, -9.0)
    )
    assert sure > unsure
