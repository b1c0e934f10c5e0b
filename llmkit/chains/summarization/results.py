"""What summarization returns."""

from __future__ import annotations

from html import escape

from pydantic import BaseModel, ConfigDict

from llmkit.chains.summarization.documents import SourcePassage
from llmkit.chains.summarization.strategies import Strategy


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
        notices: what is to be known before the summary is used, such as that the model does not know its language.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    strategy: Strategy
    passages: tuple[SourcePassage, ...]
    model_calls: int
    complete: bool
    calibrated: bool = False
    notices: tuple[str, ...] = ()

    def __add__(self, next_chunk: Summary) -> Summary:
        """Join two chunks of a stream; the last chunk has all but the text."""
        return next_chunk.model_copy(update={"text": self.text + next_chunk.text})

    def _repr_html_(self) -> str:
        """The summary, and the summary of each part below it, for notebooks."""
        parts = "".join(
            f"<li>{escape(passage.summary)} <small>characters {passage.start} to {passage.end}</small></li>"
            for passage in self.passages
            if passage.summary
        )
        calls = f"{self.strategy}, {self.model_calls} model calls{'' if self.complete else ', cut'}"
        details = f"<details><summary>Summaries of parts</summary><ol>{parts}</ol></details>" if parts else ""
        notices = "".join(f"<p><i>{escape(notice)}</i></p>" for notice in self.notices)
        return f"<p>{escape(self.text)}</p><small>{calls}</small>{details}{notices}"
