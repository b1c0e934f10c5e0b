"""The reader: scores every span of the retrieved sentences as an answer, and takes the best.

A span's score is its log-likelihood as the answer to the question, less a share of that as the answer to a content-free
question (a phrase may be likely after a text whatever is asked). For the best spans, the log-likelihood of the question
given the answer counts too (noisy channel: Lewis & Fan 2019; Min et al. 2022).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from llmkit.chains.qa.alternatives import Alternatives, find_alternatives
from llmkit.chains.qa.tuning import QATuning
from llmkit.chains.scoring import Row, score_continuations, separator, spans_from
from llmkit.chains.tuning import NEUTRAL_QUESTION
from llmkit.errors import ContextWindowExceeded, InputError, PromptError
from llmkit.prompts import FittedPrompt, TaskPrompt
from llmkit.retrieval import RetrievedSentence
from llmkit.text.fields import number_answer_fields
from llmkit.text.ranking import descending
from llmkit.text.segmentation import Span
from llmkit.text.words import terms, words

MAX_STARTS = 12
"""Spans are scored only from the likeliest first words: so many with the prior subtracted, and so many without."""
MAX_CHANNEL_SPANS = 8
"""The question's log-likelihood is computed for so many of the best spans."""
MARGIN = 8
"""Tokens that stay free, because a span alone may have other tokens than inside its sentence."""


@dataclass(frozen=True)
class ReaderInput:
    """A question with the sentences that may answer it, the most relevant first, and its prompts.

    They ask the question, a content-free question instead, and for the question that belongs to an answer. Where the
    question names alternatives, only these are answers.
    """

    question: str
    sentences: list[RetrievedSentence]
    prompt: FittedPrompt
    neutral_prompt: FittedPrompt
    reverse_prompt: FittedPrompt
    alternatives: Alternatives | None = None

    @property
    def text(self) -> str:
        """The sentences in the order of the source."""
        return in_source_order(self.sentences)


@dataclass(frozen=True)
class AnswerSpan:
    """A span of a document as an answer, the sentence that it is in, and its score in nats."""

    sentence: RetrievedSentence
    span: Span
    text: str
    score: float = 0.0


SpansFrom = tuple[str, list[AnswerSpan]]
"""A word, and the spans that begin with it."""


@dataclass(frozen=True)
class Reader:
    """Finds answers of at most `max_words` in sentences, with a model that has `score`.

    Attributes:
        prompt: asks for an answer; has the field `question`.
        reverse_prompt: asks for the question that belongs to an answer.
        min_reserve: the least tokens that are reserved for an answer.
    """

    llm: Any
    prompt: TaskPrompt
    reverse_prompt: TaskPrompt
    tuning: QATuning
    max_words: int
    context_window: int | None = None
    min_reserve: int = 0

    def check_question(self, question: str) -> None:
        """Raise `ContextWindowExceeded` for a question that leaves no tokens for a text."""
        try:
            self._fit_all(question, [RetrievedSentence(0, 1, 0, "x")])
        except ContextWindowExceeded as error:
            what = "the question and the tokens reserved for its answer"
            raise ContextWindowExceeded(error.needed, error.available, what, error.advice) from error

    def prepare(self, question: str, sentences: Sequence[RetrievedSentence]) -> ReaderInput:
        """Fit as many of the sentences as possible into the prompts; raise `ContextWindowExceeded` if not even one."""
        for count in range(len(sentences), 0, -1):
            try:
                return self._fit_all(question, list(sentences[:count]))
            except ContextWindowExceeded:
                if count == 1:
                    raise
        raise InputError("there is no text to answer from")

    def fit_sentence(self, question: str, sentence: RetrievedSentence, answer: str) -> FittedPrompt:
        """Return the prompt that asks the question of one sentence, with tokens for this answer."""
        return self._fit(self.prompt, sentence.text, self.llm.get_num_tokens(answer) + MARGIN, question=question)

    def _fit_all(self, question: str, sentences: list[RetrievedSentence]) -> ReaderInput:
        text = in_source_order(sentences)
        longest = max(self.llm.get_num_tokens(sentence.text) for sentence in sentences)
        reserve = max(self.min_reserve, longest) + MARGIN
        reverse_reserve = reserve + self.llm.get_num_tokens(_then_question(question)) + MARGIN
        return ReaderInput(
            question,
            sentences,
            self._fit(self.prompt, text, reserve, question=question),
            self._fit(self.prompt, text, reserve, question=NEUTRAL_QUESTION),
            self._fit(self.reverse_prompt, text, reverse_reserve),
            find_alternatives(question),
        )

    def _fit(self, prompt: TaskPrompt, text: str, reserve: int, **fields: Any) -> FittedPrompt:
        return prompt.fit(text, model=self.llm, max_new_tokens=reserve, context_window=self.context_window, **fields)

    def read(self, inputs: Sequence[ReaderInput]) -> list[AnswerSpan | None]:
        """Return the best span for each question; `None` where the sentences have none that can be an answer."""
        spans = [[span for _, group in starts for span in group] for starts in self._likeliest_starts(inputs)]
        texts = [[span.text for span in row] for row in spans]
        likelihoods, priors = self._likelihoods(inputs, texts, include_eos=True)
        scores = [
            likelihood - self.tuning.prior_weight * prior - self._penalties(item, row)
            for likelihood, prior, item, row in zip(likelihoods, priors, inputs, spans, strict=True)
        ]
        best = [_best_distinct(*pair) for pair in zip(scores, texts, strict=True)]
        best_texts = [[row[index] for index in indices] for indices, row in zip(best, texts, strict=True)]
        channels = self._channel(inputs, best_texts)
        rows = zip(spans, scores, best, channels, strict=True)
        return [_choose(*row, self.tuning.channel_weight) for row in rows]

    def _likeliest_starts(self, inputs: Sequence[ReaderInput]) -> list[list[SpansFrom]]:
        """Return the words at which the best spans are likely to begin, with their spans."""
        starts = [
            [start for one in item.sentences for start in self._starts(one, item.alternatives)] for item in inputs
        ]
        texts = [[word for word, _ in row] for row in starts]
        likelihoods, priors = self._likelihoods(inputs, texts, include_eos=False)
        kept = []
        for row, likelihood, prior in zip(starts, likelihoods, priors, strict=True):
            corrected = likelihood - self.tuning.prior_weight * prior
            indices = {*descending(likelihood)[:MAX_STARTS], *descending(corrected)[:MAX_STARTS]}
            kept.append([row[index] for index in sorted(indices)])
        return kept

    def _starts(self, sentence: RetrievedSentence, alternatives: Alternatives | None) -> list[SpansFrom]:
        """Return each word of a sentence with the answers that begin with it, whose offsets are in the document."""
        text, offset, found = sentence.text, sentence.start, words(sentence.text)
        fields, starts = number_answer_fields(text, found), [word.start for word in found]
        groups = [
            [span for span in spans if fields[bisect_left(starts, span.end) - 1] == field]
            for spans, field in zip(spans_from(text, found, self.max_words), fields, strict=True)
        ]
        if alternatives:
            groups = [[span for span in spans if alternatives.allow(span.of(text))] for spans in groups]
        return [
            (word.of(text), [AnswerSpan(sentence, Span(offset + s.start, offset + s.end), s.of(text)) for s in spans])
            for word, spans in zip(found, groups, strict=True)
            if spans
        ]

    def _likelihoods(
        self, inputs: Sequence[ReaderInput], texts: Sequence[Sequence[str]], *, include_eos: bool
    ) -> tuple[list[Row], list[Row]]:
        """Return the log-likelihoods of the texts after the question and after the content-free one."""
        prompts = [*(item.prompt for item in inputs), *(item.neutral_prompt for item in inputs)]
        rows = score_continuations(
            self.llm, prompts, [*texts, *texts], prefix=separator(self.prompt), include_eos=include_eos
        )
        return rows[: len(inputs)], rows[len(inputs) :]

    def _penalties(self, item: ReaderInput, spans: Sequence[AnswerSpan]) -> Row:
        """Return the nats that each span loses for its sentence's rank and for repeating the question."""
        question = set(terms(item.question))
        ranks = np.array([item.sentences.index(span.sentence) for span in spans], dtype=np.float64)
        repeats = np.array([set(terms(span.text)) <= question for span in spans], dtype=np.float64)
        if item.alternatives:  # "Is it open on Monday or Sunday?": the answer is a part of it
            repeats[:] = 0
        return np.asarray(self.tuning.rank_penalty * ranks + self.tuning.repetition_penalty * repeats)

    def _channel(self, inputs: Sequence[ReaderInput], answers: Sequence[Sequence[str]]) -> list[Row]:
        """Return the log-likelihood of each question after each of its answers."""
        texts = [
            [*(f"{answer}{_then_question('')}" for answer in row), *(f"{answer}{question}" for answer in row)]
            for row, question in zip(answers, (_then_question(item.question) for item in inputs), strict=True)
        ]
        rows = score_continuations(self.llm, [item.reverse_prompt for item in inputs], texts)
        return [row[len(row) // 2 :] - row[: len(row) // 2] for row in rows]


def reader_prompts(prompt: TaskPrompt, examples: Sequence[Mapping[str, str]]) -> tuple[TaskPrompt, TaskPrompt]:
    """Return the prompt for an answer and the one for its question, both with the examples."""
    reverse = TaskPrompt.load("question-for-answer")
    for number, example in enumerate(examples, 1):
        if "question" not in example:
            raise PromptError(f"example {number} has no 'question': give input, question and output")
    if not examples:
        return prompt, reverse
    prompt = prompt.with_examples([*prompt.examples, *examples])
    reversed_examples = [
        {"input": example["input"], "output": f"{example['output']}{_then_question(example['question'])}"}
        for example in prompt.examples
    ]
    return prompt, reverse.with_examples(reversed_examples)


def in_source_order(sentences: Sequence[RetrievedSentence]) -> str:
    """Return the text of sentences in the order of the source."""
    ordered = sorted(sentences, key=lambda sentence: (sentence.document, sentence.start))
    return " ".join(sentence.text for sentence in ordered)


def _then_question(question: str) -> str:
    return f"\nQuestion: {question}".rstrip()


def _best_distinct(scores: Row, texts: Sequence[str]) -> list[int]:
    """Return the indices of the best spans, no two of which have the same text."""
    kept: dict[str, int] = {}
    for index in descending(scores):
        kept.setdefault(texts[index].casefold(), index)
        if len(kept) == MAX_CHANNEL_SPANS:
            break
    return list(kept.values())


def _choose(
    spans: Sequence[AnswerSpan], scores: Row, best: list[int], channel: Row, weight: float
) -> AnswerSpan | None:
    if not best:
        return None
    totals = scores[best] + weight * channel
    chosen = int(np.argmax(totals))
    return replace(spans[best[chosen]], score=float(totals[chosen]))
