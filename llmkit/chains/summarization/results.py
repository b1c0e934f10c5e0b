"""What summarization returns."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pydantic import BaseModel, ConfigDict

from llmkit.chains.summarization.documents import SourcePassage
from llmkit.chains.summarization.strategies import Strategy
from llmkit.text.segmentation import sentences

CUT = "the summary ends within a sentence, which is longer than the limit"


class SummarySentence(BaseModel):
    """A sentence of a summary, and how far the source supports it.

    Attributes:
        support: the probability that the sentence was written about this source and not about another one, from
            `source_words` and `log_ratio` alone. It is not the probability that the sentence is true: who did what, and
            whether a "not" is missing, these two do not show.
        source_words: the share of its content words that the source has; of a long source, one of its parts.
        log_ratio: how much likelier the model finds it with that part before it than without, in nats a token; `None`
            where the words decide, for a model that returns no log-likelihoods, and if the tuning does not use them.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    support: float
    source_words: float
    log_ratio: float | None = None


class Summary(BaseModel):
    """A summary.

    Attributes:
        text: the summary itself.
        strategy: how it was made; "source" is the source itself, which is no longer than a summary of it.
        passages: the parts of the source that it covers, in order, with their offsets and first summaries.
        model_calls: how often the model was called.
        complete: whether the model finished the summary, or at least one of the sentences that were selected for it;
            if not, it was cut, after a whole sentence if it has one.
        calibrated: whether the chain's numbers were chosen on this model (`SummarizationTuning`), and are not neutral.
        sentences: those of the text, with their support; none if it was not checked, or the text is the source.
        left_out: sentences that the model wrote and the source does not support.
        notices: what is to be known before the summary is used, such as that the model does not know its language.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    strategy: Strategy
    passages: tuple[SourcePassage, ...]
    model_calls: int
    complete: bool
    calibrated: bool = False
    sentences: tuple[SummarySentence, ...] = ()
    left_out: tuple[SummarySentence, ...] = ()
    notices: tuple[str, ...] = ()

    def __add__(self, next_chunk: Summary) -> Summary:
        """Join two chunks of a stream; the last chunk has all but the text, and says what is left out of that."""
        text = without_sentences(self.text + next_chunk.text, next_chunk.left_out)
        return next_chunk.model_copy(update={"text": text})

    def _repr_html_(self) -> str:
        """The summary, and the summary of each part below it, for notebooks."""
        parts = "".join(
            f"<li>{escape(passage.summary)} <small>characters {passage.start} to {passage.end}</small></li>"
            for passage in self.passages
            if passage.summary
        )
        calls = f"{self.strategy}, {self.model_calls} model calls{'' if self.complete else ', cut'}"
        details = f"<details><summary>Summaries of parts</summary><ol>{parts}</ol></details>" if parts else ""
        left_out = "".join(
            f"<p><s>{escape(sentence.text)}</s> <small>support {sentence.support:.0%}</small></p>"
            for sentence in self.left_out
        )
        notices = "".join(f"<p><i>{escape(notice)}</i></p>" for notice in self.notices)
        return f"<p>{escape(self.text)}</p><small>{calls}</small>{left_out}{details}{notices}"


def without_sentences(text: str, left_out: Sequence[SummarySentence]) -> str:
    """Return a text without some of its sentences."""
    if not left_out:
        return text
    texts, kept, place = {sentence.text for sentence in left_out}, "", 0
    for span in sentences(text):
        if span.of(text) not in texts:
            kept += text[place if kept else span.start : span.end]
        place = span.end
    return kept
