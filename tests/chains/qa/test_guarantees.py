"""Answers with a guaranteed share of wrong ones."""

from __future__ import annotations

import math
from typing import Any

import pytest

from llmkit.chains import QAChain
from llmkit.chains.qa.calibration import ScoredRow
from llmkit.chains.qa.guarantees import guaranteed_report
from llmkit.chains.qa.tuning import QATuning
from llmkit.errors import InputError
from tests.support.qa import LIGHTHOUSE, qa_input, tiny_chain


def rows_of(qa: QAChain, count: int, wrong: int = 0) -> list[dict[str, Any]]:
    """Return questions of which the chain answers all but the least sure right, whatever the model says."""
    inputs = [qa_input(f"{LIGHTHOUSE} It is number {number}.", f"Who built it in {number}?") for number in range(count)]
    pairs = sorted(zip(inputs, qa.batch(inputs), strict=True), key=lambda pair: -pair[1].confidence)
    truths = [answer.text if place < count - wrong else None for place, (_, answer) in enumerate(pairs)]
    return [{**one, "answer": truth} for (one, _), truth in zip(pairs, truths, strict=True)]


@pytest.mark.slow
def test_a_guarantee_sets_the_thresholds_and_stands_in_every_answer() -> None:
    qa = tiny_chain()
    rows = rows_of(qa, 24, wrong=6)
    before = qa.tuning
    report = qa.calibrate(rows[::-1], error=0.2)
    found = report.guarantee
    assert found
    assert (found.holds, found.rows, found.answered, found.wrong) == (True, 24, 18, 0)
    assert (qa.threshold, qa.yes_no_threshold, qa.tuning) == (found.threshold, found.threshold, before)
    assert (report.answered, report.abstained, report.correct_after) == (1, 1, 1)
    answers = qa.batch(rows)
    assert [answer.found for answer in answers] == [True] * 18 + [False] * 6
    assert {answer.guarantee for answer in answers} == {found}
    qa.threshold = 0
    assert qa.invoke(rows[0]).guarantee is None


@pytest.mark.slow
def test_few_rows_seen_rows_and_written_answers_guarantee_nothing() -> None:
    qa = tiny_chain()
    rows = rows_of(qa, 6)
    found = qa.calibrate(rows, error=0.2).guarantee
    assert found
    assert (found.holds, found.rows_needed, qa.threshold, qa.guarantee) == (False, 14, 0, None)
    qa.calibrate(rows[:2])
    with pytest.raises(InputError, match="row 3 is one of the texts that the chain learned from"):
        qa.calibrate([*rows[4:], rows[1]], error=0.2)
    example = {"input": LIGHTHOUSE, "question": "Who built it?", "output": "Maria Holm"}
    shown = tiny_chain(examples=[example])
    with pytest.raises(InputError, match="row 1"):
        shown.calibrate([{**qa_input(LIGHTHOUSE), "answer": "Maria Holm"}], error=0.2)
    with pytest.raises(InputError, match="confidence is that of a guarantee: give error, too"):
        qa.calibrate(rows, confidence=0.9)
    with pytest.raises(InputError, match="style='extractive'"):
        tiny_chain(style="abstractive").calibrate(rows, error=0.2)


def test_answers_are_right_from_half_of_the_words_on_and_only_where_there_is_one() -> None:
    tuning = QATuning()

    def wrong(*rows: ScoredRow) -> float:
        report = guaranteed_report(tuning, [*rows] * 10, 0.9, 0.9)
        assert report.guarantee
        return report.guarantee.wrong / 10

    right, half, none = ScoredRow(1.0, 1.0), ScoredRow(0.5, 0.5), ScoredRow(0.0, None)
    assert wrong(right, half) == 0
    assert wrong(right, ScoredRow(0.5, 0.49)) == 1
    assert wrong(right, none) == 1
    # what the chain never answers cannot be wrong
    unread, unmeasured = ScoredRow(-math.inf, None), ScoredRow(2.0, 0.0, is_yes_no=True, is_measured=False)
    assert wrong(right, unread, unmeasured) == 0
    assert wrong(right, ScoredRow(2.0, 0.0, is_yes_no=True)) == 1
