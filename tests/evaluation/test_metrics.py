"""Metrics: equal to those of scikit-learn, nervaluate and rouge-score; an item without a result counts as wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, log_loss

from llmkit.errors import InputError
from llmkit.evaluation.items import Item
from llmkit.evaluation.metrics import ALLOWED, DEFAULTS, METRICS, find_metric

LABELS = ("a", "b", "c")


def value(name, results, references, labels=LABELS, text="text"):
    items = [Item(str(number), text, reference) for number, reference in enumerate(references)]
    rows = METRICS[name].rows(results, items, labels)
    return float(METRICS[name].aggregate(rows.sum(axis=0)))


def result_of(scores):
    scores = dict(zip(LABELS, scores, strict=True))
    return {"label": max(scores, key=lambda label: scores[label]), "scores": scores}


labelled = st.lists(
    st.tuples(st.sampled_from(LABELS), st.lists(st.floats(0.01, 1), min_size=3, max_size=3)), min_size=1, max_size=30
)


@settings(max_examples=40)
@given(labelled)
def test_metrics_of_labels_equal_scikit_learns(rows):
    references = [label for label, _ in rows]
    probabilities = [[score / sum(scores) for score in scores] for _, scores in rows]
    results = [result_of(scores) for scores in probabilities]
    found = [result["label"] for result in results]
    assert value("accuracy", results, references) == pytest.approx(np.mean(np.array(found) == references))
    seen = sorted({*references, *found})
    expected = f1_score(references, found, labels=seen, average="macro", zero_division=0)
    assert value("macro_f1", results, references) == pytest.approx(expected, abs=1e-9)
    expected = log_loss(references, probabilities, labels=list(LABELS))
    assert value("log_loss", results, references) == pytest.approx(expected, abs=1e-9)
    truth = np.array([[label == reference for label in LABELS] for reference in references], float)
    expected = np.mean(((np.array(probabilities) - truth) ** 2).sum(axis=1))
    assert value("brier", results, references) == pytest.approx(expected, abs=1e-9)


def test_calibration_error_is_the_gap_between_confidence_and_share_of_right_labels():
    results = [result_of([0.8, 0.1, 0.1])] * 4
    assert value("ece", results, ["a", "a", "a", "a"]) == pytest.approx(0.2)
    assert value("ece", results, ["a", "b", "a", "a"]) == pytest.approx(0.05)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 6), max_size=4, unique=True), st.lists(st.integers(0, 6), max_size=4, unique=True)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_span_f1_counts_spans_with_the_same_borders_and_label(rows):
    def spans(places):
        return [{"start": place, "end": place + 2, "label": "x"} for place in places]

    results = [{"entities": spans(found)} for found, _ in rows]
    hits = sum(len(set(found) & set(true)) for found, true in rows)
    total = sum(len(found) + len(true) for found, true in rows)
    expected = 2 * hits / total if total else 1.0
    assert value("span_f1", results, [spans(true) for _, true in rows]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "references", "exact", "f1"),
    [
        ("The Normans", ["Normans"], 1, 1),
        ("the tenth century", ["10th century", "tenth century!"], 1, 1),
        ("in France", ["France"], 0, 2 / 3),
        ("", [], 1, 1),
        ("France", [], 0, 0),
        ("", ["France"], 0, 0),
    ],
)
def test_answers_follow_the_rules_of_squad(text, references, exact, f1):
    results = [{"text": text, "found": bool(text)}]
    assert value("exact_match", results, [references]) == exact
    assert value("f1", results, [references]) == pytest.approx(f1)


def test_quotes_must_stand_in_their_text_where_they_say():
    right = {"quote": "text", "start": 0, "end": 4}
    wrong = {"quote": "next", "start": 0, "end": 4}
    assert value("verbatim", [{"citations": [right]}, {"citations": [right, wrong]}], ["", ""]) == pytest.approx(2 / 3)
    assert value("verbatim", [{"citations": []}], [""]) == 1


def test_rouge_is_that_of_the_nearest_reference():
    result = [{"text": "the cat sat"}]
    assert value("rouge1", result, [["a dog ran", "the cat sat"]]) == 1
    assert value("rouge2", result, [["the cat ran"]]) == pytest.approx(0.5)
    assert value("length", result, [["x"]]) == 3


def test_an_item_without_a_result_is_as_bad_as_can_be():
    for name in ("rouge1", "exact_match", "f1", "verbatim"):
        assert value(name, [None], [["a"]]) == 0
    assert value("accuracy", [None], ["a"]) == 0
    assert value("macro_f1", [None], ["a"]) == 0
    assert value("brier", [None], ["a"]) == 2
    assert value("ece", [None], ["a"]) == 1
    assert value("log_loss", [None], ["a"]) > 10
    assert value("span_f1", [None], [[{"start": 0, "end": 1, "label": "x"}]]) == 0


def test_each_task_has_metrics_that_it_allows():
    for task, names in DEFAULTS.items():
        assert set(names) <= set(ALLOWED[task])
        assert [find_metric(name, task).name for name in names] == list(names)


def test_a_metric_of_ones_own_is_a_function(tmp_path, monkeypatch):
    (tmp_path / "own_metrics_here.py").write_text("def first(result, reference):\n    return result is not None\n")
    monkeypatch.chdir(tmp_path)
    metric = find_metric("own_metrics_here:first", "generate")
    assert metric.rows([{"text": "a"}, None], [Item("1", "x", ""), Item("2", "y", "")], ()).tolist() == [[1, 1], [0, 1]]


def test_a_metric_of_ones_own_must_give_finite_numbers(tmp_path, monkeypatch):
    (tmp_path / "endless_metrics.py").write_text("def endless(result, reference):\n    return float('inf')\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="endless gave inf for the item 7"):
        find_metric("endless_metrics:endless", "generate").rows([None], [Item("7", "x", "")], ())


@pytest.mark.parametrize("name", ["accuracy", "nothing", "no_such_module:f", "json:nothing"])
def test_an_unknown_metric_is_refused(name):
    with pytest.raises(InputError, match=name):
        find_metric(name, "generate")
