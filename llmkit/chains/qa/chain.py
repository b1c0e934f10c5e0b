"""Questions about a text, answered by what stands in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseLLM
from langchain_core.runnables import Runnable, RunnableConfig

from llmkit.chains.base import Chain
from llmkit.chains.inputs import validate_positive, validate_prompt, validate_share
from llmkit.chains.qa.confidence import ThresholdFit, confidence, fitted, overlap
from llmkit.chains.qa.generator import Writer
from llmkit.chains.qa.inputs import Asked, checked
from llmkit.chains.qa.reader import Finding, Reader, Reading
from llmkit.chains.qa.results import Answer
from llmkit.chains.qa.structured import Quoter
from llmkit.chains.scoring import scoring_model
from llmkit.errors import InputError, PromptError
from llmkit.prompts import TaskPrompt
from llmkit.retrieval import Hit, Retriever
from llmkit.text.words import terms

Style = Literal["extractive", "abstractive"]
MIN_CONFIDENCE = 0.25
"""Measured on the default model: three of four questions with an answer get one, and two of five without get none."""
_FORMS = {"extractive": "a short phrase from it", "abstractive": "one sentence"}


@dataclass(frozen=True)
class _Task:
    """One question on its way."""

    asked: Asked
    hits: list[Hit]
    config: RunnableConfig
    reading: Reading | None = None


class QAChain(Chain[Mapping[str, Any], _Task, Answer]):
    """`{"question": …, "context": …}` in, `Answer` out; the context is text, a `Document` or a list of Documents.

    Example:
        >>> chain = QAChain(HuggingFaceChat())
        >>> answer = chain.invoke({"question": "When was it built?", "context": "The mill was built in 1821."})
        >>> answer.text, answer.citations[0].quote
        ('1821', 'The mill was built in 1821.')

    What is quoted stands in the source, character by character. A question's answer does not depend on the questions
    beside it in a batch. Where the text does not say, `found` is false and `text` empty: that is no error.

    Args:
        llm: any LangChain chat model. One that has `score` (llmkit's own) weighs every span of the text; another is
            asked for quotes, which are then looked up.
        embedder: any LangChain `Embeddings`, to find sentences by their sense too.
        style: "extractive" gives a phrase of the text, "abstractive" a written answer with its quotes; one without a
            word of the phrase, or with a number or a name that is neither in the text nor in the question, is not
            given, but the phrase.
        examples: `{"input": context, "question": …, "output": the phrase that answers it}`.
        min_confidence: answers less likely to be right are not given; see `fit_threshold`.
        max_answer_words: the longest phrase.
        passages: so many sentences are read closely.
        prompt: the name of a prompt text or a prompt with the field {question}: for the model that scores spans it
            ends where the phrase begins.
        max_new_tokens: the room for a written answer.
        context_window: in tokens; needed for a model that does not tell its own, which it can only make smaller.

    Raises:
        InputError: the input is not as above, the question is empty, or a document is.
        ContextWindowExceeded: the question is too long.
    """

    def __init__(
        self,
        llm: Runnable[Any, Any],
        embedder: Embeddings | None = None,
        *,
        style: Style = "extractive",
        examples: Sequence[Mapping[str, str]] = (),
        min_confidence: float | None = None,
        max_answer_words: int = 8,
        passages: int = 3,
        prompt: str | TaskPrompt | None = None,
        max_new_tokens: int = 64,
        context_window: int | None = None,
    ) -> None:
        if style not in get_args(Style):
            raise InputError(f"style is {style!r}, but must be 'extractive' or 'abstractive'")
        self.style = style
        self.min_confidence = (
            MIN_CONFIDENCE if min_confidence is None else validate_share(min_confidence, "min_confidence")
        )
        self.passages = validate_positive(passages, "passages")
        self.retriever = Retriever(embedder)
        self._reader: Reader | None = None
        self._writer: Writer | None = None
        self._quoter: Quoter | None = None
        if local := scoring_model(llm):
            words = validate_positive(max_answer_words, "max_answer_words")
            room = validate_positive(max_new_tokens, "max_new_tokens") if style == "abstractive" else 0
            self._reader = _reader(local, prompt, examples, words, context_window, room)
            if style == "abstractive":
                if isinstance(local, BaseLLM):
                    raise InputError(
                        f"{type(local).__name__} only goes on with text: to write answers, use a chat model"
                    )
                writing = TaskPrompt.load("answer-in-words")
                self._writer = Writer(llm, writing, self._reader, max_new_tokens, context_window)
        else:
            asking = _asking(prompt or "answer-with-quotes", ("question", "form"))
            self._quoter = Quoter.over(llm, asking.with_examples(examples) if examples else asking, _FORMS[style])

    def run(self, prepared: Sequence[_Task], configs: Sequence[RunnableConfig]) -> list[Answer | Exception]:
        """Answer all questions: their spans go through the model together."""
        return self._answers([replace(task, config=config) for task, config in zip(prepared, configs, strict=True)])

    def fit_threshold(self, questions: Sequence[Mapping[str, Any]]) -> ThresholdFit:
        """Learn from labelled questions when to say that the text does not tell; sets `min_confidence`.

        Args:
            questions: `{"question": …, "context": …, "answer": …}`; the answer is `None` where the text has none.

        Raises:
            InputError: there are no questions, or one is not like that; says which.
        """
        rows: Any = questions
        if isinstance(rows, str) or not isinstance(rows, Sequence) or not rows:
            raise InputError("fit_threshold needs a list of labelled questions")
        for number, each in enumerate(questions, 1):
            given: Any = each
            truth = given.get("answer", ()) if isinstance(given, Mapping) else ()
            if truth is not None and not (isinstance(truth, str) and truth.strip()):
                raise InputError(
                    f"question {number}: 'answer' is {truth!r}, but must be text, or None if there is none"
                )
        now, self.min_confidence = self.min_confidence, 0.0
        try:
            answers = self.batch([{key: each[key] for key in each if key != "answer"} for each in questions])
        finally:
            self.min_confidence = now
        truths = [each["answer"] for each in questions]
        right = [
            None if truth is None else overlap(own.text, truth) for own, truth in zip(answers, truths, strict=True)
        ]
        fit = fitted([each.confidence for each in answers], right, now)
        self.min_confidence = fit.min_confidence
        return fit

    def prepare(self, input: Mapping[str, Any]) -> _Task:
        """Check the question and its documents, and find the sentences that matter."""
        asked, config = checked(input), RunnableConfig()
        if self._reader:
            self._reader.check(asked.question)
        hits = self.retriever.best(asked.question, asked.texts, self.passages)
        if not self._reader:
            return _Task(asked, hits, config)
        reading = self._reader.reading(asked.question, hits)
        if self._writer:
            self._writer.question(reading)
        return _Task(asked, reading.hits, config, reading)

    def _answers(self, tasks: Sequence[_Task]) -> list[Answer | Exception]:
        if self._quoter:
            told = self._quoter.answer(
                [each.asked for each in tasks], [each.hits for each in tasks], [each.config for each in tasks]
            )
            return [each if isinstance(each, Exception) else self._held(each) for each in told]
        if not self._reader:
            raise RuntimeError("a chain has a reader or a quoter")
        findings = self._reader.read([each.reading for each in tasks if each.reading])
        found = [self._extracted(*pair) for pair in zip(tasks, findings, strict=True)]
        return self._written(tasks, found) if self._writer else list(found)

    def _extracted(self, task: _Task, finding: Finding | None) -> Answer:
        sure = confidence(finding.score) if finding else 0.0
        if finding is None:
            return Answer(text="", found=False, confidence=0.0)
        citation = task.asked.cite(finding.hit.document, finding.hit, finding.span)
        return self._held(Answer(text=finding.text, found=True, confidence=sure, citations=(citation,)))

    def _held(self, answer: Answer) -> Answer:
        """The answer, or that there is none if it is not sure enough."""
        if answer.confidence >= self.min_confidence:
            return answer
        return answer.model_copy(update={"text": "", "found": False, "citations": ()})

    def _written(self, tasks: Sequence[_Task], found: Sequence[Answer]) -> list[Answer | Exception]:
        """Put what is found into words."""
        going = [(task, answer) for task, answer in zip(tasks, found, strict=True) if answer.found]
        if not self._writer or not going:
            return list(found)
        told = iter(
            self._writer.write([task.reading for task, _ in going if task.reading], [task.config for task, _ in going])
        )
        return [
            _in_words(task, answer, next(told)) if answer.found else answer
            for task, answer in zip(tasks, found, strict=True)
        ]


def _in_words(task: _Task, found: Answer, told: tuple[str, list[Hit]] | Exception) -> Answer | Exception:
    """The written answer with its quotes: the sentence of the phrase, and the one it is likeliest after."""
    if isinstance(told, Exception):
        return told
    text, hits = told
    if not set(terms(text)) & set(terms(found.text)):  # something else, and how sure it is nobody knows
        return found
    first = found.citations[0]
    best = task.asked.cite(hits[0].document, hits[0])
    more = (best,) if (best.document, best.start) != (first.document, first.start) else ()
    return found.model_copy(update={"text": text, "citations": (first, *more), "method": "written"})


def _reader(
    local: Any,
    prompt: str | TaskPrompt | None,
    examples: Sequence[Mapping[str, str]],
    max_words: int,
    context_window: int | None,
    room: int,
) -> Reader:
    asking = _asking(prompt or "question-answering", ("question",))
    reverse = TaskPrompt.load("question-for-answer")
    for number, each in enumerate(examples, 1):
        if "question" not in each:
            raise PromptError(f"example {number} has no 'question': give input, question and output")
    if examples:
        asking = asking.with_examples([*asking.examples, *examples])
        back = [
            {"input": each["input"], "output": f"{each['output']}\nQuestion: {each['question']}"}
            for each in asking.examples
        ]
        reverse = reverse.with_examples(back)
    return Reader(_plain(local), asking, reverse, max_words, context_window, room)


def _plain(llm: Any) -> Any:
    """The model as one that goes on with plain text: solved examples lead small models better than turns do."""
    return llm.as_completion() if hasattr(llm, "as_completion") else llm


def _asking(prompt: str | TaskPrompt, known: Sequence[str]) -> TaskPrompt:
    asking = validate_prompt(prompt, known)
    if "question" not in asking.input_variables:
        raise PromptError("the prompt has no field {question}")
    return asking
