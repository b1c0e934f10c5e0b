"""Abstractive answers: a generated sentence, supported by sentences of the source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig

from llmkit.chains.lockstep import BatchCaller, ModelCall
from llmkit.chains.postprocess import clean_completion, is_complete
from llmkit.chains.qa.reader import Reader, ReaderInput
from llmkit.chains.scoring import score_continuations
from llmkit.prompts import TaskPrompt
from llmkit.retrieval import RetrievedSentence
from llmkit.text.ranking import descending
from llmkit.text.segmentation import sentences
from llmkit.text.words import terms

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class GeneratedAnswer:
    """A generated answer, and the source sentence that supports it best; the text is empty if it is not grounded."""

    text: str
    support: RetrievedSentence


@dataclass(frozen=True)
class AnswerGenerator:
    """Generates answers from the sentences that a reader was given."""

    llm: Any
    prompt: TaskPrompt
    reader: Reader
    max_new_tokens: int
    context_window: int | None = None

    def prepare(self, item: ReaderInput) -> ModelCall:
        """Fit the question and its sentences into the prompt, or raise `ContextWindowExceeded`."""
        prompt = self.prompt.fit(
            as_quotation(item.text),
            model=self.llm,
            max_new_tokens=self.max_new_tokens,
            context_window=self.context_window,
            question=item.question,
        )
        return ModelCall(prompt, self.max_new_tokens)

    def generate(
        self, inputs: Sequence[ReaderInput], calls: Sequence[ModelCall], configs: Sequence[RunnableConfig]
    ) -> list[GeneratedAnswer | Exception]:
        """Return the answer to each question, or the error that its model call failed with."""
        answers = BatchCaller(self.llm).batch(calls, configs)
        texts = [
            answer if isinstance(answer, Exception) else _grounded_text(answer, f"{item.question} {item.text}")
            for item, answer in zip(inputs, answers, strict=True)
        ]
        pairs = [(item, text) for item, text in zip(inputs, texts, strict=True) if isinstance(text, str)]
        support = iter(self._support(pairs))
        return [GeneratedAnswer(text, next(support)) if isinstance(text, str) else text for text in texts]

    def _support(self, pairs: Sequence[tuple[ReaderInput, str]]) -> list[RetrievedSentence]:
        """Return, for each answer, the sentence after which it is likeliest."""
        prompts, continuations = [], []
        for item, text in pairs:
            for sentence in item.sentences if text else ():
                prompts.append(self.reader.fit_sentence(item.question, sentence, text))
                continuations.append([text])
        scores = iter(score_continuations(self.reader.llm, prompts, continuations))
        best = []
        for item, text in pairs:
            likelihoods = np.array([next(scores)[0] if text else 0.0 for _ in item.sentences])
            best.append(item.sentences[descending(likelihoods)[0]])
        return best


def as_quotation(text: str) -> str:
    '''Put a text between """, with no """ inside that could end it.'''
    return '"""' + text.replace('"""', "'''") + '"""'


def is_grounded(text: str, source: str) -> bool:
    """Return whether all numbers and names of a text are in its source; names are capitalized inside a sentence."""
    known = set(terms(source))
    for sentence in sentences(text):
        for place, word in enumerate(_WORD.findall(sentence.of(text))):
            is_number_or_name = any(sign.isdigit() for sign in word) or (place and word[0].isupper())
            if is_number_or_name and not known.issuperset(terms(word)):
                return False
    return True


def _grounded_text(answer: AIMessage, source: str) -> str:
    text, _ = clean_completion(answer.text, is_complete(answer))
    return text if is_grounded(text, source) else ""
