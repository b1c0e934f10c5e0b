"""Answers of models that tell no likelihoods: they name their quotes, and each is looked up in the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig

from llmkit.chains.qa.generator import quoted
from llmkit.chains.qa.inputs import Asked
from llmkit.chains.qa.reader import in_order
from llmkit.chains.qa.results import Answer
from llmkit.chains.structured import StructuredTask
from llmkit.errors import GenerationError
from llmkit.prompts import TaskPrompt
from llmkit.retrieval import Hit
from llmkit.text.segmentation import Span
from llmkit.text.words import occurrences

_SCHEMA = {
    "title": "QuotedAnswer",
    "description": "An answer, and the sentences that say so.",
    "type": "object",
    "properties": {"answer": {"type": "string"}, "quotes": {"type": "array", "items": {"type": "string"}}},
    "required": ["answer", "quotes"],
}


@dataclass(frozen=True)
class Quoter:
    """Asks for an answer with quotes, and believes only those that stand in the source."""

    chain: Runnable[Any, Any]
    form: str

    @classmethod
    def over(cls, llm: Any, prompt: TaskPrompt, form: str) -> Quoter:
        """Hold a model to an answer with quotes.

        Raises:
            InputError: it has no structured output.
        """
        task: StructuredTask[Any, Any] = StructuredTask.from_prompt(
            llm, prompt, _SCHEMA, fields=dict, parse=lambda _, answer: answer
        )
        return cls(task.completion, form)

    def answer(
        self, asked: Sequence[Asked], hits: Sequence[Sequence[Hit]], configs: Sequence[RunnableConfig]
    ) -> list[Answer | Exception]:
        """Give each answer, or the error it failed with."""
        inputs: list[Any] = [
            {"input": quoted(in_order(each)), "question": one.question, "form": self.form}
            for one, each in zip(asked, hits, strict=True)
        ]
        told = self.chain.batch(inputs, list(configs), return_exceptions=True)
        return [
            each if isinstance(each, Exception) else _read(one, each) for one, each in zip(asked, told, strict=True)
        ]


def locate(quote: str, texts: Sequence[str]) -> tuple[int, Span] | None:
    """Find a quote in the documents, in whole words, whatever its white space and capitals."""
    words = quote.strip().strip("\"“”'")
    places = ((number, span) for number, text in enumerate(texts) for span in occurrences(words, text, any_case=True))
    return next(places, None)


def _read(asked: Asked, told: Any) -> Answer | Exception:
    if (
        not isinstance(told, dict)
        or not isinstance(told.get("answer"), str)
        or not isinstance(told.get("quotes"), list)
    ):
        return GenerationError(f"the model answered {told!r}, which is no answer with quotes")
    text, quotes = told["answer"].strip(), [str(each) for each in told["quotes"]]
    places = [(quote, locate(quote, asked.texts)) for quote in quotes]
    citations = [asked.cite(*place) for _, place in places if place]
    lost = tuple(quote for quote, place in places if place is None)
    found = bool(text and citations)
    return Answer(
        text=text if found else "",
        found=found,
        confidence=len(citations) / len(quotes) if found else 0.0,
        citations=tuple(dict.fromkeys(citations)) if found else (),
        unverified=lost,
        method="structured output",
    )
