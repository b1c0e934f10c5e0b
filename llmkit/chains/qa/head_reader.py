"""Answers from a model with `answer_spans`, such as an encoder with a question-answering head."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from llmkit.chains.capabilities import AnswerModel, refuse_unread
from llmkit.chains.qa.answer_spans import AnswerSpan
from llmkit.chains.qa.inputs import Query
from llmkit.chains.qa.reader import PROBE_QUESTIONS, PROBE_TEXT
from llmkit.chains.qa.tuning import QATuning
from llmkit.chains.scoring import Row
from llmkit.prompts.validation import validate_text
from llmkit.retrieval import RetrievedSentence
from llmkit.text.segmentation import Span, sentences
from llmkit.text.words import count_words

HEAD_TUNING = QATuning(threshold=0.5)
"""The score below is the log-odds of the answer against no answer: at 0.5 both are as likely (as in SQuAD 2)."""
SPANS = 20
"""The best spans, of which the first with few enough words is the answer."""
_TINY = 1e-30
_LEAST_PROBE = 1e-3
"""Smaller probabilities differ by much in their logarithms where the data type is another one."""


@dataclass(frozen=True)
class HeadReader:
    """What `Reader` is for a language model: it reads all of the documents, not only the sentences that matter."""

    llm: AnswerModel
    max_words: int

    method: ClassVar[Literal["question-answering head"]] = "question-answering head"

    @classmethod
    def for_chain(cls, llm: AnswerModel, style: str, max_words: int, unread: Mapping[str, Any]) -> HeadReader:
        """Return the reader of a chain.

        Args:
            llm: the model.
            style: the chain's.
            max_words: the longest answer, in words.
            unread: the chain's arguments that only language models use, by name.

        Raises:
            InputError: one of these is given, or the style needs a language model.
        """
        refuse_unread(llm, **unread)
        if style == "abstractive":
            raise llm.cannot("text generation, which style='abstractive' needs")
        return cls(llm, max_words)

    def probe(self) -> Row:
        """Return the log-probabilities of the best and of no answer, by which the model is recognized, in nats."""
        found = self.llm.batch_answer_spans([(question, [PROBE_TEXT]) for question in PROBE_QUESTIONS], top_k=1)
        best = [max((score for *_, score in spans), default=0.0) for spans, _ in found]
        return np.log(np.maximum([*best, *(no_answer for _, no_answer in found)], _LEAST_PROBE))

    def check_question(self, question: str) -> None:
        """Raise `ContextWindowExceeded` for a question that leaves no tokens for a text."""
        self.llm.check_question(question)

    def check_texts(self, query: Query) -> None:
        """Raise `PromptError` for a text that no tokenizer takes: all of each is read."""
        for number, text in enumerate(query.texts, 1):
            validate_text(text, "the context" if len(query.texts) == 1 else f"document {number}")

    def read(self, queries: Sequence[Query]) -> list[AnswerSpan | None]:
        """Return the best span for each question, with the sentence that it is in; `None` if it has no span."""
        given = [(query.question, query.texts) for query in queries if query.documents]
        found = iter(self.llm.batch_answer_spans(given, top_k=SPANS) if given else ())
        return [self._best(query.texts, *next(found)) if query.documents else None for query in queries]

    def _best(
        self, texts: Sequence[str], spans: Sequence[tuple[int, Span, str, float]], no_answer: float
    ) -> AnswerSpan | None:
        short = (answer for answer in spans if count_words(answer[2]) <= self.max_words)
        place, span, text, score = next(short, (0, None, "", 0.0))
        if span is None:
            return None
        odds = math.log(max(score, _TINY)) - math.log(max(no_answer, _TINY))
        return AnswerSpan(_quote(texts[place], span, place), span, text, odds)


def _quote(text: str, span: Span, document: int) -> RetrievedSentence:
    """Return the sentence that a span is in; of several, all of them."""
    around = [one for one in sentences(text) if one.start < span.end and span.start < one.end]
    start = min([span.start, *(one.start for one in around)])
    end = max([span.end, *(one.end for one in around)])
    return RetrievedSentence(start, end, document, text[start:end])
