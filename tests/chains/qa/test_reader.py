"""A phrase's score is what plain teacher forcing gives; the prompts are these, to the letter."""

from itertools import groupby
from typing import Any

import pytest

from llmkit import HuggingFaceLLM
from llmkit.chains.qa.reader import Reader, ReaderInput
from llmkit.chains.qa.tuning import QATuning
from llmkit.chains.tuning import NEUTRAL_QUESTION
from llmkit.errors import ContextWindowExceeded
from llmkit.prompts import TaskPrompt
from llmkit.retrieval import RetrievedSentence
from tests.support import tiny
from tests.support.models import chat
from tests.support.reference import teacher_forcing

TEXT = "The dog sleeps. Paris is old."
SENTENCES = [RetrievedSentence(16, 29, 0, "Paris is old."), RetrievedSentence(0, 15, 0, "The dog sleeps.")]
QUESTION = "What is old?"

TUNING = QATuning(prior_weight=0.5, span_weights={"rank": -1.0, "only_repeated": -4.0})

ASKED = f"Question: {QUESTION}\nContext: {TEXT}\nQuestion: {QUESTION}\nAnswer:"


def reader(name: str = "llama", **options: Any) -> Reader:
    llm = HuggingFaceLLM(model=chat(name).engine)
    prompt = TaskPrompt.load("question-answering").with_examples([])
    return Reader(llm, prompt, options.pop("tuning", TUNING), max_words=2, **options)


def test_the_prompts() -> None:
    item: ReaderInput = reader().prepare(QUESTION, SENTENCES)
    assert item.prompt.text == ASKED
    assert item.neutral_prompt.text == ASKED.replace(QUESTION, NEUTRAL_QUESTION)
    led = TaskPrompt.load("question-answering").fit(TEXT, model=reader().llm, max_new_tokens=9, question=QUESTION)
    assert led.text.endswith(f"\nQuestion: When was the mill built?\nAnswer: 1821\n\n{ASKED}")
    assert led.text.count("Context:") == 3


@pytest.mark.parametrize("name", ["llama", "gpt_neox", "mamba"])
def test_scores_equal_teacher_forcing(name: str) -> None:
    span_reader = reader(name)
    item = span_reader.prepare(QUESTION, SENTENCES)
    [found] = span_reader.read([item])
    assert found
    assert TEXT[found.span.start : found.span.end] == found.text
    engine, model = span_reader.llm.engine, tiny.make(name)

    def forced(prompt: str, answer: str, *end: int) -> float:
        encoder = engine.encoder
        return teacher_forcing(model, encoder.encode_text(prompt), [*encoder.encode_continuation(answer), *end])

    answer = f" {found.text}"
    likely, usual = (
        forced(each.text, answer, *engine.loaded.likeliest_eos) for each in (item.prompt, item.neutral_prompt)
    )
    wanted = likely - TUNING.prior_weight * usual + TUNING.span_weights["rank"] * SENTENCES.index(found.sentence)
    wanted += TUNING.span_weights["only_repeated"] * (found.text == "old")
    assert found.score == pytest.approx(wanted, abs=1e-3)


def test_the_worst_sentences_that_do_not_fit_are_left_out() -> None:
    kept = []
    for window in range(60, 140, 4):
        try:
            kept.append(reader(context_window=window).prepare(QUESTION, SENTENCES).sentences)
        except ContextWindowExceeded:
            kept.append([])
    assert [hits for hits, _ in groupby(kept)] == [[], SENTENCES[:1], SENTENCES]


def test_the_head_outweighs_the_log_likelihood() -> None:
    for name, chosen in {"cuts_name": {"Holm", "Maria"}, "begins_with_stop_word": {"is", "is old"}}.items():
        found = {}
        for weight in (-1000.0, 1000.0):
            tuning = QATuning(span_weights={name: weight})
            item = reader(tuning=tuning).prepare("Who?", [RetrievedSentence(0, 19, 0, "Maria Holm is old.")])
            [answer] = reader(tuning=tuning).read([item])
            assert answer
            found[weight] = answer
        assert found[-1000.0].text not in chosen
        assert found[1000.0].text in chosen | {"Holm is"}
        assert found[-1000.0].score > -500
        assert found[1000.0].score > 500


def test_an_alternative_is_no_repetition() -> None:
    tuning = QATuning(span_weights={"only_repeated": -1000.0})
    sentences = [RetrievedSentence(0, 17, 0, "The dog is black.")]
    for question, repeated in (("Is the dog black or white?", True), ("Which dog is black?", False)):
        span_reader = reader(tuning=tuning)
        [answer] = span_reader.read([span_reader.prepare(question, sentences)])
        assert answer
        assert (answer.score > -500) or not repeated
        assert (answer.text == "black") == repeated


def test_the_evidence_replaces_the_score() -> None:
    plain, lead = (reader(tuning=QATuning(evidence_weights=weights)) for weights in ({}, {"lead": 1.0}))
    item = plain.prepare(QUESTION, SENTENCES)
    [one], [two] = plain.read([item]), lead.read([item])
    assert one
    assert two
    assert one.text == two.text
    assert one.score < 0 <= two.score
