"""What question answering gives: an answer, and the sentences that it stands on."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Citation(BaseModel):
    """A sentence of the source that an answer stands on.

    Attributes:
        quote: the sentence, verbatim: the document's text from `start` to `end`.
        source: what the document's metadata say of its origin.
        link: leads to the sentence in the page, for a document from the web.
        document: which of the documents it is, from 0.
        answer_start, answer_end: where the phrase that answers stands in the document; `None` if none in it does.
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


class Answer(BaseModel):
    """An answer, or that the text gives none.

    Attributes:
        text: the answer; empty where the text does not say.
        found: whether the text says.
        confidence: how likely the answer is right, from 0 to 1; below the chain's `min_confidence` it is not given.
        citations: the sentences that it stands on, the most important first.
        unverified: quotes that the model told, but that do not stand in the source.
        method: "spans" of the text were scored, a text was "written", or "structured output" told quotes.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    found: bool
    confidence: float
    citations: tuple[Citation, ...] = ()
    unverified: tuple[str, ...] = ()
    method: Literal["spans", "written", "structured output"] = "spans"
