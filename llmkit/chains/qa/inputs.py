"""What question answering takes: a question, and the documents that it is asked of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.documents import Document

from llmkit.chains.qa.results import Citation
from llmkit.errors import InputError
from llmkit.text.segmentation import Span


@dataclass(frozen=True)
class Asked:
    """A question and what it is asked of."""

    question: str
    documents: tuple[Document, ...]

    @property
    def texts(self) -> list[str]:
        """The words of the documents."""
        return [each.page_content for each in self.documents]

    def cite(self, document: int, span: Span, answer: Span | None = None) -> Citation:
        """Quote a place in a document."""
        given = self.documents[document]
        text, source = given.page_content, given.metadata.get("source")
        quote = span.of(text)
        link = None
        if isinstance(source, str) and source.lower().startswith(("http://", "https://")):
            from llmkit.web import text_fragment

            link = text_fragment(source, quote, text[max(0, span.start - 200) : span.start], text[span.end :][:200])
        return Citation(
            quote=quote,
            start=span.start,
            end=span.end,
            source=None if source is None else str(source),
            link=link,
            document=document,
            answer_start=answer.start if answer else None,
            answer_end=answer.end if answer else None,
        )


def checked(given: Any) -> Asked:
    """Read `{"question": …, "context": …}`.

    Raises:
        InputError: a key is missing or unknown, the question is empty, or there is no text; says which.
    """
    question, context = question_and("context", given)
    return Asked(question, tuple(_documents(context)))


def question_and(key: str, given: Any) -> tuple[str, Any]:
    """Read a question, in one line, and what is given beside it under a key.

    Raises:
        InputError: a key is missing or unknown, or the question is empty; says which.
    """
    if not isinstance(given, Mapping) or set(given) != {"question", key}:
        told = sorted(map(str, given)) if isinstance(given, Mapping) else type(given).__name__
        raise InputError(f"the input is {told}, but must be a dictionary with the keys 'question' and {key!r}")
    question = given["question"]
    if not isinstance(question, str):
        raise InputError(f"the question is {type(question).__name__}, but must be text")
    if not question.strip():
        raise InputError("the question is empty")
    return " ".join(question.split()), given[key]


def _documents(context: Any) -> list[Document]:
    given = [context] if isinstance(context, str | Document) else context
    if not isinstance(given, Sequence) or not all(isinstance(each, str | Document) for each in given):
        raise InputError(
            f"the context is {type(context).__name__}, but must be text, a Document or a list of Documents"
        )
    if not given:
        raise InputError("the context is an empty list: give at least one document")
    documents = [Document(each) if isinstance(each, str) else each for each in given]
    for number, each in enumerate(documents, 1):
        if not each.page_content.strip():
            raise InputError("the context is empty" if len(documents) == 1 else f"document {number} has no text")
    return documents
