"""Answers of models that return no log-likelihoods: they give quotes, and each is looked up in the source."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from llmkit.chains.qa.generator import as_quotation
from llmkit.chains.qa.inputs import Query
from llmkit.chains.qa.question_form import yes_or_no
from llmkit.chains.qa.reader import in_source_order
from llmkit.chains.qa.results import Answer
from llmkit.chains.structured import StructuredTask
from llmkit.errors import GenerationError
from llmkit.prompts import TaskPrompt
from llmkit.retrieval import RetrievedSentence
from llmkit.text.segmentation import Span
from llmkit.text.words import occurrences, terms

QuotedQuery = tuple[Query, Sequence[RetrievedSentence]]

_SCHEMA = {
    "title": "QuotedAnswer",
    "description": "An answer, and the sentences that say so.",
    "type": "object",
    "properties": {"answer": {"type": "string"}, "quotes": {"type": "array", "items": {"type": "string"}}},
    "required": ["answer", "quotes"],
}


def answer_with_quotes(llm: Any, prompt: TaskPrompt, form: str) -> StructuredTask[QuotedQuery, Answer]:
    """Return the task of answering with quotes, of which only those count that are in the source.

    The prompt has the fields `question` and `form`: what an answer looks like.
    """
    return StructuredTask(llm, prompt, _SCHEMA, fields=partial(_fields, form), parse=_parse)


def _fields(form: str, item: QuotedQuery) -> dict[str, Any]:
    query, sentences = item
    wanted = f"{words.yes} or {words.no}" if (words := yes_or_no(query.question)) else form
    return {"input": as_quotation(in_source_order(sentences)), "question": query.question, "form": wanted}


def locate(quote: str, texts: Sequence[str]) -> tuple[int, Span] | None:
    """Return the document's index and the span of a quote in whole words, whatever its white space and case."""
    text = quote.strip().strip("\"“”'")
    places = ((index, span) for index, source in enumerate(texts) for span in occurrences(text, source, any_case=True))
    return next(places, None)


def _parse(item: QuotedQuery, reply: Any) -> Answer:
    query, _ = item
    given = reply if isinstance(reply, dict) else {}
    if not isinstance(given.get("answer"), str) or not isinstance(given.get("quotes"), list):
        raise GenerationError(f"the model answered {reply!r}, which is no answer with quotes")
    text, quotes = _answer_text(query.question, given["answer"]), [str(quote) for quote in given["quotes"]]
    places = [(quote, locate(quote, query.texts)) for quote in quotes]
    citations = [query.cite(*place) for _, place in places if place]
    found = bool(text and citations)
    if not found and yes_or_no(query.question) is None:
        citations = []
    return Answer(
        text=text if found else "",
        found=found,
        confidence=len(citations) / len(quotes) if found else 0.0,
        citations=tuple(dict.fromkeys(citations)),
        unverified=tuple(quote for quote, place in places if place is None),
        method="structured output",
    )


def _answer_text(question: str, answer: str) -> str:
    """Return the answer; of one to a yes/no question only the word, and nothing if it begins with neither."""
    words = yes_or_no(question)
    if words is None:
        return answer.strip()
    first = terms(answer)[:1]
    return next((word for word in (words.yes, words.no) if first == terms(word)), "")
