"""Answers to yes/no questions: how much likelier "Yes" makes the sentences of the source than "No" does.

A small model prefers one of both words whatever a text says. Asked the other way round (noisy channel: Min et al. 2022)
it has no such preference: "On Sunday it is closed." is likelier after "Is it open on Sunday? No." than after "Yes."
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmkit.chains.qa.question_form import YesNoWords, yes_or_no
from llmkit.chains.scoring import Row, score_continuations
from llmkit.prompts import FittedPrompt, TaskPrompt
from llmkit.retrieval import RetrievedSentence
from llmkit.text.ranking import descending
from llmkit.text.word_forms import content_words, recognize_language, stems
from llmkit.text.words import terms

MARGIN = 8
"""Tokens that stay free, because a sentence after an answer may have other tokens than alone."""

EVIDENCE_SHARE = 0.3
"""The least weight of a sentence that is cited where neither yes nor no is given, as a share of the greatest one."""


@dataclass(frozen=True)
class YesNoInput:
    """A yes/no question, the sentences that matter, the most relevant first, and the prompts with yes and with no."""

    question: str
    words: YesNoWords
    sentences: list[RetrievedSentence]
    prompts: tuple[FittedPrompt, FittedPrompt]


@dataclass(frozen=True)
class YesNoAnswer:
    """Yes or no, and the sentence that speaks most for it.

    Attributes:
        evidence: the sentences that speak for yes or for no, the one with the most weight first.
        score: how much likelier this answer makes the sentences than the other one, in nats; less where the sentences
            have few of the question's words.
    """

    text: str
    language: str
    sentence: RetrievedSentence
    evidence: list[RetrievedSentence]
    score: float


@dataclass(frozen=True)
class YesNoReader:
    """Answers yes/no questions with a model that has `score`."""

    llm: Any
    prompt: TaskPrompt
    context_window: int | None = None

    def prepare(self, question: str, sentences: Sequence[RetrievedSentence]) -> YesNoInput | None:
        """Return the prompts for a yes/no question; `None` for any other, or without sentences."""
        words = yes_or_no(question)
        if words is None or not sentences:
            return None
        reserve = max(self.llm.get_num_tokens(sentence.text) for sentence in sentences) + MARGIN
        prompts = [
            self.prompt.fit(
                question, model=self.llm, max_new_tokens=reserve, context_window=self.context_window, answer=answer
            )
            for answer in (words.yes, words.no)
        ]
        return YesNoInput(question, words, list(sentences), (prompts[0], prompts[1]))

    def read(self, inputs: Sequence[YesNoInput]) -> list[YesNoAnswer]:
        """Answer each question with the likelier word."""
        prompts = [prompt for item in inputs for prompt in item.prompts]
        texts = [[sentence.text for sentence in item.sentences] for item in inputs for _ in item.prompts]
        rows = iter(score_continuations(self.llm, prompts, texts))
        return [choose(item, next(rows) - next(rows)) for item in inputs]


def choose(item: YesNoInput, differences: Row) -> YesNoAnswer:
    """Return the answer from how much likelier each sentence is after yes than after no, in nats."""
    weights = weigh(item.sentences)
    weighted = weights * differences
    total = float(weighted.sum())
    text, sign = (item.words.yes, 1) if total > 0 else (item.words.no, -1)
    sentence = item.sentences[int(np.argmax(sign * weighted))]
    sizes = np.abs(weighted)
    evidence = [item.sentences[index] for index in descending(sizes) if sizes[index] >= EVIDENCE_SHARE * sizes.max()]
    covered = float(weights @ coverages(item.question, item.sentences) / weights.sum())
    return YesNoAnswer(text, item.words.language, sentence, evidence, abs(total) * covered**2)


def weigh(sentences: Sequence[RetrievedSentence]) -> Row:
    """Return how much each sentence counts, at most 1.

    By its relevance, squared, and with an embedder by its similarity, squared, too: "Smoking is not allowed." shares a
    word with "Are dogs allowed?", but is about something else. Only the first counts, if none shares a word.
    """
    relevance = np.array([sentence.relevance for sentence in sentences], dtype=np.float64)
    if relevance.max() <= 0:
        relevance[0] = 1.0
    similarity = np.array([max(sentence.similarity or 0.0, 0.0) for sentence in sentences], dtype=np.float64)
    weights = relevance * similarity if (relevance * similarity).max() > 0 else relevance
    return np.asarray((weights / weights.max()) ** 2)


def coverages(question: str, sentences: Sequence[RetrievedSentence]) -> Row:
    """Return the share of a question's words, without stop words, that each sentence has in any form."""
    given = [terms(sentence.text_with_topic) for sentence in sentences]
    language = recognize_language([word for found in given for word in found])
    wanted = set(stems(content_words(terms(question), language), language))
    if not wanted:
        return np.ones(len(given))
    return np.array([len(wanted.intersection(stems(found, language))) / len(wanted) for found in given])
