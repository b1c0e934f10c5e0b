"""What is measured of each item: a metric has sums over items, and a function of them.

An item without a result counts as wrong, in every metric.
"""

from __future__ import annotations

import math
import re
import string
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from typing import Any, Literal

import numpy as np

from llmkit.errors import InputError
from llmkit.evaluation.items import Item
from llmkit.evaluation.statistics import Aggregate, Rows, mean

Fields = Mapping[str, Any]
"""The fields of a result, as `--json` prints them."""
Direction = Literal["more", "less", "neither"]
"""Whether more is better, or less, or neither, as for a length."""

LEAST_PROBABILITY = 1e-6
"""A label with a lower probability, or none, has this one: one row would decide a log-loss otherwise."""
BINS = 10
"""Of the expected calibration error."""


@dataclass(frozen=True)
class Metric:
    """A figure of a cell.

    Attributes:
        name: what plans and tables call it.
        sums: what an item adds, from its result (`None`: there is none), the item, and all labels.
        aggregate: the figure, of the sums.
        better: whether more is better.
        is_rate: whether an item is right or wrong, so that the test is McNemar's and the interval Wilson's.
    """

    name: str
    sums: Callable[[Fields | None, Item, Sequence[str]], Sequence[float]]
    aggregate: Aggregate = mean
    better: Direction = "more"
    is_rate: bool = False

    def rows(self, results: Sequence[Fields | None], items: Sequence[Item], labels: Sequence[str]) -> Rows:
        """Return what each item adds to the sums, [items, sums]."""
        pairs = zip(results, items, strict=True)
        return np.array([self.sums(result, item, labels) for result, item in pairs], dtype=np.float64)


def _value(function: Callable[[Fields, Any], float], worst: float) -> Callable[..., Sequence[float]]:
    """Return the sums of a metric that is the mean of a value."""

    def sums(result: Fields | None, item: Item, labels: Sequence[str]) -> Sequence[float]:
        return (worst if result is None else function(result, item.reference), 1.0)

    return sums


# Texts -------------------------------------------------------------------------------------------------------------


def _rouge(name: str, result: Fields, reference: Any) -> float:
    scores = [_rouge_scores(text, result["text"])[name].fmeasure for text in _texts(reference)]
    return float(max(scores))


@cache
def _rouge_scores(reference: str, text: str) -> Any:
    return _rouge_scorer().score(reference, text)


@cache
def _rouge_scorer() -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        advice = 'python -m pip install "llmkit[compare]", or name other metrics in the plan'
        raise InputError(f"ROUGE needs the package rouge-score: {advice}") from error
    return RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)


def _length(result: Fields, reference: Any) -> float:
    return float(len(result["text"].split()))


# Answers, by the rules of SQuAD 2 (Rajpurkar et al. 2018): https://rajpurkar.github.io/SQuAD-explorer ----------------

_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}]")
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def answer_words(text: str) -> list[str]:
    """Return the words of an answer without capitals, punctuation and articles."""
    return _ARTICLES.sub(" ", _PUNCTUATION.sub("", text.lower())).split()


def exact_match(text: str, reference: str) -> float:
    """Return 1 if two answers have the same words, else 0."""
    return float(answer_words(text) == answer_words(reference))


def answer_f1(text: str, reference: str) -> float:
    """Return the F1 of an answer's words; two empty answers agree."""
    words, right = answer_words(text), answer_words(reference)
    if not words or not right:
        return float(words == right)
    shared = sum((Counter(words) & Counter(right)).values())
    return 2 * shared / (len(words) + len(right))


def _best_answer(compare: Callable[[str, str], float], result: Fields, reference: Any) -> float:
    text = result["text"] if result.get("found", True) else ""
    return max(compare(text or "", right) for right in _texts(reference) or [""])


def _verbatim(result: Fields | None, item: Item, labels: Sequence[str]) -> Sequence[float]:
    """Add the quotes that stand in their text at their offsets, and all quotes; an error is one that does not."""
    if result is None:
        return (0.0, 1.0)
    quotes = result.get("citations", ())
    right = sum(item.text[quote["start"] : quote["end"]] == quote["quote"] for quote in quotes)
    return (float(right), float(len(quotes)))


# Labels ------------------------------------------------------------------------------------------------------------


def _label_sums(result: Fields | None, item: Item, labels: Sequence[str]) -> Sequence[float]:
    """Add hits, predictions and references of each label."""
    sums = np.zeros((3, len(labels)))
    sums[2, labels.index(item.reference)] = 1
    if result is not None and result["label"] in labels:
        sums[1, labels.index(result["label"])] = 1
        sums[0] = sums[1] * sums[2]
    return sums.ravel().tolist()


def macro_f1(sums: Rows) -> Rows:
    """Return the mean F1 of the labels that were predicted or are a reference, from `_label_sums`."""
    hits, predicted, true = np.split(sums, 3, axis=-1)
    seen = predicted + true > 0
    f1 = np.where(seen, 2 * hits / np.maximum(predicted + true, 1e-12), 0)
    return np.asarray(f1.sum(axis=-1) / np.maximum(seen.sum(axis=-1), 1))


def _log_loss(result: Fields, reference: Any) -> float:
    return -math.log(max(result["scores"].get(reference, 0.0), LEAST_PROBABILITY))


def _brier(result: Fields, reference: Any) -> float:
    scores: Mapping[str, float] = result["scores"]
    return float(sum((score - (label == reference)) ** 2 for label, score in scores.items()))


def _calibration_sums(result: Fields | None, item: Item, labels: Sequence[str]) -> Sequence[float]:
    """Add, in the bin of the confidence, the confidence and whether the label is right; and one item."""
    sums = np.zeros(2 * BINS + 1)
    sums[-1] = 1
    confidence, right = 1.0, False  # without a result: surely wrong
    if result is not None:
        label, confidence = max(result["scores"].items(), key=lambda item: item[1])
        right = label == item.reference
    place = min(int(confidence * BINS), BINS - 1)
    sums[place], sums[BINS + place] = confidence, right
    return sums.tolist()


def expected_calibration_error(sums: Rows) -> Rows:
    """Return by how much confidence and share of right labels differ, on average (Naeini et al. 2015)."""
    confidence, right = sums[..., :BINS], sums[..., BINS : 2 * BINS]
    return np.asarray(np.abs(confidence - right).sum(axis=-1) / sums[..., -1])


# Entities ----------------------------------------------------------------------------------------------------------


def _span_sums(result: Fields | None, item: Item, labels: Sequence[str]) -> Sequence[float]:
    """Add true positives, entities found, and entities of the reference; borders and label must be the same."""
    true = {_span(entity) for entity in item.reference}
    found = {_span(entity) for entity in (result or {}).get("entities", ())}
    return (float(len(true & found)), float(len(found)), float(len(true)))


def _span(entity: Fields) -> tuple[int, int, str]:
    return int(entity["start"]), int(entity["end"]), str(entity["label"])


def span_f1(sums: Rows) -> Rows:
    """Return the F1 of spans, from (hits, found, true); 1 if there is nothing to find and nothing was found."""
    total = sums[..., 1] + sums[..., 2]
    return np.where(total > 0, 2 * sums[..., 0] / np.maximum(total, 1e-12), 1.0)


def _share(sums: Rows) -> Rows:
    return np.where(sums[..., 1] > 0, sums[..., 0] / np.maximum(sums[..., 1], 1e-12), 1.0)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *(Metric(name, _value(partial(_rouge, name), 0.0)) for name in ("rouge1", "rouge2", "rougeL")),
        Metric("length", _value(_length, 0.0), better="neither"),
        Metric("exact_match", _value(partial(_best_answer, exact_match), 0.0), is_rate=True),
        Metric("f1", _value(partial(_best_answer, answer_f1), 0.0)),
        Metric("verbatim", _verbatim, _share),
        Metric("accuracy", _value(lambda result, label: float(result["label"] == label), 0.0), is_rate=True),
        Metric("macro_f1", _label_sums, macro_f1),
        Metric("log_loss", _value(_log_loss, -math.log(LEAST_PROBABILITY)), better="less"),
        Metric("brier", _value(_brier, 2.0), better="less"),
        Metric("ece", _calibration_sums, expected_calibration_error, better="less"),
        Metric("span_f1", _span_sums, span_f1),
    )
}
"""All metrics by name."""

DEFAULTS = {
    "generate": ("rouge1", "rougeL", "length"),
    "summarize": ("rouge1", "rouge2", "rougeL", "length"),
    "classify": ("accuracy", "macro_f1", "log_loss", "brier", "ece"),
    "entities": ("span_f1",),
    "answer": ("f1", "exact_match", "verbatim"),
}
"""The metrics of each task; the first one decides."""
ALLOWED = {
    "generate": ("rouge1", "rouge2", "rougeL", "length", "exact_match", "f1"),
    "summarize": ("rouge1", "rouge2", "rougeL", "length"),
    "classify": DEFAULTS["classify"],
    "entities": DEFAULTS["entities"],
    "answer": ("f1", "exact_match", "verbatim", "length"),
}


def find_metric(name: str, task: str) -> Metric:
    """Return a metric of a task by its name, or one of the user's own, named `module:function`.

    A function of one's own gets the fields of the result (`None` where there is an error) and the reference, and
    returns a number, of which more is better.

    Raises:
        InputError: there is no such metric or function.
    """
    if ":" in name:
        module, _, function = name.partition(":")
        sys.path.insert(0, "")  # a module beside the command, as for `python -m`
        try:
            own = getattr(import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise InputError(f"the metric {name} cannot be imported: {error}") from error
        finally:
            sys.path.remove("")
        return Metric(name, lambda result, item, labels: (_finite(own(result, item.reference), name, item), 1.0))
    if name not in ALLOWED[task]:
        raise InputError(
            f"metrics has {name!r}, but those for {task} are {', '.join(ALLOWED[task])}, or module:function"
        )
    return METRICS[name]


def _finite(value: Any, name: str, item: Item) -> float:
    if not math.isfinite(number := float(value)):
        raise InputError(f"the metric {name} gave {value} for the item {item.id}, but must give a finite number")
    return number


def _texts(reference: Any) -> list[str]:
    """Return one reference or several as a list."""
    return [reference] if isinstance(reference, str) else [str(text) for text in reference or ()]
