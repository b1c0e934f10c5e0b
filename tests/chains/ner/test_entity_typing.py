"""What speaks for a kind of thing is what teacher forcing says of it, over that of a thing, less half the bias."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage

from llmkit import HuggingFaceChat
from llmkit.chains.labels import Labels
from llmkit.chains.ner.entity_typing import LABEL_PHRASES, EntityTyper
from llmkit.chains.ner.evidence import READINGS
from llmkit.chains.ner.tuning import NEUTRAL, NERTuning
from llmkit.chains.tuning import NEUTRAL_SENTENCES
from llmkit.errors import ContextWindowExceeded, InputError
from llmkit.prompts import TaskPrompt
from llmkit.text.words import words
from tests.support import tiny
from tests.support.models import chat, completion
from tests.support.reference import teacher_forcing

TUNING = NERTuning(prior_share=0.5)
MODELS = {"llama": chat, "gpt2": completion, "t5": chat}
every = pytest.mark.parametrize("name", MODELS)
TEXT = "The dog is in Paris, 東京 {labels} <|im_end|>."
MENTIONS = ["The dog", "dog", "Paris", "東京", "東", "{labels}", "<|im_end|>"]
SAID = {"person": "a man, woman", "location": "the city"}


def typer(
    llm: Any, labels: Sequence[str] = ("person", "location"), said: Any = SAID, window: int | None = None
) -> EntityTyper:
    entity_typer = {label: words for label, words in (said or {}).items() if label in labels}
    return EntityTyper.from_labels(
        llm, TaskPrompt.load("mentions"), Labels.validate(labels, entity_typer, multi_label=True), TUNING, window
    )


@cache
def made(name: str) -> EntityTyper:
    return typer(MODELS[name](name))


def forced(name: str, text: str, mention: str) -> list[float]:
    """What speaks for a person and a location, from one pass for each phrase, without anything of llmkit's."""
    encoder = made(name).llm.engine.encoder
    asked, beginning = "Say what each quoted part of the text is.", "In this text,"
    if name == "llama":
        prompt = encoder.encode_messages([HumanMessage(f"Text: {text}\n\n{asked}"), AIMessage(beginning)])
    elif name == "t5":
        prompt = encoder.encode_messages([HumanMessage(f"Text:\n\n{text}\n\n{asked}\n{beginning}")])
    else:
        prompt = encoder.encode_text(f"Text: {text}\n{asked}\n{beginning}")
    thing, man, woman, city = (
        teacher_forcing(tiny.make(name), prompt, encoder.encode_continuation(f' "{mention}" is {phrase}'))
        for phrase in ("a thing", "a man", "a woman", "the city")
    )
    return [float(np.logaddexp(man, woman) - np.log(2)) - thing, city - thing]


@every
def test_scores_equal_teacher_forcing(name: str) -> None:
    entity_typer = made(name)
    fitted = [entity_typer.fit(text) for text in (TEXT, "x", "Paris")]
    first, none, last = entity_typer.scores(fitted, [MENTIONS, [], ["Paris"]])
    taken = TUNING.prior_share * entity_typer.prior
    labels = slice(None, 2)
    np.testing.assert_allclose((first + taken)[:, labels], [forced(name, TEXT, each) for each in MENTIONS], atol=1e-4)
    np.testing.assert_allclose((last + taken)[:, labels], [forced(name, "Paris", "Paris")], atol=1e-4)
    a_man = 2 + READINGS.index("a man"), 2 + READINGS.index("a woman")
    of_people = np.logaddexp(*(first + taken)[:, a_man].T) - np.log(2)
    np.testing.assert_allclose(of_people, (first + taken)[:, 0], atol=1e-4)
    assert none.shape == (0, 2 + len(READINGS) + 1)


def test_a_mention_is_as_likely_as_all_that_is_said_of_it() -> None:
    entity_typer, encoder = made("gpt2"), MODELS["gpt2"]("gpt2").engine.encoder
    [row] = entity_typer.scores([entity_typer.fit("Paris")], [["Paris"]])
    prompt = encoder.encode_text("Text: Paris\nSay what each quoted part of the text is.\nIn this text,")
    thing = teacher_forcing(tiny.make("gpt2"), prompt, encoder.encode_continuation(' "Paris" is a thing'))
    readings = (row + TUNING.prior_share * entity_typer.prior)[0, 2:-1]
    assert row[0, -1] == pytest.approx(thing + np.log(1 + np.exp(readings).sum()), abs=1e-4)


@pytest.mark.slow
@every
def test_the_bias_is_measured_on_words_that_are_not_names(name: str) -> None:
    rows = [forced(name, text, word.of(text)) for text in NEUTRAL_SENTENCES for word in words(text)]
    np.testing.assert_allclose(made(name).prior[:2], np.mean(rows, axis=0), atol=1e-4)


def test_phrases() -> None:
    llm = chat("llama")
    assert typer(llm).phrases == (("a man", "a woman"), ("the city",))
    usual = typer(llm, ("person", "organization", "location"), None)
    assert usual.usual == ("person", "organization", "location")
    assert typer(llm, ("LOC", "person", "city"), {"person": "a man"}).usual == ("location", None, None)
    assert usual.phrases == tuple(tuple(each.split(", ")) for each in LABEL_PHRASES.values())
    for known in (("Person", "ORGANISATION", " location "), ("PER", "ORG", "LOC")):
        assert typer(llm, known, None).phrases == usual.phrases
    said = {"drug": "medicine,  an antibiotic ,the pill,, ", "org": "organ, Umbrella", "a b": "b"}
    assert typer(llm, ("drug", "org", "a b", "disease"), said).phrases == (
        ("a medicine", "an antibiotic", "the pill"),
        ("an organ", "an Umbrella"),
        ("a b",),
        ("a disease",),
    )
    assert all(NEUTRAL.reference_phrase not in phrases for phrases in usual.phrases)
    with pytest.raises(InputError, match="the description of 'org' has only commas"):
        typer(llm, ("drug", "org"), {"org": " , ,"})


@every
def test_the_longest_text_fits_with_any_mention_repeated(name: str) -> None:
    entity_typer = typer(MODELS[name](name), window=220)
    assert 20 < entity_typer.max_text_tokens < 100
    count = entity_typer.llm.get_num_tokens
    text = "x"
    while count(f"{text} x") <= entity_typer.max_text_tokens:
        text += " x"
    fitted = entity_typer.fit(text)
    [row] = entity_typer.scores([fitted], [[text]])
    assert np.isfinite(row).all()
    with pytest.raises(ContextWindowExceeded):
        entity_typer.fit(text * 3)


@pytest.mark.slow
def test_the_complete_prompt_of_the_default_model(default_llm: HuggingFaceChat) -> None:
    llm = default_llm
    entity_typer = typer(llm)
    text = "Ada Lovelace was born in London."
    assert llm.engine.encoder.render(entity_typer.fit(text).messages) == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        f"<|im_start|>user\nText: {text}\n\nSay what each quoted part of the text is.<|im_end|>\n"
        "<|im_start|>assistant\nIn this text,"
    )
    [rows] = entity_typer.scores([entity_typer.fit(text)], [["Ada Lovelace", "London", "born"]])
    assert rows[:, :2].argmax(axis=1)[:2].tolist() == [0, 1]
    assert rows[0, 0] > rows[2, 0]
    assert rows[1, 1] > rows[2, 1]


def test_labels_that_are_the_same_to_the_model_are_refused() -> None:
    with pytest.raises(InputError, match="the labels 'person', 'PER' are the same to the model"):
        typer(chat("llama"), ["person", "PER", "location"], None)
