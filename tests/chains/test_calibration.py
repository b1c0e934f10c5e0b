"""What a small labelled set tells: temperature, bias, and where to abstain."""

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from llmkit.chains import ZeroShotClassificationChain
from llmkit.chains.calibration import FEW_ROWS, Calibration, expected_calibration_error, threshold_for, warn_of_few
from llmkit.errors import InputError
from tests.support.classification import results_agree, tiny_llm

LABELS = ["the dog", "Paris", "日本"]
TEXTS = [f"{words} {number}" for number in range(8) for words in ("The dog", "What is Paris?", "東京")]
TRUTH = LABELS * 8


def rows_of(labels: list[Any]) -> list[dict[str, Any]]:
    return [{"input": text, "output": label} for text, label in zip(TEXTS, labels, strict=True)]


ROWS = rows_of(TRUTH)

both = pytest.mark.parametrize("multi_label", [False, True])


def chain_of(**options: Any) -> ZeroShotClassificationChain:
    return ZeroShotClassificationChain(tiny_llm("llama"), LABELS, **options)


def log_loss(chain: ZeroShotClassificationChain) -> float:
    """Compute the mean log-loss from the results that a caller gets."""
    losses = []
    for found, true in zip(chain.batch(TEXTS), TRUTH, strict=True):
        if chain.multi_label:
            losses += [-math.log(chance if label == true else 1 - chance) for label, chance in found.scores.items()]
        else:
            losses.append(-math.log(found.scores[true]))
    return float(np.mean(losses))


@pytest.mark.slow
@both
@pytest.mark.parametrize("contextual_calibration", [False, True])
def test_a_fit_lowers_the_log_loss_and_reports_both_values(multi_label: bool, contextual_calibration: bool) -> None:
    chain = chain_of(multi_label=multi_label, contextual_calibration=contextual_calibration)
    before = log_loss(chain)
    fit = chain.calibrate(ROWS)
    assert fit.log_loss_before == pytest.approx(before, abs=1e-3)
    assert fit.log_loss_after == pytest.approx(log_loss(chain), abs=1e-3)
    assert fit.log_loss_after < fit.log_loss_before
    assert fit.calibration == chain.calibration
    again = chain.calibrate(ROWS)
    assert again.log_loss_before == pytest.approx(fit.log_loss_before)
    assert again.log_loss_after == pytest.approx(fit.log_loss_after)


def test_multi_label_calibration() -> None:
    chain = chain_of(multi_label=True)
    truth: list[Any] = [["the dog", "Paris"], [], "日本"] * 8
    fit = chain.calibrate(rows_of(truth))
    assert fit.log_loss_after < fit.log_loss_before
    assert chain.calibration.independent


SCORES = arrays(np.float64, (6, 3), elements=st.floats(-300, 300))


@given(SCORES, st.lists(st.integers(0, 2), min_size=6, max_size=6), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_fit_is_never_worse_than_no_fit(scores: Any, labels: list[int], multi_label: bool) -> None:
    truth = np.eye(3, dtype=bool)[labels]
    plain = Calibration(independent=multi_label)
    fitted = plain.fit(scores, truth)
    assert fitted.log_loss(scores, truth) <= plain.log_loss(scores, truth) + 1e-9
    assert math.exp(-3) <= fitted.temperature * (1 + 1e-9)
    assert fitted.temperature <= math.exp(3) * (1 + 1e-9)


@given(SCORES)
def test_probabilities(scores: Any) -> None:
    chances = Calibration(2.0, (0.5, 0.0, -1.0)).probabilities(scores)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    free = Calibration(independent=True).probabilities(scores)
    assert ((free >= 0) & (free <= 1)).all()
    assert (free[scores > 1] > 0.7).all()


def test_log_loss_equals_its_formula() -> None:
    scores, truth = np.array([[0.0, math.log(3)], [0.0, 0.0]]), np.array([[False, True], [True, False]])
    assert Calibration().log_loss(scores, truth) == pytest.approx(-(math.log(0.75) + math.log(0.5)) / 2)
    wanted = -(math.log(0.5) + math.log(0.75) + 2 * math.log(0.5)) / 4
    assert Calibration(independent=True).log_loss(scores, truth) == pytest.approx(wanted)


def test_bias_and_temperature_are_found() -> None:
    draw = np.random.default_rng(0)
    held = draw.normal(size=(4000, 3)) * 2
    chances = Calibration().probabilities(held)
    places = [draw.choice(3, p=row) for row in chances]
    fitted = Calibration().fit((held - [0.5, 0.0, -0.5]) * 3, np.eye(3, dtype=bool)[places])
    assert fitted.temperature == pytest.approx(3, rel=0.1)
    bias = np.array(fitted.bias) - np.mean(fitted.bias or ())
    np.testing.assert_allclose(bias, [0.5, 0, -0.5], atol=0.15)


def test_a_threshold_is_the_lowest_that_reaches_the_precision() -> None:
    confidence, right = np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([True, True, False, True, False])
    found = [threshold_for(confidence, right, precision) for precision in (1.0, 0.75, 0.7, 0.6, 0.1)]
    assert found == [0.8, 0.6, 0.6, 0.5, 0.5]
    for none in ((confidence, ~right, 0.5), (np.array([0.5, 0.5]), np.array([True, False]), 1.0)):
        with pytest.raises(InputError, match="no threshold reaches a precision of"):
            threshold_for(*none)


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.7, 0.9]), st.booleans()), min_size=1), st.floats(0.01, 1))
def test_any_threshold_reaches_its_precision(answers: list[tuple[float, bool]], precision: float) -> None:
    confidence, right = np.array([each for each, _ in answers]), np.array([each for _, each in answers])
    reached = {each: right[confidence >= each].mean() >= precision for each in confidence}
    if any(reached.values()):
        assert threshold_for(confidence, right, precision) == min(each for each, enough in reached.items() if enough)
    else:
        with pytest.raises(InputError):
            threshold_for(confidence, right, precision)


@pytest.mark.slow
@pytest.mark.parametrize(("multi_label", "precision"), [(False, 0.9), (True, 0.5)])
def test_the_chain_returns_no_label_below_the_threshold(multi_label: bool, precision: float) -> None:
    chain = chain_of(multi_label=multi_label)
    found = chain.calibrate(ROWS, precision=precision).threshold
    assert found is not None
    assert chain.threshold == found
    results = chain.batch(TEXTS)
    right = [label == true for each, true in zip(results, TRUTH, strict=True) for label in each.labels]
    assert right
    assert np.mean(right) >= precision
    for each in results:
        assert all(each.scores[label] >= found for label in each.labels)
        assert (each.label is None) == (max(each.scores.values()) < found)
    assert all(result.calibrated for result in results)
    chain.threshold = None
    assert len(chain.invoke(TEXTS[0]).labels) == (3 if multi_label else 1)


def test_a_threshold_without_labels_or_with_unreachable_precision_raises_an_error() -> None:
    chain = chain_of()
    with pytest.raises(InputError, match="precision needs labelled rows"):
        chain.calibrate(TEXTS, precision=0.9)
    for precision in (0, -1, 1.1, float("nan")):
        with pytest.raises(InputError, match=f"precision is {precision}, but must be above 0 and at most 1"):
            chain.calibrate(ROWS, precision=precision)
    one_text_of_each_label = [{"input": "Paris", "output": label} for label in LABELS]
    with pytest.raises(InputError, match=r"no threshold reaches a precision of 0\.9 on these rows: ask for less"):
        chain.calibrate(one_text_of_each_label, precision=0.9)
    assert chain.threshold is None
    assert chain.calibration == Calibration()


@pytest.mark.slow
def test_threads_share_one_calibration() -> None:
    chain = chain_of()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(chain.invoke, TEXTS))
    assert all(results_agree(*pair) for pair in zip(results, chain_of().batch(TEXTS), strict=True))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"input": "x", "output": "London"}], "row 1 has the label 'London', but the labels are"),
        ([{"input": "x", "output": ["Paris", "日本"]}], "row 1 has 2 labels, but must have one"),
        ([{"input": "x", "output": "Paris"}, {"input": " ", "output": "Paris"}], "row 2: the text is empty"),
        ([{"input": "x", "output": "Paris"}, {"input": "x"}], "row 2 has no label"),
        ({"input": "x", "output": "Paris"}, "rows is a dictionary, but must be a list"),
        ([{"input": "x", "output": "Paris"}, {"input": "y", "output": "Paris"}], "all rows have the same label"),
    ],
)
def test_invalid_labelled_texts_raise_an_error(rows: Any, says: str) -> None:
    chain = chain_of()
    with pytest.raises(InputError, match=says):
        chain.calibrate(rows)
    assert chain.calibration == Calibration()


def test_the_expected_calibration_error() -> None:
    assert expected_calibration_error(np.array([0.75] * 4), np.array([True, True, True, False])) == 0
    assert expected_calibration_error(np.array([0.95, 0.05]), np.array([False, False])) == pytest.approx(0.5)
    assert expected_calibration_error(np.array([1.0, 1.0]), np.array([True, True])) == 0


@pytest.mark.parametrize(
    ("rows", "says"),
    [(1, "1 labelled row is few"), (2, "2 labelled rows are few"), (FEW_ROWS - 1, "give at least 30"), (FEW_ROWS, "")],
)
def test_few_rows_are_warned_of(caplog, rows, says):
    warn_of_few(rows)
    assert bool(caplog.messages) == bool(says)
    assert says in caplog.text


def test_a_chain_that_is_calibrated_with_few_rows_warns(caplog):
    ZeroShotClassificationChain(tiny_llm("llama"), labels=LABELS).calibrate(ROWS[:3])
    assert "3 labelled rows are few to calibrate with" in caplog.text
