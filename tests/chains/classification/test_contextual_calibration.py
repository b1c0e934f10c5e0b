"""The bias that is taken off, and where it is learned."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from llmkit.chains import ZeroShotClassificationChain
from llmkit.chains.classification.contextual_calibration import (
    NEUTRAL_WEIGHT,
    blended,
    class_mean,
    neutral_prior,
)
from llmkit.chains.tuning import NEUTRAL_TEXTS
from llmkit.errors import ContextWindowExceeded, InputError
from tests.support.classification import LABELS, label_scorer, results_agree, tiny_llm

TEXTS = ["The dog sleeps on.", "What is Paris?", "東京", "def add(a, b):", "The quick brown fox"]


def chain_of(**options: Any) -> ZeroShotClassificationChain:
    return ZeroShotClassificationChain(tiny_llm("llama"), LABELS, **options)


def softmax(scores: Any) -> Any:
    odds = np.exp(scores - np.max(scores))
    return odds / odds.sum()


def test_the_neutral_prior_is_what_the_chain_takes_off() -> None:
    own = label_scorer(tiny_llm("llama"), LABELS)
    neutral = own.scores(NEUTRAL_TEXTS)
    named = own.scores(LABELS)
    prior = [
        np.mean([*neutral[:, place], *(row[place] for label, row in zip(LABELS, named, strict=True) if label != words)])
        for place, words in enumerate(LABELS)
    ]
    np.testing.assert_allclose(neutral_prior(own.attempts, LABELS), prior, atol=1e-4)
    [row] = own.scores(TEXTS[:1])
    found = chain_of().invoke(TEXTS[0])
    np.testing.assert_allclose(list(found.scores.values()), softmax(row - prior), atol=1e-4)


def test_what_no_prompt_holds_is_left_out_of_the_prior() -> None:
    own = label_scorer(tiny_llm("llama"), LABELS)
    long = LABELS[-1]

    def attempts(texts: Sequence[str]) -> list[Any]:
        return [ContextWindowExceeded(600, 512) if text == long else own.attempts([text])[0] for text in texts]

    first = own.scores([*NEUTRAL_TEXTS, *LABELS[1:-1]])[:, 0].mean()
    assert neutral_prior(attempts, LABELS)[0] == pytest.approx(first, abs=1e-4)
    with pytest.raises(ContextWindowExceeded):
        neutral_prior(lambda texts: [ContextWindowExceeded(600, 512) for _ in texts], LABELS)


def test_a_long_description_spoils_nothing() -> None:
    """Too long to be a text before its own label, it is short enough to be one."""
    chain = chain_of(descriptions={"Paris": "the capital of France " * 25})
    found = chain.invoke("x")
    assert sum(found.scores.values()) == pytest.approx(1)


def test_hundreds_of_labels_are_sampled_in_any_order() -> None:
    asked: list[Sequence[str]] = []

    def attempts(texts: Sequence[str]) -> list[Any]:
        asked.append(texts)
        return [np.zeros(300) for _ in texts]

    labels = [f"label {number}" for number in range(300)]
    neutral_prior(attempts, labels)
    neutral_prior(attempts, labels[::-1])
    assert asked[0] == asked[1]
    assert 128 <= len(asked[0]) - len(NEUTRAL_TEXTS) <= 256


def test_few_texts_draw_the_prior_a_little_and_many_settle_it() -> None:
    neutral, own = np.zeros(2), np.array([1.0, -1.0])
    np.testing.assert_allclose(blended(neutral, own, NEUTRAL_WEIGHT), own / 2)
    assert blended(neutral, own, 1)[0] < 0.2
    assert blended(neutral, own, 1000)[0] > 0.99
    np.testing.assert_allclose(class_mean(np.array([[1.0], [3.0], [8.0]]), [0, 0, 2]), [5.0])


def test_a_prior_from_the_caller_s_texts() -> None:
    chain, plain = chain_of(), chain_of(calibrate=False)
    before = chain.invoke(TEXTS[0])
    own = label_scorer(tiny_llm("llama"), LABELS)
    prior = blended(neutral_prior(own.attempts, LABELS), own.scores(TEXTS).mean(axis=0), len(TEXTS))
    chain.fit_prior(TEXTS)
    wanted = softmax(own.scores(TEXTS[:1])[0] - prior)
    found = chain.invoke(TEXTS[0])
    np.testing.assert_allclose(list(found.scores.values()), wanted, atol=1e-4)
    assert not results_agree(found, before)
    assert not results_agree(found, plain.invoke(TEXTS[0]))
    assert all(results_agree(chain.invoke(text), each) for text, each in zip(TEXTS, chain.batch(TEXTS), strict=True))


def test_many_texts_of_one_kind_take_their_common_bias_off() -> None:
    chain = chain_of()
    chain.fit_prior(TEXTS[:1] * 400)
    chances = chain.invoke(TEXTS[0]).scores.values()
    assert max(chances) - min(chances) < 0.1


@pytest.mark.parametrize("several", [False, True])
def test_the_batch_tells_the_prior_only_where_it_is_asked(several: bool) -> None:
    chain = chain_of(prior="batch", multi_label=several)
    together, alone = chain.batch(TEXTS), [chain.invoke(text) for text in TEXTS]
    assert not any(results_agree(*pair) for pair in zip(together, alone, strict=True))
    fitted = chain_of(multi_label=several)
    fitted.fit_prior(TEXTS)
    assert all(results_agree(*pair) for pair in zip(together, fitted.batch(TEXTS), strict=True))
    bad: list[Any] = chain.batch([*TEXTS, "", "The " * 600], return_exceptions=True)
    assert all(results_agree(*pair) for pair in zip(bad[: len(TEXTS)], together, strict=True))
    assert all(isinstance(each, InputError) for each in bad[len(TEXTS) :])


def test_uncalibrated_scores_know_no_batch() -> None:
    plain = chain_of(calibrate=False).batch(TEXTS)
    assert all(
        results_agree(*pair) for pair in zip(chain_of(calibrate=False, prior="batch").batch(TEXTS), plain, strict=True)
    )
    with pytest.raises(InputError, match="calibrate=False takes no bias off"):
        chain_of(calibrate=False).fit_prior(TEXTS)


def test_a_new_prior_puts_an_end_to_an_older_fit() -> None:
    chain = chain_of()
    chain.fit_temperature(TEXTS, LABELS[: len(TEXTS)])
    chain.fit_prior(TEXTS)
    fresh = chain_of()
    fresh.fit_prior(TEXTS)
    assert results_agree(chain.invoke(TEXTS[0]), fresh.invoke(TEXTS[0]))
    with pytest.raises(InputError, match="call fit_temperature first"):
        chain.threshold_for(0.5)


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ([], "there are no texts to learn from"),
        (["x", ""], "text 2: the text is empty"),
        ("The dog", "texts is one text, but must be a list of texts"),
        (["x", None], "text 2: the text is NoneType"),
        (["The " * 600], "512"),
    ],
)
def test_wrong_texts(texts: Any, says: str) -> None:
    chain = chain_of()
    before = chain.invoke(TEXTS[0])
    with pytest.raises(InputError, match=says):
        chain.fit_prior(texts)
    assert results_agree(chain.invoke(TEXTS[0]), before)
