"""A question that is ready for the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmkit.chains.lockstep import ModelCall
from llmkit.chains.qa.inputs import Query
from llmkit.chains.qa.reader import ReaderInput
from llmkit.chains.qa.results import Citation
from llmkit.chains.qa.yes_no import YesNoInput
from llmkit.retrieval import RetrievedSentence, SentenceRetriever


@dataclass(frozen=True)
class PreparedQuery:
    """A checked question, the sentences that matter, the prompts of the readers, and the call of the generator."""

    query: Query
    sentences: list[RetrievedSentence]
    reader_input: ReaderInput | None = None
    yes_no_input: YesNoInput | None = None
    call: ModelCall | None = None

    def cite_related(
        self, sentences: Sequence[RetrievedSentence], retriever: SentenceRetriever
    ) -> tuple[Citation, ...]:
        """Return quotes of those sentences that share words with the question; of all with an embedder."""
        related = [one for one in sentences if one.relevance > 0 or retriever.embedder is not None]
        return tuple(self.query.cite(one.document, one) for one in related)
