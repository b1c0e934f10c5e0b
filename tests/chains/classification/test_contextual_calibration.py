"""The bias that is taken off, and where it is learned."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from llmkit import HuggingFaceChat
from llmkit.chains import ZeroShotClassificationChain
from llmkit.chains.classification.contextual_calibration import (
    LEAST_TEXTS,
    MAX_SLOW_SCORES,
    NEUTRAL,
    SMOLLM2_135M,
    ClassificationTuning,
    blend,
    class_mean,
    neutral_scores,
)
from llmkit.chains.tuning import Tuning
from llmkit.errors import ContextWindowExceeded, InputError
from llmkit.text.content_free import NEUTRAL_TEXTS
from tests.support.classification import LABELS, label_scorer, results_agree, tiny_llm

TEXTS = ["The dog sleeps on.", "What is Paris?", "東京", "def add(a, b):", "The quick brown fox"]


def chain_of(**options: Any) -> ZeroShotClassificationChain:
    return ZeroShotClassificationChain(tiny_llm("llama"), LABELS, **options)


def softmax(scores: Any) -> Any:
    odds = np.exp(scores - np.max(scores))
    return odds / odds.sum()


def test_the_chain_subtracts_the_prior_of_neutral_texts() -> None:
    scorer = label_scorer(tiny_llm("llama"), LABELS)
    neutral = scorer.scores(NEUTRAL_TEXTS)
    named = scorer.scores(LABELS)
    prior = [
        np.mean([*neutral[:, place], *(row[place] for label, row in zip(LABELS, named, strict=True) if label != words)])
        for place, words in enumerate(LABELS)
    ]
    np.testing.assert_allclose(neutral_scores(scorer.try_scores, LABELS).prior, prior, atol=1e-4)
    [row] = scorer.scores(TEXTS[:1])
    found = chain_of().invoke(TEXTS[0])
    np.testing.assert_allclose(list(found.scores.values()), softmax(row - prior), atol=1e-4)


def test_texts_that_fit_no_prompt_are_left_out_of_the_prior() -> None:
    scorer = label_scorer(tiny_llm("llama"), LABELS)
    long = LABELS[-1]

    def attempts(texts: Sequence[str]) -> list[Any]:
        return [ContextWindowExceeded(600, 512) if text == long else scorer.try_scores([text])[0] for text in texts]

    first = scorer.scores([*NEUTRAL_TEXTS, *LABELS[1:-1]])[:, 0].mean()
    assert neutral_scores(attempts, LABELS).prior[0] == pytest.approx(first, abs=1e-4)
    with pytest.raises(ContextWindowExceeded):
        neutral_scores(lambda texts: [ContextWindowExceeded(600, 512) for _ in texts], LABELS)


def test_a_long_description_gives_valid_probabilities() -> None:
    """Too long to be a text before its own label, it is short enough to be one."""
    chain = chain_of(descriptions={"Paris": "the capital of France " * 25})
    found = chain.invoke("x")
    assert sum(found.scores.values()) == pytest.approx(1)


@pytest.mark.parametrize(("count", "texts"), [(6, len(NEUTRAL_TEXTS) + 6), (77, 53), (300, 13), (2000, 3)])
def test_a_model_that_reads_a_text_for_each_label_has_fewer_texts(count: int, texts: int) -> None:
    asked: list[Sequence[str]] = []

    def attempts(texts: Sequence[str]) -> list[Any]:
        asked.append(texts)
        return [np.zeros(count) for _ in texts]

    neutral_scores(attempts, [f"label {number}" for number in range(count)], MAX_SLOW_SCORES)
    assert LEAST_TEXTS <= len(asked[0]) <= texts


@pytest.mark.parametrize(
    ("count", "texts"), [(77, len(NEUTRAL_TEXTS) + 77), (300, 54), (2000, 8), (5000, 3), (20_000, 3)]
)
def test_many_labels_are_sampled_in_any_order(count: int, texts: int) -> None:
    asked: list[Sequence[str]] = []

    def attempts(texts: Sequence[str]) -> list[Any]:
        asked.append(texts)
        return [np.zeros(count) for _ in texts]

    labels = [f"label {number}" for number in range(count)]
    neutral_scores(attempts, labels)
    neutral_scores(attempts, labels[::-1])
    assert asked[0] == asked[1]
    words = set(asked[0]) & set(labels)
    assert len(asked[0]) == pytest.approx(texts, abs=3)
    assert 0 < len(words) < len(asked[0])


def test_few_texts_change_the_prior_a_little_and_many_replace_it() -> None:
    neutral, measured = np.zeros(2), np.array([1.0, -1.0])
    np.testing.assert_allclose(blend(neutral, measured, 8, 8), measured / 2)
    assert blend(neutral, measured, 1, 8)[0] < 0.2
    assert blend(neutral, measured, 1000, 8)[0] > 0.99
    np.testing.assert_allclose(class_mean(np.array([[1.0], [3.0], [8.0]]), [0, 0, 2]), [5.0])


@pytest.mark.slow
@pytest.mark.parametrize("weight", [8, NEUTRAL.neutral_weight])
def test_a_prior_can_be_measured_on_given_texts(weight: float) -> None:
    chain, plain = chain_of(tuning=ClassificationTuning(neutral_weight=weight)), chain_of(contextual_calibration=False)
    before = chain.invoke(TEXTS[0])
    scorer = label_scorer(tiny_llm("llama"), LABELS)
    prior = blend(
        neutral_scores(scorer.try_scores, LABELS).prior, scorer.scores(TEXTS).mean(axis=0), len(TEXTS), weight
    )
    report = chain.calibrate(TEXTS)
    assert (report.rows, report.log_loss_before, report.log_loss_after, report.threshold) == (5, None, None, None)
    wanted = softmax(scorer.scores(TEXTS[:1])[0] - prior)
    found = chain.invoke(TEXTS[0])
    np.testing.assert_allclose(list(found.scores.values()), wanted, atol=1e-4)
    assert not found.calibrated
    assert not results_agree(found, before)
    assert not results_agree(found, plain.invoke(TEXTS[0]))
    assert all(
        results_agree(chain.invoke(text), result) for text, result in zip(TEXTS, chain.batch(TEXTS), strict=True)
    )


@pytest.mark.slow
def test_many_texts_of_one_label_replace_the_prior() -> None:
    chain = chain_of()
    chain.calibrate(TEXTS[:1] * 400)
    chances = chain.invoke(TEXTS[0]).scores.values()
    assert max(chances) - min(chances) < 0.25


def test_measuring_a_prior_without_contextual_calibration_raises_an_error() -> None:
    with pytest.raises(InputError, match="contextual_calibration=False subtracts no prior"):
        chain_of(contextual_calibration=False).calibrate(TEXTS)


@pytest.mark.slow
def test_a_new_prior_undoes_an_earlier_calibration() -> None:
    chain, fresh = chain_of(), chain_of()
    chain.calibrate([{"input": text, "output": label} for text, label in zip(TEXTS, LABELS, strict=False)])
    assert chain.invoke(TEXTS[0]).calibrated
    chain.calibrate(TEXTS)
    fresh.calibrate(TEXTS)
    assert not chain.invoke(TEXTS[0]).calibrated
    assert results_agree(chain.invoke(TEXTS[0]), fresh.invoke(TEXTS[0]))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "there are no rows to calibrate with"),
        (["x", ""], "row 2: the text is empty"),
        ("The dog", "rows is a text, but must be a list of texts"),
        (["x", None], "row 2: the text is nothing"),
        (["x", {"input": "y", "output": "Paris"}], "row 2 has a label"),
    ],
)
def test_invalid_texts_raise_an_error(rows: Any, says: str) -> None:
    chain = chain_of()
    before = chain.invoke(TEXTS[0])
    with pytest.raises(InputError, match=says):
        chain.calibrate(rows)
    assert results_agree(chain.invoke(TEXTS[0]), before)


@pytest.mark.slow
def test_the_tuning_of_the_default_model_is_chosen_by_its_name(default_model_folder: Any) -> None:
    labels = ["sports", "politics"]
    assert chain_of().tuning is NEUTRAL
    for name in (str(default_model_folder), "smollm2-135m"):
        llm = HuggingFaceChat(model=name)
        assert ZeroShotClassificationChain(llm, labels).tuning is SMOLLM2_135M
        assert ZeroShotClassificationChain(llm.bind(temperature=0), labels).tuning is SMOLLM2_135M
        assert ZeroShotClassificationChain(llm, labels, tuning=NEUTRAL).tuning is NEUTRAL
    with pytest.raises(InputError, match="tuning is Tuning, but must be a ClassificationTuning"):
        chain_of(tuning=Tuning())


def test_rows_of_one_label_raise_an_error() -> None:
    """A temperature fitted to one label makes every probability near 0 or 1."""
    chain = chain_of()
    with pytest.raises(InputError, match="all rows have the same label"):
        chain.calibrate([{"input": text, "output": LABELS[0]} for text in TEXTS])
    assert not chain.invoke(TEXTS[0]).calibrated


def test_measuring_the_prior_resets_an_earlier_threshold() -> None:
    chain = chain_of()
    rows = [{"input": text, "output": label} for text, label in zip(TEXTS, LABELS, strict=False)]
    chain.calibrate(rows, precision=0.01)
    assert chain.threshold is not None
    chain.calibrate(TEXTS)
    assert chain.threshold is None
