"""The reader: scores every span of the retrieved sentences as an answer, and takes the best.

A span's score is its log-likelihood as the answer to the question, less a share of that as the answer to a content-free
question (a phrase may be likely after a text whatever is asked), and what a head adds for the look of the span (see
`span_features`). The score of the best one becomes the evidence that it is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from llmkit.chains.qa.alternatives import Alternatives, find_alternatives
from llmkit.chains.qa.answer_spans import AnswerSpan, SpansFrom, repeats_question, spans_of
from llmkit.chains.qa.asked_question import AskedQuestion
from llmkit.chains.qa.evidence import weigh
from llmkit.chains.qa.span_features import FEATURES, REPETITION, span_features, weight_vector
from llmkit.chains.qa.tuning import QATuning
from llmkit.chains.scoring import Row, score_continuations, separator
from llmkit.chains.tuning import NEUTRAL_QUESTION
from llmkit.errors import ContextWindowExceeded, InputError
from llmkit.prompts import FittedPrompt, TaskPrompt
from llmkit.retrieval import RetrievedSentence
from llmkit.text.ranking import descending

MAX_STARTS = 12
"""Spans are scored only from the likeliest first words: so many with the prior subtracted, and so many without."""
MARGIN = 8
"""Tokens that stay free, because a span alone may have other tokens than inside its sentence."""

PROBE_TEXT, PROBE_ANSWERS = "Maria Holm built the mill in 1821.", ("1821", "Maria Holm")
PROBE_QUESTIONS = ("When was the mill built?", "Who built the mill?")
"""A text, questions about it and their answers whose scores are saved with a chain, to recognize the model."""


@dataclass(frozen=True)
class ReaderInput:
    """A question with the sentences that may answer it, the most relevant first, and its prompts.

    They ask the question, and a content-free question instead. Where the question names alternatives, only these are
    answers.
    """

    question: str
    sentences: list[RetrievedSentence]
    prompt: FittedPrompt
    neutral_prompt: FittedPrompt
    alternatives: Alternatives | None = None

    @property
    def text(self) -> str:
        """The sentences in the order of the source."""
        return in_source_order(self.sentences)


@dataclass(frozen=True)
class Reader:
    """Finds answers of at most `max_words` in sentences, with a model that has `score`.

    Attributes:
        prompt: asks for an answer; has the field `question`.
        min_reserve: the least tokens that are reserved for an answer.
    """

    llm: Any
    prompt: TaskPrompt
    tuning: QATuning
    max_words: int
    context_window: int | None = None
    min_reserve: int = 0

    method: ClassVar[Literal["likelihood"]] = "likelihood"

    def probe(self) -> Row:
        """Return log-likelihoods by which the model and the prompt are recognized: [answers], in nats."""
        sentence = RetrievedSentence(0, len(PROBE_TEXT), 0, PROBE_TEXT)
        prompts = [self.fit_sentence(question, sentence, max(PROBE_ANSWERS, key=len)) for question in PROBE_QUESTIONS]
        answers = [PROBE_ANSWERS] * len(prompts)
        rows = score_continuations(self.llm, prompts, answers, prefix=separator(self.prompt), include_eos=True)
        return np.concatenate(rows)

    def check_question(self, question: str) -> None:
        """Raise `ContextWindowExceeded` for a question that leaves no tokens for a text."""
        try:
            self._fit_all(question, [RetrievedSentence(0, 1, 0, "x")])
        except ContextWindowExceeded as error:
            what = "the question and the tokens reserved for its answer"
            raise ContextWindowExceeded(error.needed, error.available, what, error.advice) from error

    def prepare(self, question: str, sentences: Sequence[RetrievedSentence]) -> ReaderInput:
        """Fit as many of the sentences as possible into the prompts; raise `ContextWindowExceeded` if not even one."""
        if not find_alternatives(question):
            sentences = [one for one in sentences if not repeats_question(one.text, question)] or sentences
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
        return ReaderInput(
            question,
            sentences,
            self._fit(self.prompt, text, reserve, question=question),
            self._fit(self.prompt, text, reserve, question=NEUTRAL_QUESTION),
            find_alternatives(question),
        )

    def _fit(self, prompt: TaskPrompt, text: str, reserve: int, **fields: Any) -> FittedPrompt:
        return prompt.fit(text, model=self.llm, max_new_tokens=reserve, context_window=self.context_window, **fields)

    def read(self, inputs: Sequence[ReaderInput]) -> list[AnswerSpan | None]:
        """Return the best span for each question; `None` where the sentences have none that can be an answer."""
        spans = [[span for _, group in starts for span in group] for starts in self._likeliest_starts(inputs)]
        texts = [[span.text for span in row] for row in spans]
        likelihoods, priors = self._likelihoods(inputs, texts, include_eos=True)
        rows = zip(inputs, spans, likelihoods, priors, strict=True)
        return [self._choose(item, row, *found) if row else None for item, row, *found in rows]

    def _choose(self, item: ReaderInput, spans: Sequence[AnswerSpan], likelihoods: Row, priors: Row) -> AnswerSpan:
        """Return the span with the highest score; its own becomes the evidence that it is right."""
        asked = AskedQuestion.about(item.question, item.text)
        scores = likelihoods - self.tuning.prior_weight * priors + self._span_scores(item, asked, spans)
        score = weigh(spans, scores, likelihoods, self.tuning.evidence_weights)
        return replace(spans[int(np.argmax(scores))], score=score)

    def _likeliest_starts(self, inputs: Sequence[ReaderInput]) -> list[list[SpansFrom]]:
        """Return the words at which the best spans are likely to begin, with their spans."""
        starts = [
            [start for one in item.sentences for start in spans_of(one, self.max_words, item.alternatives)]
            for item in inputs
        ]
        texts = [[word for word, _ in row] for row in starts]
        likelihoods, priors = self._likelihoods(inputs, texts, include_eos=False)
        kept = []
        for row, likelihood, prior in zip(starts, likelihoods, priors, strict=True):
            corrected = likelihood - self.tuning.prior_weight * prior
            indices = {*descending(likelihood)[:MAX_STARTS], *descending(corrected)[:MAX_STARTS]}
            kept.append([row[index] for index in sorted(indices)])
        return kept

    def _likelihoods(
        self, inputs: Sequence[ReaderInput], texts: Sequence[Sequence[str]], *, include_eos: bool
    ) -> tuple[list[Row], list[Row]]:
        """Return the log-likelihoods of the texts after the question and after the content-free one."""
        prompts = [*(item.prompt for item in inputs), *(item.neutral_prompt for item in inputs)]
        rows = score_continuations(
            self.llm, prompts, [*texts, *texts], prefix=separator(self.prompt), include_eos=include_eos
        )
        return rows[: len(inputs)], rows[len(inputs) :]

    def _span_scores(self, item: ReaderInput, asked: AskedQuestion, spans: Sequence[AnswerSpan]) -> Row:
        """Return what the head adds to each span; 0 with neutral values."""
        scores = np.zeros(len(spans))
        if not self.tuning.span_weights:
            return scores
        most = max(sentence.relevance for sentence in item.sentences)
        for rank, sentence in enumerate(item.sentences):
            places = [place for place, span in enumerate(spans) if span.sentence is sentence]
            relative = sentence.relevance / most if most > 0 else 0.0
            features = span_features(asked, sentence, [spans[place].span for place in places], rank, relative)
            if item.alternatives:  # "Is it open on Monday or Sunday?": the answer is a part of the question
                features[:, REPETITION] = 0
            scores[places] = features @ weight_vector(self.tuning.span_weights, FEATURES)
        return scores


def in_source_order(sentences: Sequence[RetrievedSentence]) -> str:
    """Return the text of sentences in the order of the source."""
    ordered = sorted(sentences, key=lambda sentence: (sentence.document, sentence.start))
    return " ".join(sentence.text for sentence in ordered)
