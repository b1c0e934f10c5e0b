"""Inputs of question answering: a question, and the documents that it is asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field
from typing_extensions import TypedDict

from llmkit.chains.inputs import parse_documents, validate_prompt
from llmkit.chains.qa.results import Citation
from llmkit.errors import InputError, LlmkitError, PromptError, kind_of
from llmkit.prompts import TaskPrompt
from llmkit.prompts.validation import split_example, validate_example
from llmkit.text.segmentation import Span
from llmkit.text.words import terms

CONTEXT_CHARACTERS = 200
"""Characters of the document that a citation keeps before and after its quote."""


class QuestionInput(TypedDict):
    """The input of a chain that finds its documents itself."""

    question: Annotated[str, Field(description="The question.")]


class QAInput(QuestionInput):
    """The input of a chain that is given its text; other keys are ignored."""

    context: Annotated[str, Field(description="The text that has the answer.")]


@dataclass(frozen=True)
class Query:
    """A question and the documents that it is asked about."""

    question: str
    documents: tuple[Document, ...]

    @property
    def texts(self) -> list[str]:
        """The text of each document."""
        return [document.page_content for document in self.documents]

    def cite(self, document: int, quote: Span, answer: Span | None = None) -> Citation:
        """Quote a span of a document, and mark the answer in it."""
        text, source = self.documents[document].page_content, self.documents[document].metadata.get("source")
        before = text[max(0, quote.start - CONTEXT_CHARACTERS) : quote.start]
        after = text[quote.end : quote.end + CONTEXT_CHARACTERS]
        link = None
        if isinstance(source, str) and source.lower().startswith(("http://", "https://")):
            from llmkit.web import text_fragment

            link = text_fragment(source, quote.of(text), before, after)
        return Citation(
            quote=quote.of(text),
            start=quote.start,
            end=quote.end,
            source=None if source is None else str(source),
            link=link,
            document=document,
            answer_start=answer.start if answer else None,
            answer_end=answer.end if answer else None,
            before=before,
            after=after,
        )


def parse_question(input: Any, other_key: str | None = None) -> str:
    """Return the question of an input, in one line, or raise `InputError` if it has none, or no `other_key`."""
    keys = ["question", other_key] if other_key else ["question"]
    wanted = " and ".join(map(repr, keys))
    if not isinstance(input, Mapping):
        raise InputError(f"the input is {kind_of(input)}, but must be a dictionary with {wanted}")
    if missing := [key for key in keys if key not in input]:
        raise InputError(f"the input has no {missing[0]!r}: give a dictionary with {wanted}")
    question = input["question"]
    if not isinstance(question, str):
        raise InputError(f"the question is {kind_of(question)}, but must be text")
    if not question.strip():
        raise InputError("the question is empty")
    if not terms(question):
        raise InputError(f"the question {question.strip()!r:.40} has no words")
    return " ".join(question.split())


def parse_context(context: Any) -> tuple[Document, ...]:
    """Return the documents of a context; raise `InputError` if it has none, or one is empty."""
    documents = tuple(parse_documents(context, "context"))
    if not documents:
        raise InputError("the context is an empty list: give at least one document")
    for number, document in enumerate(documents, 1):
        if not document.page_content.strip():
            raise InputError("the context is empty" if len(documents) == 1 else f"document {number} has no text")
    return documents


def input_type(retriever: Any) -> type[QuestionInput]:
    """Return the type of a chain's inputs; raise `InputError` if something is given that is no LangChain retriever."""
    if retriever is None:
        return QAInput
    if not isinstance(retriever, BaseRetriever):
        raise InputError(f"retriever is {kind_of(retriever)}, but must be a LangChain retriever")
    return QuestionInput


def find_documents(retriever: BaseRetriever | None, question: str, input: Mapping[str, Any]) -> tuple[Document, ...]:
    """Return the documents of an input or, where it has none, those that a retriever finds for the question."""
    if retriever is None or "context" in input:
        return parse_context(input["context"])
    try:
        documents = retriever.invoke(question)
    except Exception as error:  # whatever a retriever of another maker raises fails its own question alone
        raise LlmkitError(f"the retriever failed ({error!r}): try retriever.invoke(question) alone") from error
    return tuple(document for document in documents if document.page_content.strip())


def validate_question_prompt(prompt: str | TaskPrompt, *fields: str) -> TaskPrompt:
    """Return a prompt by its name or itself, if it has the field `question`."""
    validated = validate_prompt(prompt, "ask", fields)
    if "question" not in validated.input_variables:
        raise PromptError("the prompt has no field {question}")
    return validated


def with_question_examples(prompt: TaskPrompt, examples: Sequence[Mapping[str, str]]) -> TaskPrompt:
    """Return the prompt with more examples; raise `PromptError` if one has no question."""
    for number, example in enumerate(examples, 1):
        split_example(example, f"example {number}")
        if "question" not in example:
            raise PromptError(f"example {number} has no 'question': give input, question and output")
        validate_example(example, number, ["question"])  # here, because the prompt counts its own examples, too
    return prompt.with_examples([*prompt.examples, *examples]) if examples else prompt
