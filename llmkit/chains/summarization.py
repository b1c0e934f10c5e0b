"""Summaries of texts that fit the model's window."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from langchain_core.documents import Document
from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from pydantic import BaseModel, ConfigDict

from llmkit.chains.chain import Chain
from llmkit.errors import InputError
from llmkit.prompts import FittedPrompt, TaskPrompt
from llmkit.text import Passage

Source = str | Document


class Summary(BaseModel):
    """A summary.

    Attributes:
        text: the summary itself.
        strategy: how it was made; "stuff" is: the whole source in one prompt.
        passages: the parts of the source that it stands on, with their places in it.
        model_calls: how often the model was asked.
        complete: whether the model ended the summary itself; if not, it was cut after its last whole sentence.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    strategy: Literal["stuff"]
    passages: tuple[Passage, ...]
    model_calls: int
    complete: bool


class SummarizationChain(Chain[Source, Summary]):
    """Text in, `Summary` out.

    Example:
        >>> SummarizationChain(HuggingFaceChat(temperature=0)).invoke(dialogue).text

    Raises:
        InputError: the text is empty.
        ContextWindowExceeded: the text, with the instruction and the room for the summary, is larger than the window.
    """

    def __init__(
        self,
        llm: BaseChatModel,
        prompt: str | TaskPrompt = "summarize-dialogue",
        examples: Sequence[Mapping[str, str]] = (),
        selector: BaseExampleSelector | None = None,
        strategy: Literal["auto", "stuff"] = "auto",
        max_new_tokens: int = 96,
        context_window: int | None = None,
    ) -> None:
        """Take a model, the name of a prompt text or a prompt, and examples as `{"input": …, "output": …}`.

        `max_new_tokens` is the room for a summary. `strategy` is "stuff" or "auto", which is the same for now.
        `context_window`, in tokens, is needed for a LangChain model that does not tell its own.
        """
        if strategy not in ("auto", "stuff"):
            raise InputError(f"strategy is {strategy!r}, but must be 'auto' or 'stuff'")
        given = TaskPrompt.load(prompt) if isinstance(prompt, str) else prompt
        self.prompt = given.with_examples(examples, selector) if examples or selector else given
        self.llm = llm
        self.max_new_tokens = max_new_tokens
        self.context_window = context_window

    def fit(self, source: Source) -> FittedPrompt:
        """Give the prompt that the model would get, with a report of how the window is spent."""
        text = _text_of(source)
        if not text.strip():
            raise InputError("the text to summarize is empty")
        return self.prompt.fit(
            text, model=self.llm, max_new_tokens=self.max_new_tokens, context_window=self.context_window
        )

    def run(self, inputs: Sequence[Source], configs: Sequence[RunnableConfig]) -> list[Summary | Exception]:
        """Summarize all sources, in true batches."""
        fitted = [_attempt(self.fit, source) for source in inputs]
        fine = [index for index, prompt in enumerate(fitted) if isinstance(prompt, FittedPrompt)]
        answers = self.llm.batch(
            [fitted[index].messages for index in fine],
            [configs[index] for index in fine],
            return_exceptions=True,
            max_tokens=self.max_new_tokens,
        )
        results: list[Any] = list(fitted)
        for index, answer in zip(fine, answers, strict=True):
            if isinstance(answer, Exception):
                results[index] = answer
            else:
                results[index] = _summary(_text_of(inputs[index]), fitted[index], answer)
        return results


def _summary(source: str, fitted: FittedPrompt, answer: AIMessage) -> Summary:
    text = answer.text.strip()
    complete = answer.response_metadata.get("finish_reason") != "length"
    text = text if complete else _whole_sentences(text)
    text = text[:1].upper() + text[1:]  # it went on from the prompt's own first words
    tokens = next(part.tokens for part in fitted.report.parts if part.name == "input")
    passage = Passage(source, 0, len(source), tokens)
    return Summary(text=text, strategy="stuff", passages=(passage,), model_calls=1, complete=complete)


def _whole_sentences(text: str) -> str:
    """Leave out a last sentence that the limit cut off, if a whole one stands before it."""
    ends = [match.end() for match in re.finditer(r"[.!?。！？][\"'”’)]*(?=\s)", text)]
    return text[: ends[-1]] if ends else text


def _text_of(source: Source) -> str:
    return source.page_content if isinstance(source, Document) else source


def _attempt(work: Any, *given: Any) -> Any:
    try:
        return work(*given)
    except Exception as error:
        return error
