"""Question answering: a question and its text in, an answer with verbatim quotes out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Self, get_args

from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig

from llmkit.chains.capabilities import is_capable
from llmkit.chains.inputs import refuse_prompts, validate_positive, validate_share
from llmkit.chains.qa.alternatives import MAX_NEAR
from llmkit.chains.qa.answer_spans import AnswerSpan
from llmkit.chains.qa.calibrated import CalibratedQuestionAnswering
from llmkit.chains.qa.generator import AnswerGenerator, with_generated_texts
from llmkit.chains.qa.head_reader import HEAD_TUNING, HeadReader
from llmkit.chains.qa.inputs import (
    QAInput,
    Query,
    find_documents,
    input_type,
    parse_question,
    validate_question_prompt,
    with_question_examples,
)
from llmkit.chains.qa.prepared import PreparedQuery, record_embedder
from llmkit.chains.qa.reader import Reader
from llmkit.chains.qa.results import Answer
from llmkit.chains.qa.saving import SavedQA, Style
from llmkit.chains.qa.structured import QuotedQuery, answer_with_quotes
from llmkit.chains.qa.tuning import NEUTRAL, SMOLLM2_135M, QATuning
from llmkit.chains.qa.yes_no import YesNoAnswer, YesNoReader
from llmkit.chains.saving import read_chain, validate_embedder_given, validate_same_method
from llmkit.chains.scoring import WeightsWatch, scoring_model
from llmkit.chains.structured import StructuredTask
from llmkit.chains.tuning import is_fitted_on, select_tuning
from llmkit.errors import InputError
from llmkit.prompts import TaskPrompt
from llmkit.retrieval import SentenceRetriever

TOP_K, MAX_NEW_TOKENS = 3, 64
_FORMS = {"extractive": "a short phrase from it", "abstractive": "one sentence"}


def _scorers(llm: Any) -> tuple[Any, Any]:
    """Return the model that has scores, and the same one for plain text, in which spans are read; else `None` twice."""
    scorer = scoring_model(llm, "answer_spans")
    if not hasattr(scorer, "as_completion"):
        return scorer, scorer
    completion = scoring_model(scorer.as_completion())  # a server may tell scores only of prompts in chat markup
    return (None, None) if completion is None else (scorer, completion)


class QAChain(CalibratedQuestionAnswering):
    """Answers questions about a text: `{"question": …, "context": …}` in, `Answer` out.

    The context is text, a `Document` or a list of Documents; other keys of the input are ignored. Quotes are verbatim:
    `document[citation.start:citation.end] == citation.quote`. If the text has no answer, `found` is false and `text`
    empty: that is not an error. A yes/no question gets "Yes" or "No", or `found` is false and the nearest sentence is
    cited. A result does not depend on the other questions of a batch.

    Example:
        >>> chain = QAChain(HuggingFaceChat())
        >>> answer = chain.invoke({"question": "When was it built?", "context": "The mill was built in 1821."})
        >>> answer.text, answer.citations[0].quote
        ('1821', 'The mill was built in 1821.')

    Args:
        llm: any LangChain chat model. With `score` (llmkit's own models) every span of the text is scored; another
            model is asked for quotes by structured output, and they are looked up. Settings that are bound to it apply
            to what it generates; scores do not depend on them. Or a `HuggingFaceEncoder` with a question-answering
            head, which reads the whole text, and answers yes/no questions with a phrase too; what only a language model
            uses is an error then: prompts, `examples`, `embedder`, `top_k`, `max_new_tokens` and `context_window`.
        embedder: any LangChain `Embeddings`, or one of the catalog by its name, "minilm-l6", to find sentences by their
            meaning too, not only by their words; `None` for none. "auto": that of the catalog if its weights are in the
            cache, else none; nothing is fetched.
        retriever: any LangChain retriever. Where an input has no `context`, the retriever's documents for the question
            take its place.
        style: "extractive" answers with a phrase of the text; "abstractive" with a generated sentence and its quotes.
            A generated sentence without a word of the phrase, or with a number or a name that is neither in the text
            nor in the question, is replaced by the phrase.
        examples: `{"input": context, "question": …, "output": the phrase that answers it}`.
        threshold: the least confidence of an answer; without it the tuning's, which has another one for yes and no. See
            `calibrate`.
        top_k: how many sentences the model reads.
        max_answer_words: the longest phrase, in words.
        prompt: for a model with `score`: "question-answering", or a prompt with the field {question} that ends where
            the phrase begins.
        abstractive_prompt: for the abstractive style of such a model: "answer-in-words", or one with {question}.
        structured_prompt: for a model without `score`: "answer-with-quotes", or one with {question} and {form}.
        max_new_tokens: the most tokens of a generated answer.
        context_window: in tokens; needed for a model that does not report its window, which it can only make smaller.
        tuning: the numbers that depend on the model; those that ship are for the default model, other models have
            neutral ones, which answer every question.

    Raises:
        InputError: an argument or an input is wrong; says which.
        PromptError: a prompt has not the right fields, or an example is wrong.
        ContextWindowExceeded: the question is too long.
    """

    tool_name = "answer_question"
    tool_description = "Answer a question from a text, with verbatim quotes."
    tool_input: Any = QAInput

    _generator: AnswerGenerator | None = None

    def __init__(
        self,
        llm: Any,
        embedder: Embeddings | str | None = "auto",
        retriever: BaseRetriever | None = None,
        *,
        style: Style = "extractive",
        examples: Sequence[Mapping[str, str]] = (),
        threshold: float | None = None,
        top_k: int = TOP_K,
        max_answer_words: int = 8,
        prompt: str | TaskPrompt | None = None,
        abstractive_prompt: str | TaskPrompt | None = None,
        structured_prompt: str | TaskPrompt | None = None,
        max_new_tokens: int = MAX_NEW_TOKENS,
        context_window: int | None = None,
        tuning: QATuning | None = None,
    ) -> None:
        if style not in get_args(Style):
            raise InputError(f"style is {style!r}, but must be 'extractive' or 'abstractive'")
        self.style, self.retriever, self.tool_input = style, retriever, input_type(retriever)
        self.sentence_retriever = SentenceRetriever(embedder)
        self.top_k = validate_positive(top_k, "top_k")
        max_words = validate_positive(max_answer_words, "max_answer_words")
        validate_positive(max_new_tokens, "max_new_tokens")
        self.llm, (scorer, completion) = llm, _scorers(llm)
        self._learn_from(examples)
        self._arguments = {"top_k": self.top_k, "max_answer_words": max_words, "max_new_tokens": max_new_tokens}
        is_head = hasattr(scorer, "batch_answer_spans")
        self.tuning = select_tuning(scorer, tuning, SMOLLM2_135M, HEAD_TUNING if is_head else NEUTRAL)
        self._weights = WeightsWatch(scorer)
        self.calibrated = scorer is not None and is_fitted_on(self.tuning, scorer)
        self.threshold = self.tuning.threshold if threshold is None else validate_share(threshold, "threshold")
        self.yes_no_threshold = self.tuning.yes_no_threshold if threshold is None else threshold
        if is_head:
            unread: dict[str, Any] = {"prompt": prompt, "abstractive_prompt": abstractive_prompt, "examples": examples}
            unread |= {"structured_prompt": structured_prompt, "context_window": context_window}
            unread |= {"embedder": None if embedder == "auto" else embedder}
            unread |= {"top_k": top_k != TOP_K, "max_new_tokens": max_new_tokens != MAX_NEW_TOKENS}
            self._head_reader = HeadReader.for_chain(scorer, style, max_words, unread)
        elif scorer is None:
            refuse_prompts(llm, "structured_prompt", prompt=prompt, abstractive_prompt=abstractive_prompt)
            self._structured = self._ask_for_quotes(structured_prompt or "answer-with-quotes", examples)
        else:
            refuse_prompts(llm, "prompt", structured_prompt=structured_prompt)
            limits = {"max_new_tokens": max_new_tokens, "context_window": context_window}
            self._reader = reader = self._span_reader(completion, prompt, examples, max_words, **limits)
            sentence = TaskPrompt.load("sentence-for-answer")
            self._yes_no_reader = YesNoReader(reader.llm, sentence, context_window)
            self._generator = AnswerGenerator.for_style(style, llm, abstractive_prompt, reader, **limits)

    def _ask_for_quotes(self, prompt: str | TaskPrompt, examples: Any) -> StructuredTask[QuotedQuery, Answer]:
        asking = validate_question_prompt(prompt, "question", "form")
        asking = asking.with_examples(examples) if examples else asking
        return answer_with_quotes(self.llm, asking, _FORMS[self.style])

    def _span_reader(
        self, completion: Any, prompt: Any, examples: Any, max_words: int, max_new_tokens: Any, context_window: Any
    ) -> Reader:
        asking = validate_question_prompt(prompt or "question-answering", "question")
        asking = with_question_examples(asking, examples)
        reserve = max_new_tokens if self.style == "abstractive" else 0
        return Reader(completion, asking, self.tuning, max_words, context_window, reserve)

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        llm: Any,
        embedder: Embeddings | str | None = "auto",
        retriever: BaseRetriever | None = None,
        *,
        prompt: str | TaskPrompt | None = None,
        abstractive_prompt: str | TaskPrompt | None = None,
        context_window: int | None = None,
    ) -> Self:
        """Return a chain that was saved; its results are those of the saved one.

        Args:
            folder: where it was saved.
            llm: the model that it was saved with.
            embedder: the embedder that it was saved with; "auto" is that of the catalog, if it was saved with one.
            retriever: as for a new chain.
            prompt: the prompt, if it was not the usual one.
            abstractive_prompt: the same for the abstractive style.
            context_window: as for a new chain.

        Raises:
            InputError: there is no saved chain, it is damaged, or it is of another model, embedder or prompt.
        """
        saved, arrays = read_chain(folder, SavedQA)
        has_head = is_capable(llm, "answer_spans")
        validate_same_method(saved.method, HeadReader.method if has_head else Reader.method)
        if embedder == "auto" and not saved.has_embedder:
            embedder = None
        prompts: dict[str, Any] = {"prompt": prompt, "abstractive_prompt": abstractive_prompt}
        chain = cls(llm, embedder, retriever, context_window=context_window, **prompts, **saved.arguments())
        validate_embedder_given(saved=saved.has_embedder, given=chain.sentence_retriever.embedder is not None)
        chain._restore(saved, arrays)
        return chain

    def prepare(self, input: Mapping[str, Any]) -> PreparedQuery:
        """Check the question and its documents, and find the sentences that matter."""
        question = parse_question(input, None if self.retriever else "context")
        if reader := self._reader or self._head_reader:
            reader.check_question(question)
        query = Query(question, find_documents(self.retriever, question, input))
        if self._head_reader:
            self._head_reader.check_texts(query)
            return PreparedQuery(query, [])
        sentences = self.sentence_retriever.retrieve(question, query.texts, self.top_k)
        if not self._reader or not self._yes_no_reader or not sentences:
            return PreparedQuery(query, sentences)
        reader_input = self._reader.prepare(question, sentences)
        call = self._generator.prepare(reader_input) if self._generator else None
        yes_no_input = self._yes_no_reader.prepare(question, reader_input.sentences)
        return PreparedQuery(query, reader_input.sentences, reader_input, yes_no_input, call)

    def run(self, prepared: Sequence[PreparedQuery], configs: Sequence[RunnableConfig]) -> list[Answer | Exception]:
        """Answer all questions together, in true batches."""
        self._forget_stale()
        if self._structured:
            queries = [(item.query, item.sentences) for item in prepared]
            replies = self._structured.run(queries, configs)
            checked = [reply if isinstance(reply, Exception) else self._apply_threshold(reply) for reply in replies]
            return record_embedder(checked, prepared)
        rows = zip(prepared, self._read(prepared), self._read_yes_no(prepared), strict=True)
        answers = [
            self._yes_or_no(item, words) if words else self._extractive(item, span) for item, span, words in rows
        ]
        generator = self._generator
        final = with_generated_texts(generator, prepared, configs, answers) if generator else answers
        return record_embedder(final, prepared)

    def _extractive(self, item: PreparedQuery, span: AnswerSpan | None) -> Answer:
        if span is None:
            return self._without_answer(item, 0.0)
        citations = (item.query.cite(span.sentence.document, span.sentence, span.span),)
        confidence = self.tuning.confidence(span.score)
        if confidence < self.threshold:
            return self._without_answer(item, confidence)
        return Answer(text=span.text, found=True, confidence=confidence, **self._standing(), citations=citations)

    def _without_answer(self, item: PreparedQuery, confidence: float) -> Answer:
        """Return that there is no answer; where alternatives were named, with the sentences near to the question."""
        has_alternatives = item.reader_input is not None and item.reader_input.alternatives is not None
        citations = item.cite_related(item.sentences)[:MAX_NEAR] if has_alternatives else ()
        return Answer(text="", found=False, confidence=confidence, **self._standing(), citations=citations)

    def _yes_or_no(self, item: PreparedQuery, answer: YesNoAnswer) -> Answer:
        """Return yes or no; below the threshold only the sentences, if they share words with the question."""
        languages = self.tuning.yes_no_languages
        is_measured = languages is None or answer.language in languages
        confidence = self.tuning.yes_no_confidence(answer.score) if is_measured else 0.0
        found = is_measured and confidence >= self.yes_no_threshold
        near = item.cite_related(answer.evidence)
        return Answer(
            text=answer.text if found else "",
            found=found,
            confidence=confidence,
            **self._standing(),
            citations=(item.query.cite(answer.sentence.document, answer.sentence),) if found else near,
            method="yes or no",
        )

    def _apply_threshold(self, answer: Answer) -> Answer:
        if answer.confidence >= self.threshold:
            return answer
        return answer.model_copy(update={"text": "", "found": False, "citations": ()})
