"""A phrase's score is what plain teacher forcing gives; the prompts are these, to the letter."""

from itertools import groupby
from typing import Any

import pytest

from llmkit import HuggingFaceLLM
from llmkit.chains.qa.reader import Reader, ReaderInput
from llmkit.chains.qa.tuning import SMOLLM2_135M
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

ASKED = f"Question: {QUESTION}\nContext: {TEXT}\nQuestion: {QUESTION}\nAnswer:"


def reader(name: str = "llama", **options: Any) -> Reader:
    llm = HuggingFaceLLM(model=chat(name).engine)
    prompt, reverse = (
        TaskPrompt.load(each).with_examples([]) for each in ("question-answering", "question-for-answer")
    )
    return Reader(llm, prompt, reverse, SMOLLM2_135M, max_words=2, **options)


def test_the_prompts() -> None:
    item: ReaderInput = reader().prepare(QUESTION, SENTENCES)
    assert item.prompt.text == ASKED
    assert item.neutral_prompt.text == ASKED.replace(QUESTION, NEUTRAL_QUESTION)
    assert item.reverse_prompt.text == f"Context: {TEXT}\nAnswer:"
    led = TaskPrompt.load("question-answering").fit(TEXT, model=reader().llm, max_new_tokens=9, question=QUESTION)
    assert led.text.endswith(f"\nQuestion: When was the mill built?\nAnswer: 1821\n\n{ASKED}")
    assert led.text.count("Context:") == 3


@pytest.mark.parametrize("name", ["llama", "gpt_neox", "mamba"])
def test_scores_equal_teacher_forcing(name: str) -> None:
    span_reader, weights = reader(name), SMOLLM2_135M
    item = span_reader.prepare(QUESTION, SENTENCES)
    [found] = span_reader.read([item])
    assert found
    assert TEXT[found.span.start : found.span.end] == found.text
    engine, model = span_reader.llm.engine, tiny.make(name)

    def forced(prompt: str, answer: str, *end: int) -> float:
        encoder = engine.encoder
        return teacher_forcing(model, encoder.encode_text(prompt), [*encoder.encode_continuation(answer), *end])

    answer, back = f" {found.text}", item.reverse_prompt.text
    likely, usual = (
        forced(each.text, answer, *engine.loaded.likeliest_eos) for each in (item.prompt, item.neutral_prompt)
    )
    channel = forced(back, f"{answer}\nQuestion: {QUESTION}") - forced(back, f"{answer}\nQuestion:")
    wanted = (
        likely
        - weights.prior_weight * usual
        + weights.channel_weight * channel
        - weights.rank_penalty * SENTENCES.index(found.sentence)
    )
    wanted -= weights.repetition_penalty * (found.text in ("is", "old", "is old"))
    assert found.score == pytest.approx(wanted, abs=1e-3)


def test_the_worst_sentences_that_do_not_fit_are_left_out() -> None:
    kept = []
    for window in range(60, 140, 4):
        try:
            kept.append(reader(context_window=window).prepare(QUESTION, SENTENCES).sentences)
        except ContextWindowExceeded:
            kept.append([])
    assert [hits for hits, _ in groupby(kept)] == [[], SENTENCES[:1], SENTENCES]
