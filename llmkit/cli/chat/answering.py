"""Answers: the request to the model, and the answer as it is generated."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from llmkit.cli.ask import citation_lines
from llmkit.cli.chat import window
from llmkit.cli.chat.events import Event, Note, Output, Piece, Working
from llmkit.cli.chat.history import Attachment, Change, History, apply_change
from llmkit.errors import ContextWindowExceeded, InputError

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.messages import AIMessageChunk, BaseMessage

    from llmkit.chains import Answer
    from llmkit.cli.chat.state import ChatState

WRITE_EVERY = 0.25  # seconds of an answer that a kill may lose


def respond(state: ChatState, change: Change) -> Iterator[Event]:
    """Answer the last turn after a change, from what is attached or as part of the conversation.

    What is attached answers the questions that it has an answer to; a note says where the model answers instead. On an
    error nothing is changed.
    """
    after = apply_change(state.history, change)
    if after.attached and not after.turns[-1].answer:
        if (yield from _quote(state, change, after)):
            return
        yield Note(f"answered by the model, not from {_names(after.attached)}{_hint(after.turns[-1].message)}")
    yield from _answer(state, change, window.build_messages((yield from _trim(state, after))))


def _trim(state: ChatState, after: History) -> Generator[Event, None, History]:
    """Drop the oldest turns where the window is full, with a note."""
    count = window.count_dropped(state.llm, after)
    if count == after.dropped:
        return after
    trimmed = replace(after, dropped=count)
    freed = window.count_tokens(state.llm, after) - window.count_tokens(state.llm, trimmed)
    state.change({"do": "trim", "turns": count})
    messages = 2 * (count - after.dropped)
    yield Note(
        f"the oldest {messages} messages no longer fit the window and were dropped: {freed} tokens are free again"
    )
    return trimmed


def _answer(state: ChatState, change: Change, messages: list[BaseMessage]) -> Iterator[Event]:
    settings, request = state.llm.settings, (state.model, state.llm.settings, messages)
    is_reproducible = not state.is_sampling or settings.seed is not None
    if change["do"] == "retry" and request == state.last_request and is_reproducible:
        yield Note("the same settings give the same answer: /set temperature or /set seed makes it another")
    state.last_request = request
    limits = window.remaining_limits(state.llm, messages) if change["do"] == "continue" else {}
    partial = StreamedAnswer(state, change)
    if change["do"] == "say":  # a message is kept even if nothing of its answer comes
        partial.begin()
    begun, first, tokens, reason = time.perf_counter(), 0.0, 0, "cancelled"
    try:
        with closing(_stream(state, messages, limits)) as chunks:
            for chunk in chunks:
                first = first or time.perf_counter() - begun
                tokens = chunk.usage_metadata["output_tokens"] if chunk.usage_metadata else tokens + 1
                if chunk.text:
                    partial.add(chunk.text)
                    yield Piece(chunk.text)
                reason = chunk.response_metadata.get("finish_reason") or reason
    except InputError:
        partial.take_back()
        raise
    finally:
        partial.end(reason)
        ended = state.end_answer(reason, tokens, first, time.perf_counter() - begun)
    yield ended


class StreamedAnswer:
    """An answer that becomes part of the conversation while it is generated; its file gets pieces in groups.

    The change that leads to the answer is made with its first piece, so that an old answer stays if no new one comes.
    """

    def __init__(self, state: ChatState, change: Change) -> None:
        self._state, self._change, self._begun = state, change, False
        self._unwritten, self._written_at = "", time.perf_counter()

    def begin(self) -> None:
        """Make the change."""
        if not self._begun:
            self._state.change(self._change, sync=True)
            self._begun = True

    def add(self, text: str) -> None:
        """Add a piece."""
        self.begin()
        self._unwritten += text
        if time.perf_counter() - self._written_at >= WRITE_EVERY:
            self._write()

    def take_back(self) -> None:
        """Undo a message that the model refused."""
        if self._begun and not self._unwritten and not self._state.history.turns[-1].answer:
            self._state.change({"do": "undo"})
            self._begun = False

    def end(self, finish_reason: str) -> None:
        """Complete the answer."""
        if self._begun:
            self._write()
            self._state.change({"do": "end", "finish_reason": finish_reason}, sync=True)

    def _write(self) -> None:
        if self._unwritten:
            self._state.change({"do": "piece", "text": self._unwritten})
            self._unwritten, self._written_at = "", time.perf_counter()


def _stream(
    state: ChatState, messages: list[BaseMessage], limits: Mapping[str, Any]
) -> Generator[AIMessageChunk, None, None]:
    if (state.llm.settings.num_beams or 1) > 1:  # beam search knows its answer only at the end
        from langchain_core.messages import AIMessageChunk

        yield AIMessageChunk(**state.llm.invoke(messages, **limits).model_dump(exclude={"type"}))
        return
    yield from cast("Generator[AIMessageChunk, None, None]", state.llm.stream(messages, **limits))


def _quote(state: ChatState, change: Change, after: History) -> Generator[Event, None, bool]:
    """Answer a message from what is attached, if that answers it: the answer, then its citations with their offsets."""
    from llmkit.chains import QAChain
    from llmkit.chains.qa.results import NEITHER_YES_NOR_NO
    from llmkit.cli.chat.questions import Aim, aim_of

    begun, message, given = time.perf_counter(), after.turns[-1].message, pages(after.attached)
    if aim_of(message, [attachment.text for attachment in after.attached]) is Aim.CONVERSATION:
        return False
    state.qa_chain = state.qa_chain or QAChain(state.llm)
    yield Working("reading what is attached …")
    try:
        found = state.qa_chain.invoke({"question": message, "context": given})
    except ContextWindowExceeded:  # the message is longer than a question; the conversation may hold it
        return False
    if not _is_answer(found, message, after.attached):
        return False
    text = found.text if found.found else NEITHER_YES_NOR_NO
    state.last_request = None
    sources = dict.fromkeys(given[citation.document].metadata["source"] for citation in found.citations)
    citations = "\n".join(line.plain for line in citation_lines(found, given))
    partial = StreamedAnswer(state, change)
    partial.add(text)
    state.change({"do": "cite", "text": citations})
    partial.end("stop")
    yield Piece(text)
    yield Output(citations)
    yield Note(f"answered from {', '.join(sources)}")
    seconds = time.perf_counter() - begun
    yield state.end_answer("stop", state.llm.get_num_tokens(text), seconds, seconds)
    return True


def _is_answer(found: Answer, message: str, attached: Sequence[Attachment]) -> bool:
    from llmkit.cli.chat.questions import is_answered

    texts = {attachment.source: attachment.text for attachment in attached}
    return any(
        is_answered(message, texts[str(citation.source)], [citation.quote], found.confidence)
        for citation in found.citations
    )


def _hint(message: str) -> str:
    """Return the command that does what a message asks of the attached text, which the model does not see."""
    from llmkit.cli.chat.questions import asks_for_summary

    return "; /summarize summarizes what is attached" if asks_for_summary(message) else ""


def _names(attached: Sequence[Attachment]) -> str:
    return attached[0].source if len(attached) == 1 else f"the {len(attached)} texts that are attached"


def documents(attached: Sequence[Attachment]) -> list[Document]:
    """Return each attached text as a LangChain document."""
    from langchain_core.documents import Document

    return [Document(text.text, metadata={"source": text.source, "title": text.title}) for text in attached]


def pages(attached: Sequence[Attachment]) -> list[Document]:
    """Return what is attached as LangChain documents, each page of a PDF as one that has the page in its metadata."""
    from langchain_core.documents import Document

    found = []
    for text, whole in zip(attached, documents(attached), strict=True):
        parts = [
            Document(text.text[page.start : page.end], metadata={**page.metadata, **whole.metadata})
            for page in text.pages
        ]
        found += parts or [whole]
    return found
