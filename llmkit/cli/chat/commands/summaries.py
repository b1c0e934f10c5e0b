"""The command that summarizes what a conversation is about."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, cast

from llmkit.cli.chat.answering import documents
from llmkit.cli.chat.conversation.history import transcript
from llmkit.cli.chat.events import Event, Piece, Working
from llmkit.errors import InputError

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from llmkit.chains import Summary
    from llmkit.cli.chat.session import Session


def summarize(session: Session, argument: str) -> Iterator[Event]:
    """Summarize what is attached, or else the conversation; the summary is shown, and no part of either."""
    from llmkit.chains import SummarizationChain

    source: str | list[Document]
    if session.history.attached:
        source, prompt = documents(session.history.attached), "summarize-text"
    elif session.history.turns:
        source, prompt = transcript(session.history.turns), "summarize-dialogue"
    else:
        raise InputError("there is nothing to summarize: say something, or attach a text with /file or /url")
    begun, first, said = time.perf_counter(), 0.0, ""
    yield Working("summarizing …")
    stream = cast("Generator[Summary, None, None]", SummarizationChain(session.llm, prompt).stream(source))
    with closing(stream) as chunks:
        for piece in (chunk.text for chunk in chunks):
            if not first:
                first = time.perf_counter() - begun
                yield Working("")
            said += piece
            yield Piece(piece)
    seconds = time.perf_counter() - begun
    yield session.ended("stop", session.llm.get_num_tokens(said), first, seconds)
