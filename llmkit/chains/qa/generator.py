"""Written answers: a model's own words, and the sentences of the source that make them likely."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig

from llmkit.chains.lockstep import Asker, Question
from llmkit.chains.postprocess import is_complete, tidy
from llmkit.chains.qa.reader import Reader, Reading
from llmkit.chains.scoring import score_continuations
from llmkit.prompts import TaskPrompt
from llmkit.retrieval import Hit
from llmkit.text.segmentation import sentences
from llmkit.text.words import terms

_WORD = re.compile(r"\w+")


def quoted(text: str) -> str:
    """Mark text off as a quotation, which nothing inside can end."""
    return '"""' + text.replace('"""', "'''") + '"""'


@dataclass(frozen=True)
class Writer:
    """Writes answers from the sentences that a reader has found."""

    llm: Any
    prompt: TaskPrompt
    reader: Reader
    max_new_tokens: int
    context_window: int | None = None

    def question(self, reading: Reading) -> Question:
        """Lay out what the model is asked.

        Raises:
            ContextWindowExceeded: question and sentences do not fit.
        """
        prompt = self.prompt.fit(
            quoted(reading.shown),
            model=self.llm,
            max_new_tokens=self.max_new_tokens,
            context_window=self.context_window,
            question=reading.question,
        )
        return Question(prompt, self.max_new_tokens)

    def write(
        self, readings: Sequence[Reading], configs: Sequence[RunnableConfig]
    ) -> list[tuple[str, list[Hit]] | Exception]:
        """Give each answer and the sentences that it stands on, the best first; empty if it does not stand on them."""
        questions = [self.question(each) for each in readings]
        told = Asker(self.llm).ask(questions, configs)
        texts = [
            answer if isinstance(answer, Exception) else _tidied(answer, f"{each.question} {each.shown}")
            for each, answer in zip(readings, told, strict=True)
        ]
        written = [(each, text) for each, text in zip(readings, texts, strict=True) if isinstance(text, str)]
        support = iter(self._support([each for each, _ in written], [text for _, text in written]))
        return [(text, next(support)) if isinstance(text, str) else text for text in texts]

    def _support(self, readings: Sequence[Reading], texts: Sequence[str]) -> list[list[Hit]]:
        """Rank each reading's sentences by how likely each makes the answer."""
        pairs = [(each, text, hit) for each, text in zip(readings, texts, strict=True) for hit in each.hits if text]
        prompts = [self.reader.alone(each.question, hit, text) for each, text, hit in pairs]
        scores = [
            float(row[0]) for row in score_continuations(self.reader.llm, prompts, [[text] for _, text, _ in pairs])
        ]
        ranked = []
        for each in readings:
            own = [score for score, (other, *_) in zip(scores, pairs, strict=True) if other is each]
            ranked.append([each.hits[place] for place in np.argsort(-np.asarray(own), kind="stable")])
        return ranked


def _tidied(answer: AIMessage, source: str) -> str:
    text, _ = tidy(answer.text, is_complete(answer))
    return text if grounded(text, source) else ""


def grounded(text: str, source: str) -> bool:
    """Whether all numbers and names of a text, that is words with a capital inside a sentence, stand in its source."""
    known = set(terms(source))
    for sentence in sentences(text):
        for place, word in enumerate(_WORD.findall(sentence.of(text))):
            telling = any(sign.isdigit() for sign in word) or (place and word[0].isupper())
            if telling and not known.issuperset(terms(word)):
                return False
    return True
