"""Yes/no questions get yes or no with the sentence that says so, or no answer and the sentences that are near."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from llmkit import HuggingFaceChat
from llmkit.chains import Answer, QAChain, QATuning
from llmkit.chains.qa.calibration import ScoredRow, calibrated_tuning
from llmkit.chains.qa.question_form import yes_or_no
from llmkit.chains.qa.tuning import SMOLLM2_135M
from llmkit.chains.qa.yes_no import YesNoInput, choose, coverages
from llmkit.errors import InputError
from llmkit.retrieval import RetrievedSentence
from tests.support.qa import LIGHTHOUSE, qa_input, tiny_chain

SHOP = "The shop is open from Monday to Saturday. On Sunday it is closed. Dogs may come in. It does not sell shoes."
VILLAGE = "The mill burned down in 1821. The bridge was never repaired. The lamp burned oil until 1931."


@pytest.fixture(scope="module")
def chain(default_llm: HuggingFaceChat) -> QAChain:
    return QAChain(default_llm)


def check_citations(answer: Answer, text: str) -> None:
    for cited in answer.citations:
        assert text[cited.start : cited.end] == cited.quote
        assert cited.answer_start is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "text", "answer", "quote"),
    [
        ("Is the shop open on Monday?", SHOP, "Yes", "The shop is open from Monday to Saturday."),
        ("Does it sell shoes?", SHOP, "No", "It does not sell shoes."),
        ("Was the bridge repaired?", VILLAGE, "No", "The bridge was never repaired."),
        ("Did the lamp burn oil?", VILLAGE, "Yes", "The lamp burned oil until 1931."),
    ],
)
def test_yes_or_no_with_its_sentence(chain: QAChain, question: str, text: str, answer: str, quote: str) -> None:
    found = chain.invoke(qa_input(text, question))
    assert (found.text, found.found, found.method, found.calibrated) == (answer, True, "yes or no", True)
    assert found.confidence >= chain.yes_no_threshold
    assert [cited.quote for cited in found.citations] == [quote]
    check_citations(found, text)


def test_what_cannot_be_told_cites_what_is_near(chain: QAChain) -> None:
    text = "The shop is open from Monday to Saturday. On Sunday it is closed."
    found = chain.invoke(qa_input(text, "Is the shop open on Sunday?"))
    assert (found.text, found.found, found.method) == ("", False, "yes or no")
    assert found.confidence < chain.yes_no_threshold
    assert "On Sunday it is closed." in [cited.quote for cited in found.citations]
    check_citations(found, text)
    assert "nearest" not in found._repr_html_()
    assert "Sentences near to the question" in found._repr_html_()


def test_a_language_that_was_not_measured_gets_no_answer(chain: QAChain) -> None:
    text = "Der Laden ist von Montag bis Samstag offen. Am Sonntag ist er geschlossen."
    found = chain.invoke(qa_input(text, "Ist der Laden am Sonntag offen?"))
    assert (found.text, found.found, found.confidence, found.method) == ("", False, 0.0, "yes or no")
    assert found.citations


def test_without_shared_words_nothing_is_cited(chain: QAChain) -> None:
    found = chain.invoke(qa_input("Ann sings. Ben paints.", "Could XYZ?"))
    assert (found.found, found.citations) == (False, ())


@pytest.mark.slow
def test_alternatives_get_a_phrase(chain: QAChain) -> None:
    found = chain.invoke(qa_input(SHOP, "Is the shop open on Monday or Sunday?"))
    assert found.method == "spans"


@pytest.mark.parametrize("name", ["llama", "t5", "gpt2"])
def test_every_model_answers_with_one_of_both_words(name: str) -> None:
    found = tiny_chain(name).invoke(qa_input(LIGHTHOUSE, "Was it built in 1874?"))
    assert found.text in ("Yes", "No")
    assert found.found
    assert found.method == "yes or no"
    assert not found.calibrated
    assert [cited.quote in LIGHTHOUSE for cited in found.citations] == [True]


def test_other_languages_have_their_words() -> None:
    found = tiny_chain().invoke(qa_input("Der Turm ist sehr alt und steht hier.", "Ist der Turm sehr alt?"))
    assert found.text in ("Ja", "Nein")


def test_neighbours_in_a_batch_change_nothing() -> None:
    chain = tiny_chain()
    questions = ["Was it built in 1874?", "Who built it?", "Is it a hotel?", "Did ships sink?"]
    inputs = [qa_input(LIGHTHOUSE, question) for question in questions]
    for one, two in zip([chain.invoke(each) for each in inputs], chain.batch(inputs), strict=True):
        assert (one.text, one.method) == (two.text, two.method)
        assert one.confidence == pytest.approx(two.confidence, abs=1e-4)


def test_a_threshold_holds_for_yes_and_no_too(default_llm: HuggingFaceChat) -> None:
    found = QAChain(default_llm, threshold=1.0).invoke(qa_input(SHOP, "Is the shop open on Monday?"))
    assert not found.found
    assert QAChain(default_llm, threshold=0.0).invoke(qa_input(SHOP, "Is the shop open on Sunday?")).text in (
        "Yes",
        "No",
    )


def test_a_generated_answer_begins_with_the_word_or_is_it() -> None:
    chain = tiny_chain(style="abstractive", max_new_tokens=8)
    found = chain.invoke(qa_input(LIGHTHOUSE, "Was it built in 1874?"))
    assert found.text.startswith(("Yes", "No"))


def test_calibrate_fits_yes_and_no_by_themselves() -> None:
    chain = tiny_chain()
    rows: list[dict[str, Any]] = [
        {**qa_input(LIGHTHOUSE, "Was it built in 1874?"), "answer": "Yes."},
        {**qa_input(LIGHTHOUSE, "Did the lamp burn gas?"), "answer": "no"},
        {**qa_input(LIGHTHOUSE, "Is it in Norway?"), "answer": None},
        {**qa_input(LIGHTHOUSE, "Who built it?"), "answer": "Maria Holm"},
        {**qa_input(LIGHTHOUSE, "When was it built?"), "answer": "1874"},
    ]
    report = chain.calibrate(rows)
    assert report.yes_no is not None
    assert report.yes_no.threshold == chain.yes_no_threshold == chain.tuning.yes_no_threshold
    assert report.threshold == chain.threshold
    assert report.yes_no.correct_after >= report.yes_no.correct_before
    only = tiny_chain().calibrate(rows[:3])
    assert math.isnan(only.correct_after)
    assert tiny_chain().calibrate(rows[3:]).yes_no is None


def test_a_row_must_say_yes_or_no() -> None:
    row = {**qa_input(LIGHTHOUSE, "Was it built in 1874?"), "answer": "Maria Holm"}
    with pytest.raises(InputError, match=r"row 1: 'answer' is 'Maria Holm', but the question asks for yes or no"):
        tiny_chain().calibrate([row])


def test_confidences_are_fitted_apart() -> None:
    scores = {0.0: None, 0.4: 0.0, 0.5: None, 1.5: 1.0, 2.0: 1.0, 3.0: 1.0}
    rows = [ScoredRow(score, right, is_yes_no=True) for score, right in scores.items()]
    tuning, report = calibrated_tuning(SMOLLM2_135M, rows)
    assert replace(tuning, **dict.fromkeys(YES_NO)) == replace(SMOLLM2_135M, **dict.fromkeys(YES_NO))
    assert tuning.yes_no_languages is None
    assert report.yes_no is not None
    assert tuning.yes_no_confidence(0.5) < report.yes_no.threshold < tuning.yes_no_confidence(1.5)
    assert calibrated_tuning(QATuning(), [])[0] == QATuning()


YES_NO = ("yes_no_midpoint", "yes_no_scale", "yes_no_threshold", "yes_no_languages")


def test_coverage_is_the_share_of_content_words_in_any_form() -> None:
    text = "It was opening early."
    sentences = [RetrievedSentence(0, 21, 0, text, topic=topic) for topic in ("", "The shops are old.")]
    assert coverages("Does the shop open on Sundays?", sentences) == pytest.approx([1 / 3, 2 / 3])
    assert coverages("Is it so?", sentences).tolist() == [1.0, 1.0]


DOGS, SMOKING = "We welcome dogs on a lead.", "Smoking is not allowed."


def choice(relevances: tuple[float, float], similarities: tuple[float | None, float | None]) -> tuple[str, float, str]:
    """Return the answer, its score and its sentence for "Are dogs allowed?", where only the second says no."""
    words = yes_or_no("Are dogs allowed?")
    assert words
    found = zip((DOGS, SMOKING), relevances, similarities, strict=True)
    sentences = [RetrievedSentence(0, len(text), 0, text, *figures) for text, *figures in found]
    prompt: Any = None  # choose reads no prompt
    answer = choose(YesNoInput("Are dogs allowed?", words, sentences, (prompt, prompt)), np.array([3.5, -4.0]))
    return answer.text, answer.score, answer.sentence.text


def test_a_sentence_about_something_else_does_not_answer() -> None:
    assert choice((0.8, 1.2), (0.6, 0.2))[::2] == ("Yes", DOGS)
    assert choice((0.8, 1.2), (0.2, 0.6))[::2] == ("No", SMOKING)


def test_words_of_the_question_in_different_sentences_are_less_evidence() -> None:
    text, score, _ = choice((0.8, 1.2), (None, None))
    assert text == "No"
    assert score < SMOLLM2_135M.yes_no_midpoint + SMOLLM2_135M.yes_no_scale * math.log(0.7 / 0.3)


def test_without_shared_words_only_the_first_sentence_counts() -> None:
    assert choice((0.0, 0.0), (None, None))[::2] == ("Yes", DOGS)
