"""Abstractive answers: a generated sentence, supported by sentences of the source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from langchain_core.language_models.llms import BaseLLM
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig

from llmkit.chains.base import apply_to_good
from llmkit.chains.lockstep import BatchCaller, ModelCall
from llmkit.chains.postprocess import clean_completion, is_complete
from llmkit.chains.qa.inputs import Query, validate_question_prompt
from llmkit.chains.qa.prepared import PreparedQuery
from llmkit.chains.qa.reader import Reader, ReaderInput
from llmkit.chains.qa.results import Answer
from llmkit.chains.scoring import score_continuations, scoring_model
from llmkit.errors import InputError
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

    @classmethod
    def for_style(
        cls, style: str, llm: Any, prompt: str | TaskPrompt | None, reader: Reader, **limits: Any
    ) -> AnswerGenerator | None:
        """Return the generator of a chain, or `None` for the style "extractive".

        Raises:
            InputError: the model only completes text, or a prompt is given for the other style.
            PromptError: the prompt has not the right fields.
        """
        if style != "abstractive":
            if prompt is not None:
                raise InputError("abstractive_prompt is given, but style is 'extractive': set style='abstractive' too")
            return None
        if isinstance(model := scoring_model(llm), BaseLLM):
            raise InputError(f"{type(model).__name__} is a completion model: use a chat model to generate answers")
        return cls(llm, validate_question_prompt(prompt or "answer-in-words", "question"), reader, **limits)

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
        pairs = [
            answer if isinstance(answer, Exception) else (item, _grounded_text(answer, f"{item.question} {item.text}"))
            for item, answer in zip(inputs, answers, strict=True)
        ]
        return apply_to_good(self._with_support, pairs)

    def _with_support(self, pairs: Sequence[tuple[ReaderInput, str]]) -> list[GeneratedAnswer]:
        """Add to each answer the sentence after which it is likeliest."""
        rows = [(item.question, sentence, text) for item, text in pairs if text for sentence in item.sentences]
        prompts = [self.reader.fit_sentence(*row) for row in rows]
        scores = iter(score_continuations(self.reader.llm, prompts, [[text] for *_, text in rows]))
        found = []
        for item, text in pairs:
            likelihoods = np.array([next(scores)[0] if text else 0.0 for _ in item.sentences])
            found.append(GeneratedAnswer(text, item.sentences[descending(likelihoods)[0]]))
        return found


def with_generated_texts(
    generator: AnswerGenerator,
    prepared: Sequence[PreparedQuery],
    configs: Sequence[RunnableConfig],
    answers: Sequence[Answer],
) -> list[Answer | Exception]:
    """Replace the phrases that were found by generated sentences."""
    rows = zip(prepared, configs, answers, strict=True)
    found = [
        (item.reader_input, item.call, config)
        for item, config, answer in rows
        if answer.found and item.reader_input and item.call
    ]
    generated = iter(generator.generate(*zip(*found, strict=True)) if found else ())
    return [
        with_generated_text(item.query, answer, next(generated)) if answer.found else answer
        for item, answer in zip(prepared, answers, strict=True)
    ]


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


def with_generated_text(query: Query, found: Answer, generated: GeneratedAnswer | Exception) -> Answer | Exception:
    """Return the generated answer with the phrase's sentence and the one that supports it best."""
    if isinstance(generated, Exception):
        return generated
    words = terms(generated.text)
    shared = set(words[:1] if found.method == "yes or no" else words) & set(terms(found.text))
    if not shared:  # another answer, of unknown confidence
        return found
    first, best = found.citations[0], query.cite(generated.support.document, generated.support)
    more = (best,) if (best.document, best.start) != (first.document, first.start) else ()
    return found.model_copy(update={"text": generated.text, "citations": (first, *more), "method": "generated"})


def _grounded_text(answer: AIMessage, source: str) -> str:
    text, _ = clean_completion(answer.text, is_complete(answer))
    return text if is_grounded(text, source) else ""
