"""Messages and their answers: what is asked of the model, and what of its answer is kept as it comes."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from llmkit.cli import options
from llmkit.cli.ask import NOT_FOUND, citation_lines
from llmkit.cli.chat import window
from llmkit.cli.chat.conversation.history import Attachment, Change, History, Turn, applied, trim
from llmkit.cli.chat.conversation.streamed_answer import PartialAnswer
from llmkit.cli.chat.events import Event, Note, Output, Piece, Working
from llmkit.errors import InputError, LlmkitError

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.messages import AIMessageChunk, BaseMessage

    from llmkit.cli.chat.session import Session


def say(session: Session, text: str) -> Iterator[Event]:
    """Take a message: an answer out of what is attached, of a prompt text, or of the conversation."""
    change = {"do": "say", "text": text, "prompt": "" if session.history.attached else session.history.prompt}
    yield from respond(session, change, applied(session.history, change))


def respond(session: Session, change: Change, after: History) -> Iterator[Event]:
    """Answer the last turn of the conversation that a change leads to; nothing is changed if that cannot be done."""
    if after.attached and not after.turns[-1].answer:
        yield from _quote(session, change, after)
        return
    turn = after.turns[-1]
    stop: tuple[str, ...] = ()
    if turn.prompt:
        messages, stop = _filled(session, turn)
    else:
        messages = window.laid_out((yield from _trimmed(session, after)))
    yield from _answer(session, change, messages, [*session.llm.settings.stop, *stop])


def _filled(session: Session, turn: Turn) -> tuple[list[BaseMessage], tuple[str, ...]]:
    """Give the messages of a prompt text that a turn's message fills, its answer so far last, and where answers end."""
    from langchain_core.messages import AIMessage

    fitted = options.load_prompt(turn.prompt, ()).fit(
        turn.said, model=session.llm, max_new_tokens=window.room(session.llm)
    )
    messages = fitted.messages
    if turn.answer:
        messages = [*(messages[:-1] if messages[-1].type == "ai" else messages), AIMessage(turn.answer)]
    return messages, fitted.stop


def _trimmed(session: Session, after: History) -> Generator[Event, None, History]:
    """Let the oldest turns go where the window is full, and say so."""
    llm, before = session.llm, after.forgotten
    count = window.to_forget(llm, after)
    if count == before:
        return after
    summary = ""
    if trim(session.history) == "summarize":
        yield Working(f"summarizing the oldest {count - before} turns …")
        try:
            count, summary = window.shortened(llm, after)
        except LlmkitError as error:
            yield Note(f"no summary of the oldest turns: {error}")
        yield Working("")
    gone = replace(after, forgotten=count, summary=summary)
    freed = window.tokens(llm, after) - window.tokens(llm, gone)
    session.change({"do": "trim", "turns": count, "summary": summary})
    what = "are now a summary" if summary else "were left out"
    yield Note(
        f"the oldest {2 * (count - before)} messages no longer fit the window and {what}: {freed} tokens are free again"
    )
    return gone


def _answer(session: Session, change: Change, messages: list[BaseMessage], stop: Sequence[str]) -> Iterator[Event]:
    settings = session.llm.settings
    asked = (session.model, settings, messages, stop)
    if change["do"] == "retry" and asked == session.asked and (settings.sampled is False or settings.seed is not None):
        yield Note("the same settings give the same answer: /set temperature or /set seed makes it another")
    session.asked = asked
    limits = window.less_room(session.llm, messages) if change["do"] == "continue" else {}
    partial = PartialAnswer(session, change)
    if change["do"] == "say":  # a message is kept even if nothing of its answer comes
        partial.begin()
    begun, first, tokens, reason = time.perf_counter(), 0.0, 0, "cancelled"
    opened = change["do"] != "continue" and messages[-1].type == "ai"
    try:
        if opened:  # the prompt text says how an answer begins
            partial.push(messages[-1].text)
            yield Piece(messages[-1].text)
        with closing(_stream(session, messages, list(stop), limits)) as chunks:
            for chunk in chunks:
                first = first or time.perf_counter() - begun
                tokens += 1
                if chunk.usage_metadata:
                    tokens = chunk.usage_metadata["output_tokens"]
                if chunk.text:
                    partial.push(chunk.text)
                    yield Piece(chunk.text)
                reason = chunk.response_metadata.get("finish_reason") or reason
    except InputError:
        partial.take_back()
        raise
    finally:
        partial.end(reason)
        ended = session.ended(reason, tokens, first, time.perf_counter() - begun)
    yield ended


def _stream(
    session: Session, messages: list[BaseMessage], stop: list[str], limits: Mapping[str, Any]
) -> Generator[AIMessageChunk, None, None]:
    if (session.llm.settings.num_beams or 1) > 1:  # what beams answer is known only at its end
        from langchain_core.messages import AIMessageChunk

        answer = session.llm.invoke(messages, stop=stop, **limits)
        whole = AIMessageChunk(content=answer.text, usage_metadata=answer.usage_metadata)
        whole.response_metadata = answer.response_metadata
        yield whole
        return
    yield from cast("Generator[AIMessageChunk, None, None]", session.llm.stream(messages, stop=stop, **limits))


def _quote(session: Session, change: Change, after: History) -> Iterator[Event]:
    """Answer a question from what is attached: the phrase, then the sentences that say so, and where they stand."""
    from llmkit.chains import QAChain

    begun = time.perf_counter()
    session.chain, session.asked = session.chain or QAChain(session.llm), None
    given = documents(after.attached)
    yield Working("reading what is attached …")
    try:
        found = session.chain.invoke({"question": after.turns[-1].said, "context": given})
    finally:
        yield Working("")
    text = found.text if found.found else NOT_FOUND
    citations = "\n".join(line.plain for line in citation_lines(found, given)) if found.found else ""
    partial = PartialAnswer(session, change)
    partial.push(text)
    if citations:
        session.change({"do": "cite", "text": citations})
    partial.end("stop")
    yield Piece(text)
    if citations:
        yield Output(citations)
    seconds = time.perf_counter() - begun
    yield session.ended("stop", session.llm.get_num_tokens(text), seconds, seconds)


def documents(attached: Sequence[Attachment]) -> list[Document]:
    """Give what is attached to a chain."""
    from langchain_core.documents import Document

    return [Document(each.text, metadata={"source": each.source, "title": each.title}) for each in attached]
