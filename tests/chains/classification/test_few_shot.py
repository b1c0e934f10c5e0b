"""Examples: shown, or only learned from; ranked by any selector; in the model's words."""

from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.example_selectors import LengthBasedExampleSelector
from langchain_core.example_selectors.base import BaseExampleSelector
from langchain_core.prompts import PromptTemplate

from llmkit import HuggingFaceChat
from llmkit.chains import ZeroShotClassificationChain
from llmkit.chains.classification.contextual_calibration import NEUTRAL, blend, neutral_scores
from llmkit.chains.classification.few_shot import MAX_SHOWN, MIN_MEASURED, FewShot
from llmkit.chains.classification.mixture import assign_folds
from llmkit.chains.classification.scorer import LabelScorer
from llmkit.chains.labels import Labels
from llmkit.errors import InputError, PromptError
from llmkit.prompts import LexicalExamples
from tests.support.classification import label_scorer, results_agree, tiny_llm

LABELS = ["animal", "place", "number"]
EXAMPLES = [
    {"input": "The fox jumps.", "output": "animal"},
    {"input": "The dog sleeps.", "output": "animal"},
    {"input": "Paris is far.", "output": "place"},
    {"input": "Seven and ten.", "output": "number"},
    {"input": "France is large.", "output": "place"},
    {"input": "Ninety.", "output": "number"},
]
TEXT = "The dog is in Paris."


def chain_of(**options: Any) -> ZeroShotClassificationChain:
    return ZeroShotClassificationChain(tiny_llm("llama"), LABELS, **options)


def few_shot(examples: Any, selector: Any = None, show: bool | None = None, **options: Any) -> FewShot:
    """Return the examples as a chain with the same arguments has them."""
    multi_label = options.pop("multi_label", False)
    labels = Labels.validate(LABELS, options.pop("descriptions", None), multi_label=multi_label)
    llm = options.pop("llm", tiny_llm("llama"))
    zero_shot = label_scorer(llm, labels.verbalized, multi_label=multi_label)
    return FewShot.from_examples(zero_shot, labels, selector, show, NEUTRAL, examples)


def outputs(scorer: LabelScorer, text: str = TEXT) -> list[str]:
    return [each["output"] for each in scorer.fit(text).examples]


def test_the_complete_few_shot_prompt(default_llm: HuggingFaceChat) -> None:
    llm = default_llm
    scorer = few_shot(EXAMPLES[1:3], llm=llm, descriptions={"place": "a city"}).few_shot
    assert llm.engine.encoder.render(scorer.fit(TEXT).messages) == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nText: Paris is far.\n\nWhat is the category of this text?<|im_end|>\n"
        "<|im_start|>assistant\nThe category of this text is a city<|im_end|>\n"
        "<|im_start|>user\nText: The dog sleeps.\n\nWhat is the category of this text?<|im_end|>\n"
        "<|im_start|>assistant\nThe category of this text is animal<|im_end|>\n"
        f"<|im_start|>user\nText: {TEXT}\n\nWhat is the category of this text?<|im_end|>\n"
        "<|im_start|>assistant\nThe category of this text is"
    )


def test_shown_examples_are_balanced_and_few(default_llm: HuggingFaceChat) -> None:
    many = [{"input": f"The dog {number}", "output": "animal"} for number in range(40)] + EXAMPLES[2:]
    shown = outputs(few_shot(many, llm=default_llm).few_shot)
    assert len(shown) == MAX_SHOWN
    assert shown[-3:] == ["number", "place", "animal"]  # the best of each label is next to the text
    assert {label: shown.count(label) for label in LABELS} == {"animal": 12, "place": 2, "number": 2}


def test_an_example_equal_to_the_text_is_left_out() -> None:
    scorers = few_shot(EXAMPLES, show=True)
    inputs = [each["input"] for each in scorers.few_shot.fit("  The dog\nsleeps. ").examples]
    assert "The dog sleeps." not in inputs
    assert len(inputs) == len(EXAMPLES) - 1
    both, first = few_shot(EXAMPLES[:2]).few_shot, few_shot(EXAMPLES[:1]).few_shot
    np.testing.assert_allclose(both.scores(["The dog sleeps."]), first.scores(["The dog sleeps."]), atol=1e-4)
    assert np.abs(both.scores([TEXT]) - first.scores([TEXT])).max() > 0.1


@pytest.mark.slow
def test_examples_are_shown_hidden_or_measured() -> None:
    shown, hidden = chain_of(examples=EXAMPLES, show_examples=True), chain_of(examples=EXAMPLES, show_examples=False)
    assert (shown.shows_examples, hidden.shows_examples) == (True, False)
    first, second = shown.invoke(TEXT), hidden.invoke(TEXT)
    assert not results_agree(first, second)
    measured = chain_of(examples=EXAMPLES)
    assert measured.shows_examples or results_agree(measured.invoke(TEXT), second)
    used = hidden.examples_report()
    assert used
    assert results_agree(second, chain_of().invoke(TEXT)) == (used.use == "none")
    assert results_agree(chain_of(show_examples=True).invoke(TEXT), chain_of().invoke(TEXT))


def test_too_few_examples_to_measure_are_put_into_the_prompt() -> None:
    assert chain_of(examples=EXAMPLES[: MIN_MEASURED - 1]).shows_examples
    assert chain_of(examples=EXAMPLES, contextual_calibration=False).shows_examples
    assert not chain_of().shows_examples
    bare = chain_of(examples=EXAMPLES, contextual_calibration=False, show_examples=False).examples_report()
    assert bare
    assert [one.use for one in bare.tried] == ["calibration"]


def test_the_prompt_that_is_tried_is_the_one_that_is_used() -> None:
    """It shows half of the examples, one of each label, and is tried on the others, with its own prior."""
    held = few_shot(EXAMPLES)
    shown = [EXAMPLES[place] for place in held.shown]
    assert {each["output"] for each in shown} == set(LABELS)
    [(indices, scores, noise)] = held.try_prompt()
    texts = [held.texts[held.measured[index]] for index in indices]
    assert {*texts, *(each["input"] for each in shown)} == {each["input"] for each in EXAMPLES}
    scorer = held.zero_shot.with_examples(shown)
    prior = neutral_scores(scorer.try_scores, LABELS).prior
    np.testing.assert_allclose(scores, scorer.scores(texts) - prior, atol=1e-3)
    assert noise > 0
    [used] = held.scorers("prompt")
    row = used.try_scores(texts[:1])[0]
    assert not isinstance(row, Exception)
    np.testing.assert_allclose(row, scores[0], atol=1e-3)


def test_the_prior_of_an_example_does_not_know_its_label() -> None:
    held = few_shot(EXAMPLES)
    scores, raw, folds = held.try_prior(), held.raw_scores, assign_folds(held.truth[held.measured])
    labels = held.truth[held.measured].argmax(axis=1)
    for fold in np.unique(folds):
        rest = folds != fold
        measured = np.mean([raw[rest & (labels == label)].mean(axis=0) for label in range(3)], axis=0)
        prior = blend(held.neutral.prior, measured, int(rest.sum()), NEUTRAL.neutral_weight)
        np.testing.assert_allclose(scores[~rest], raw[~rest] - prior)


@pytest.mark.slow
def test_examples_in_the_prompt_have_a_separate_prior() -> None:
    scorer = few_shot(EXAMPLES, show=True).few_shot
    prior = neutral_scores(scorer.try_scores, LABELS).prior
    odds = np.exp(scorer.scores([TEXT])[0] - prior)
    found = chain_of(examples=EXAMPLES, show_examples=True).invoke(TEXT)
    assert list(found.scores.values()) == pytest.approx(odds / odds.sum(), abs=1e-4)


@pytest.mark.slow
def test_a_selector_ranks_for_each_text() -> None:
    scorers = few_shot(EXAMPLES, LexicalExamples(2))
    assert scorers.fixed_use == "prompt"
    assert [each["input"] for each in scorers.few_shot.fit("Seven dogs sleep.").examples][-1] == "Seven and ten."
    assert [each["input"] for each in scorers.few_shot.fit("The fox in Paris").examples][-1] in (
        "The fox jumps.",
        "Paris is far.",
    )
    chain = chain_of(examples=EXAMPLES, selector=LexicalExamples(2))
    together = chain.batch([TEXT, "Seven dogs.", "France"])
    assert all(
        results_agree(chain.invoke(text), each)
        for text, each in zip([TEXT, "Seven dogs.", "France"], together, strict=True)
    )
    hidden = chain_of(examples=EXAMPLES, selector=LexicalExamples(2), show_examples=False)
    assert results_agree(hidden.invoke(TEXT), chain_of(examples=EXAMPLES, show_examples=False).invoke(TEXT))


@pytest.mark.slow
def test_the_examples_of_a_selector_are_used() -> None:
    words = {"place": "a city or a country"}
    classifier = chain_of(selector=LexicalExamples(2, examples=EXAMPLES), descriptions=words)
    given = chain_of(examples=EXAMPLES, selector=LexicalExamples(2), descriptions=words)
    assert results_agree(classifier.invoke(TEXT), given.invoke(TEXT))
    held = few_shot((), LexicalExamples(examples=EXAMPLES), descriptions=words)
    assert set(outputs(held.few_shot)) == {"animal", "a city or a country", "number"}
    with pytest.raises(InputError, match="example 1 has the label 'beast'"):
        chain_of(selector=LexicalExamples(examples=[{"input": "x", "output": "beast"}]))
    with pytest.raises(PromptError, match="examples were given twice"):
        chain_of(examples=EXAMPLES, selector=LexicalExamples(examples=EXAMPLES))


class Listed(BaseExampleSelector):
    """A selector that is not llmkit's, and hands out what it was given."""

    def __init__(self, examples: list[dict[str, Any]]) -> None:
        self.examples = examples

    def add_example(self, example: dict[str, str]) -> None:
        self.examples.append(example)

    def select_examples(self, input_variables: dict[str, str]) -> list[dict[str, Any]]:
        assert set(input_variables) == {"input"}
        return self.examples


@pytest.mark.slow
def test_a_langchain_selector_is_used() -> None:
    template = PromptTemplate.from_template("{input} {output}")
    selector = LengthBasedExampleSelector(examples=EXAMPLES, example_prompt=template, max_length=12)
    scorers = few_shot((), selector, descriptions={"animal": "a beast"})
    assert outputs(scorers.few_shot, "A dog").count("a beast") == 2
    assert len(outputs(scorers.few_shot, "A dog " * 4)) < len(outputs(scorers.few_shot, "A dog"))
    chain = chain_of(selector=selector)
    assert chain.shows_examples
    assert sum(chain.invoke(Document(TEXT)).scores.values()) == pytest.approx(1)
    with pytest.raises(PromptError, match="LengthBasedExampleSelector has its own examples"):
        chain_of(examples=EXAMPLES, selector=selector)


@pytest.mark.slow
def test_the_examples_of_a_selector_are_validated() -> None:
    wrong = [{"input": "x", "output": "beast"}]
    with pytest.raises(InputError, match="example 1 has the label 'beast', but the labels are"):
        chain_of(selector=Listed(wrong)).invoke(TEXT)
    both: list[dict[str, Any]] = [{"input": "A dog in Paris", "output": ["animal", "place"]}]
    assert outputs(few_shot((), Listed(both), multi_label=True).few_shot) == ["animal, place"]
    found = chain_of(selector=Listed(both), multi_label=True).invoke(TEXT)
    assert list(found.scores) == LABELS


@pytest.mark.slow
@pytest.mark.parametrize("show", [True, False, None])
def test_multi_label_examples(show: bool | None) -> None:
    several: list[dict[str, Any]] = [
        *EXAMPLES,
        {"input": "Two dogs in Paris", "output": ["number", "animal", "place"]},
        {"input": "Well.", "output": []},
    ]
    chain = chain_of(examples=several, multi_label=True, show_examples=show)
    assert chain.shows_examples in ([True, False] if show is None else [show])
    found = chain.invoke(TEXT)
    assert all(0 < chance < 1 for chance in found.scores.values())
    said = outputs(few_shot(several, multi_label=True).few_shot)
    assert "number, animal, place" in said
    assert "none of them" in said


@pytest.mark.slow
def test_any_iterable_of_examples_is_accepted() -> None:
    wanted = chain_of(examples=EXAMPLES).invoke(TEXT)
    once: Any = (each for each in EXAMPLES)
    assert results_agree(chain_of(examples=once).invoke(TEXT), wanted)
    assert results_agree(chain_of(examples=tuple(EXAMPLES)).invoke(TEXT), wanted)


def test_as_many_examples_as_fit_the_context_window_are_used() -> None:
    long = [{"input": "The dog sleeps. " * 8, "output": "animal"}, *EXAMPLES]
    scorer = few_shot(long, show=True).few_shot
    labels = Labels.validate(scorer.verbalized, None, multi_label=False)
    small = LabelScorer.from_labels(scorer.llm, scorer.prompt, labels, context_window=150)
    fitted = small.fit(TEXT)
    assert 0 < len(fitted.examples) < len(long)
    assert fitted.tokens + small.max_label_tokens <= 150
    chain = chain_of(examples=long, show_examples=True, context_window=150)
    assert sum(chain.invoke(TEXT).scores.values()) == pytest.approx(1)


@pytest.mark.slow
def test_fit_equals_examples_in_the_constructor() -> None:
    by_constructor = chain_of(examples=EXAMPLES).invoke(TEXT)
    chain = chain_of()
    without = chain.invoke(TEXT)
    assert chain.fit(EXAMPLES) is chain
    assert chain.invoke(TEXT) == by_constructor != without
    with pytest.raises(InputError, match="there are no examples to learn from"):
        chain.fit(())
    assert chain.invoke(TEXT) == by_constructor


def test_fit_resets_a_calibration_and_changes_nothing_for_invalid_examples() -> None:
    chain = chain_of(threshold=0.25)
    chain.calibrate(EXAMPLES, precision=0.01)
    calibrated = chain.invoke(TEXT)
    with pytest.raises(InputError, match="example 1"):
        chain.fit([{"input": TEXT, "output": "no such label"}])
    assert chain.invoke(TEXT) == calibrated
    assert calibrated.calibrated
    assert not chain.fit(EXAMPLES).invoke(TEXT).calibrated
    assert chain.threshold == 0.25
