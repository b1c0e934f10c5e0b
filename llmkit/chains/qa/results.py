"""Results of question answering: an answer, and the quotes that support it."""

from __future__ import annotations

from html import escape
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from llmkit.chains.guarantees.guarantee import GuaranteedResult
from llmkit.chains.html import highlight

NOT_FOUND = "The text does not say."
NEITHER_YES_NOR_NO = "Yes or no could not be told with enough confidence. Sentences near to the question:"


class Citation(BaseModel):
    """A sentence of the source that supports an answer.

    Attributes:
        quote: the sentence, verbatim: the document's text from `start` to `end`, in characters.
        source: the document's `metadata["source"]`.
        link: a URL that leads to the sentence in its page, for a document from the web.
        document: the index of the document.
        answer_start, answer_end: the span of the answer in the document, if it is in this sentence.
        before, after: some text around the quote, for display only: they are not dumped.
    """

    model_config = ConfigDict(frozen=True)

    quote: str
    start: int
    end: int
    source: str | None = None
    link: str | None = None
    document: int = 0
    answer_start: int | None = None
    answer_end: int | None = None
    before: str = Field(default="", exclude=True, repr=False)
    after: str = Field(default="", exclude=True, repr=False)

    def _repr_html_(self) -> str:
        """The quote in its context, with the answer highlighted, for notebooks."""
        spans = [(len(self.before), len(self.before) + len(self.quote), "")]
        if self.answer_start is not None and self.answer_end is not None:
            offset = len(self.before) - self.start
            spans = [(self.answer_start + offset, self.answer_end + offset, "")]
        place = escape(f"{self.source or 'document ' + str(self.document)}, characters {self.start} to {self.end}")
        if self.link:
            place = f'<a href="{escape(self.link)}">{place}</a>'
        text = f"{self.before}{self.quote}{self.after}"
        return f"<blockquote>{highlight(text, spans)}<small>{place}</small></blockquote>"


class Answer(GuaranteedResult):
    """An answer, or that the documents do not contain one.

    Attributes:
        text: the answer; empty if none was found.
        found: whether there is an answer.
        confidence: the probability that the answer is right; below the chain's `threshold` it is not given. For a
            model without log-likelihoods: the share of its quotes that are in the source.
        calibrated: whether the confidence was fitted on this very model, as it ships or by `QAChain.calibrate`.
        citations: the sentences that support it, the most important first. Where yes or no was asked for and could not
            be told, the sentences nearest to the question.
        used_embedder: whether an embedder took part in finding the sentences; without one only words did.
        unverified: quotes of the model that are not in the source.
        method: "spans": the likeliest span of the text; "yes or no": one of both words, in the language of the
            question; "generated": a written sentence; "structured output": an answer and quotes of a model without
            log-likelihoods.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    found: bool
    confidence: float
    calibrated: bool = False
    citations: tuple[Citation, ...] = ()
    used_embedder: bool = False
    unverified: tuple[str, ...] = ()
    method: Literal["spans", "yes or no", "generated", "structured output"] = "spans"

    def _repr_html_(self) -> str:
        """The answer and its quotes in their context, for notebooks."""
        quotes = "".join(citation._repr_html_() for citation in self.citations)
        if not self.found:
            return f"<p><i>{NEITHER_YES_NOR_NO if quotes else NOT_FOUND}</i></p>{quotes}"
        note = "" if self.calibrated else ", not calibrated"
        head = f"<p><b>{escape(self.text)}</b> <small>confidence {self.confidence:.0%}{note}</small></p>"
        return head + quotes
