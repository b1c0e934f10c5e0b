"""Thresholds of answers for a precision, by the F1 of their words."""

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from llmkit.chains.qa.calibration import ScoredRow, calibrated_tuning, fit_threshold
from llmkit.chains.qa.tuning import QATuning
from llmkit.errors import InputError
from tests.support.qa import LIGHTHOUSE, qa_input, tiny_chain

CHANCES = st.sampled_from([0.1, 0.2, 0.4, 0.5, 0.5, 0.8, 0.9])
CORRECTNESS = st.none() | st.sampled_from([0.0, 0.4, 0.5, 1.0])


def mean_correctness(rows: list[tuple[float, float | None]], threshold: float) -> float:
    answered = [correct or 0.0 for confidence, correct in rows if confidence >= threshold]
    return sum(answered) / len(answered)


@given(st.lists(st.tuples(CHANCES, CORRECTNESS), min_size=1, max_size=12), st.sampled_from([0.1, 0.5, 0.75, 1.0]))
def test_the_threshold_is_the_lowest_with_the_precision(
    rows: list[tuple[float, float | None]], precision: float
) -> None:
    thresholds = sorted({confidence for confidence, _ in rows})
    reached = [each for each in thresholds if mean_correctness(rows, each) >= precision - 1e-12]
    assume(all(abs(mean_correctness(rows, each) - precision) > 1e-9 for each in thresholds) or precision == 1)
    confidences, correctness = zip(*rows, strict=True)
    if not reached:
        with pytest.raises(InputError, match=f"no threshold reaches a precision of {precision}"):
            fit_threshold(confidences, correctness, 0.3, precision)
    else:
        report = fit_threshold(confidences, correctness, 0.3, precision)
        assert report.threshold == reached[0]


def test_questions_without_an_answer_count_as_wrong() -> None:
    confidences, correctness = [0.9, 0.7, 0.5, 0.3], [1.0, None, 1.0, 1.0]
    assert fit_threshold(confidences, correctness, 0.0, 0.7).threshold == 0.3
    report = fit_threshold(confidences, correctness, 0.0, 0.8)
    assert (report.threshold, report.abstained) == (0.9, 1)
    assert report.answered == pytest.approx(1 / 3)


def test_both_thresholds_have_the_precision() -> None:
    right = {-3.0: 0.0, -2.0: None, -1.0: 1.0, 0.5: 0.0, 1.0: 1.0, 2.0: 1.0, 3.0: 1.0}
    rows = [ScoredRow(score, correct, yes_no) for score, correct in right.items() for yes_no in (False, True)]
    tuning, report = calibrated_tuning(QATuning(), rows, 0.9)
    assert report.yes_no is not None
    assert tuning.confidence(0.5) < tuning.threshold <= tuning.confidence(1.0)
    assert tuning.yes_no_confidence(0.5) < tuning.yes_no_threshold <= tuning.yes_no_confidence(1.0)
    assert calibrated_tuning(QATuning(), rows, 0.5)[0].threshold < tuning.threshold


def test_a_question_with_nothing_to_read_gets_no_answer() -> None:
    rows = [ScoredRow(-math.inf, 0.0), ScoredRow(0.0, 0.0), ScoredRow(1.0, 1.0)]
    tuning, _ = calibrated_tuning(QATuning(), rows, 1.0)
    assert tuning.threshold == pytest.approx(tuning.confidence(1.0))


def test_the_chain_takes_the_threshold_of_the_precision() -> None:
    chain = tiny_chain()
    asked = [qa_input(LIGHTHOUSE, f"Question {number}?") for number in range(4)]
    chain.threshold = 0
    rows: list[dict[str, Any]] = [{**each, "answer": chain.invoke(each).text} for each in asked]
    rows[3]["answer"] = "nothing"
    report = chain.calibrate(rows, precision=0.75)
    assert chain.threshold == chain.tuning.threshold == report.threshold
    assert report.answered == 1
    before = (chain.tuning, chain.threshold, chain.calibrated)
    none_right = [{**each, "answer": "nothing"} for each in asked]
    with pytest.raises(InputError, match=r"no threshold reaches a precision of 0\.9"):
        chain.calibrate(none_right, precision=0.9)
    assert (chain.tuning, chain.threshold, chain.calibrated) == before


@pytest.mark.parametrize("precision", [0, -0.1, 1.5, math.nan, math.inf])
def test_a_precision_is_a_share(precision: float) -> None:
    with pytest.raises(InputError, match=r"precision is .* must be above 0 and at most 1"):
        tiny_chain().calibrate([{**qa_input(LIGHTHOUSE), "answer": None}], precision=precision)
