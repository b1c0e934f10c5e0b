"""A question that is ready for the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmkit.chains.lockstep import ModelCall
from llmkit.chains.qa.inputs import Query
from llmkit.chains.qa.reader import ReaderInput
from llmkit.chains.qa.results import Answer, Citation
from llmkit.chains.qa.yes_no import YesNoInput
from llmkit.retrieval import RetrievedSentence

RELATED = 0.2
"""The least cosine of a sentence that is cited though it shares no word with the question."""


@dataclass(frozen=True)
class PreparedQuery:
    """A checked question, the sentences that matter, the prompts of the readers, and the call of the generator."""

    query: Query
    sentences: list[RetrievedSentence]
    reader_input: ReaderInput | None = None
    yes_no_input: YesNoInput | None = None
    call: ModelCall | None = None

    @property
    def used_embedder(self) -> bool:
        """Whether an embedder took part in finding the sentences."""
        return any(sentence.similarity is not None for sentence in self.sentences)

    def cite_related(self, sentences: Sequence[RetrievedSentence]) -> tuple[Citation, ...]:
        """Return quotes of those sentences that share words with the question, or have a meaning near to it."""
        related = [one for one in sentences if one.relevance > 0 or (one.similarity or 0.0) >= RELATED]
        return tuple(self.query.cite(one.document, one) for one in related)


def record_embedder(
    answers: Sequence[Answer | Exception], prepared: Sequence[PreparedQuery]
) -> list[Answer | Exception]:
    """Return the answers, each with whether an embedder took part."""
    return [
        answer.model_copy(update={"used_embedder": True})
        if isinstance(answer, Answer) and item.used_embedder
        else answer
        for answer, item in zip(answers, prepared, strict=True)
    ]
