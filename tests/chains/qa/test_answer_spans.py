"""Which sentences have answers: one that repeats the question has none."""

import pytest

from llmkit.chains.qa.answer_spans import repeats_question

QUESTION = "Who built the lighthouse?"


@pytest.mark.parametrize(
    "text",
    [QUESTION, "Question: who built the  lighthouse?", '"Who built the lighthouse?"', "And who built the lighthouse？"],
)
def test_a_sentence_that_is_the_question_is_recognized(text: str) -> None:
    assert repeats_question(text, QUESTION)


@pytest.mark.parametrize(
    "text",
    [
        "Maria Holm built the lighthouse.",
        "She knew who built the lighthouse: Maria Holm.",
        "Did you know that Maria Holm built the lighthouse?",
        "Who built the lighthouses?",
    ],
)
def test_other_sentences_may_answer(text: str) -> None:
    assert not repeats_question(text, QUESTION)
