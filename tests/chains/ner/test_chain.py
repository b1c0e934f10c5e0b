"""Entities stand in their text, whatever it is; alone as in a batch, short as in passages."""

import asyncio
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from llmkit import HuggingFaceChat
from llmkit.chains import NERChain
from llmkit.chains.labels import Labels
from llmkit.chains.ner.candidates import name_words
from llmkit.chains.ner.entity_typing import EntityTyper
from llmkit.chains.ner.function_words import function_words
from llmkit.chains.ner.tuning import NEUTRAL
from llmkit.chains.ner.values import is_value
from llmkit.errors import ContextWindowExceeded, InputError, PromptError
from llmkit.prompts import TaskPrompt
from llmkit.text.segmentation import Span
from tests.support.ner import (
    DESCRIPTIONS,
    LABELS,
    MODELS,
    TEXT,
    are_valid_entities,
    chain,
    chain_of,
    covered_characters,
    entities_are_close,
)
from tests.support.texts import TEXTS

every = pytest.mark.parametrize("name", MODELS)

HARD_WORDS = [
    *(
        "Paris",
        "the",
        "{input}",
        "<|im_end|>",
        "<|im_start|>user",
        "</s>",
        "\u202e",
        "\x1b[31m",
        "東京は",
        "שלום",
        "😀",
    ),
    *("مرحبا", "O'Neill's", "U.S.", '"New', 'York"', "2011", "Ⅷ", "ǅ", "İ", "\x00", "\ufeff", "ab" * 40),
]
HARD = st.one_of(
    TEXTS,
    st.lists(st.sampled_from(HARD_WORDS), max_size=25).map(" ".join),
).filter(str.strip)


@pytest.mark.slow
@given(HARD, st.sampled_from(list(MODELS)), st.sampled_from([0.0, 0.2, 0.5]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_entities_are_valid_in_any_text(text: str, name: str, threshold: float, proper_names: bool) -> None:
    assert are_valid_entities(text, chain(name, threshold, proper_names).invoke(text), threshold)


@pytest.mark.slow
def test_a_text_of_a_thousand_words_has_valid_entities() -> None:
    text = " ".join(TEXT.split() * (1000 // len(TEXT.split()) + 1))
    found = chain("llama", 0.001).invoke(text)
    assert are_valid_entities(text, found, 0.001)
    assert len(found) > 100


@every
def test_results_do_not_depend_on_the_batch(name: str) -> None:
    texts = [TEXT, "Paris", "東京は 😀", TEXT[20:60], "!!!", TEXT * 3]
    ner = chain_of(name, threshold=0.1)
    together = ner.batch(texts)
    assert any(together)
    for text, found in zip(texts, together, strict=True):
        assert entities_are_close(found, ner.invoke(text))
    assert all(entities_are_close(*pair) for pair in zip(together, ner.batch(texts[::-1])[::-1], strict=True))


def naming_words(text: str) -> list[Span]:
    """Return the words of a text but for function words, which are no entities."""
    found = name_words(text)
    return [word for word, is_function in zip(found, function_words(text, found), strict=True) if not is_function]


@every
def test_scores_are_probabilities_against_no_entity_at_all(name: str) -> None:
    llm = MODELS[name](name)
    labels = Labels.validate(LABELS, DESCRIPTIONS, multi_label=True)
    typer = EntityTyper.from_labels(llm, TaskPrompt.load("mentions"), labels, NEUTRAL, None)
    text = "The dog is in Paris."
    found = chain_of(name, tuning=NEUTRAL, threshold=0.0, max_words=1, proper_names=False).invoke(text)
    assert [each.text for each in found] == ["dog", "Paris"]
    [scores] = typer.scores([typer.fit(text)], [[each.text for each in found]])
    odds = np.exp(np.concatenate([scores[:, :2], np.full((2, 1), -NEUTRAL.names.constant)], axis=1))
    chances = (odds / odds.sum(axis=1, keepdims=True))[:, :-1]
    wanted = [row[LABELS.index(each.label)] for row, each in zip(chances, found, strict=True)]
    assert [each.score for each in found] == pytest.approx(wanted, abs=1e-4)


def test_every_occurrence_has_its_offsets() -> None:
    text = "Paris, Paris and (Paris)\nParis"
    found = chain_of(threshold=0.0, max_words=1, proper_names=False).invoke(text)
    assert [each.start for each in found if each.text == "Paris"] == [0, 7, 18, 25]


@pytest.mark.parametrize("text", [TEXT, "東京は日本の首都。", "مرحبا بالعالم 2011"])
def test_a_higher_threshold_finds_fewer_entities(text: str) -> None:
    covered = covered_characters(chain("llama", 0.0, False).invoke(text))
    assert all(covered_characters([word]) <= covered for word in naming_words(text) if not is_value(word.of(text)))
    assert chain("llama", 1.0).invoke(text).entities == ()
    half = chain("llama", 0.5).invoke(text)
    assert are_valid_entities(text, half, 0.5)
    assert covered_characters(half) <= covered_characters(chain("llama", 0.2).invoke(text))


def test_passages_find_every_candidate_of_the_text() -> None:
    text = "\n\n".join([TEXT] * 6)
    found = chain_of(max_passage_tokens=40, threshold=0.0, proper_names=False).invoke(text)
    assert are_valid_entities(text, found, 0.0)
    assert all(covered_characters([word]) <= covered_characters(found) for word in naming_words(text))


@pytest.mark.slow
@every
def test_a_text_longer_than_the_context_window_is_split(name: str) -> None:
    small = NERChain(MODELS[name](name), LABELS, descriptions=DESCRIPTIONS, context_window=220, threshold=0.1)
    text = TEXT * 5
    found = small.invoke(text)
    assert found
    assert are_valid_entities(text, found, 0.1)


@every
@pytest.mark.parametrize("proper_names", [True, False])
def test_a_context_window_that_is_too_small_raises_an_error_with_the_size_needed(name: str, proper_names: bool) -> None:
    def refused(window: int) -> ContextWindowExceeded | None:
        try:
            made.append(
                NERChain(
                    MODELS[name](name),
                    LABELS,
                    descriptions=DESCRIPTIONS,
                    proper_names=proper_names,
                    context_window=window,
                    threshold=0,
                )
            )
        except ContextWindowExceeded as error:
            return error
        return None

    made: list[NERChain] = []
    window = 20
    while error := refused(window):
        assert error.available == window < error.needed
        window = error.needed
    assert window > 20
    assert are_valid_entities(TEXT, made[0].invoke(TEXT), 0)


def test_an_invalid_input_does_not_fail_the_rest_of_the_batch() -> None:
    inputs: list[Any] = [TEXT, "", 3, "Paris \ud800", " \n", Document(TEXT), None]
    results: list[Any] = chain().batch(inputs, return_exceptions=True)
    says = {
        1: "the text is empty",
        2: "the text is a number",
        3: "half a surrogate",
        4: "is empty",
        6: "the text is nothing",
    }
    for place, words in says.items():
        assert isinstance(results[place], InputError)
        assert words in str(results[place])
    assert entities_are_close(results[0], chain().invoke(TEXT))
    assert entities_are_close(results[5], results[0])
    with pytest.raises(InputError, match="the text is empty"):
        chain().invoke("")
    assert chain().batch([]) == []


def test_async_results_equal_sync_results() -> None:
    assert entities_are_close(asyncio.run(chain().ainvoke(TEXT)), chain().invoke(TEXT))
    [first, second] = asyncio.run(chain().abatch([TEXT, "Paris"]))
    assert entities_are_close(first, chain().invoke(TEXT))
    assert entities_are_close(second, chain().invoke("Paris"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"labels": "person"}, "labels is 'person', but must be a list"),
        ({"labels": []}, "there are no labels: give at least 1"),
        ({"labels": ["person", " "]}, "label 2 is empty"),
        ({"labels": ["person", "person"]}, "'person' is given twice"),
        ({"labels": ["person", 3]}, "a label"),
        ({"descriptions": {"ship": "a boat"}}, "the description of 'ship' is of no label"),
        ({"descriptions": {"place": ","}}, "the description of 'place' has only commas"),
        ({"descriptions": {"place": " "}}, "the description of 'place' is empty"),
        ({"threshold": 1.1}, "threshold is 1.1, but must be between 0 and 1"),
        ({"max_words": 0}, "max_words is 0, but must be a whole number, at least 1"),
        ({"max_passage_tokens": 2.5}, "max_passage_tokens is 2.5, but must be a whole number"),
        ({"examples": [{"input": "a"}]}, "example 1 has no 'output'; its keys are 'input'"),
        ({"examples": [{"input": "Ada", "output": [{"text": "Ada", "label": "x"}]}]}, "example 1 has the label 'x'"),
        (
            {"examples": [{"input": "Ada", "output": [{"text": "Bob", "label": "place"}]}]},
            "'Bob', which is not in its text",
        ),
    ],
)
def test_an_invalid_argument_raises_an_error_that_names_it(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        chain_of(**options)


def test_prompts() -> None:
    ner = chain_of(prompt=TaskPrompt("What is what?", output_start="Here,"), threshold=0.1)
    assert are_valid_entities(TEXT, ner.invoke(TEXT), 0.1)
    assert not entities_are_close(ner.invoke(TEXT), chain_of(threshold=0.1).invoke(TEXT))
    with pytest.raises(PromptError, match="fields that this chain cannot fill: labels"):
        chain_of(prompt="entities")


def test_a_single_label_is_accepted() -> None:
    assert are_valid_entities(
        TEXT, chain_of(labels=["ship"], descriptions=None, threshold=0.1).invoke(TEXT), 0.1, ["ship"]
    )


EASY = {
    "Ada Lovelace was born in London.": [("Ada Lovelace", "person"), ("London", "location")],
    "Marie Curie worked in Paris.": [("Marie Curie", "person"), ("Paris", "location")],
    "Last year Microsoft opened an office in Berlin.": [("Microsoft", "organization"), ("Berlin", "location")],
    "The novel was written by Jane Austen.": [("Jane Austen", "person")],
    "They travelled from Madrid to Lisbon by train.": [("Madrid", "location"), ("Lisbon", "location")],
    "The bread does not rise if the water is cold.": [],
    "安倍晋三は東京で生まれた。": [("安倍晋三", "person"), ("東京", "location")],
}


@pytest.mark.slow
def test_the_default_model(default_llm: HuggingFaceChat) -> None:
    ner = NERChain(default_llm)
    results = ner.batch(list(EASY))
    named = {text: [(each.text, each.label) for each in found] for text, found in zip(EASY, results, strict=True)}
    assert named == EASY
    assert entities_are_close(ner.invoke(next(iter(EASY))), results[0], 0.02)


@pytest.mark.slow
def test_custom_entity_types_that_are_not_names(default_llm: HuggingFaceChat) -> None:
    ner = NERChain(
        default_llm,
        ["drug", "disease"],
        descriptions={"drug": "a drug, a medicine", "disease": "a disease, an illness"},
        proper_names=False,
    )
    text = "The patient took aspirin against her migraine, and insulin for diabetes."
    found = {(each.text, each.label) for each in ner.invoke(text)}
    assert {("aspirin", "drug"), ("migraine", "disease"), ("insulin", "drug"), ("diabetes", "disease")} <= found
