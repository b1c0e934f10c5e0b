"""What a conversation is about beside itself: texts and pages to answer from, and summaries."""

from __future__ import annotations

import shlex
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from llmkit.cli import files
from llmkit.cli.chat import window
from llmkit.cli.chat.events import Event, Note, Output, Piece, Working
from llmkit.cli.chat.history import Attachment, Change, History, Turn
from llmkit.cli.chat.keeper import Keeper
from llmkit.errors import InputError, ReductionError

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from llmkit.chains import Answer
    from llmkit.cli.chat.session import Session
    from llmkit.models.chat import HuggingFaceChat


def attach_file(session: Session, argument: str) -> Iterator[Event]:
    """Attach a text file."""
    if not argument:
        yield _listed(session)
        return
    name = str(path_of(argument))
    if name == "-":
        raise InputError("standard input is the chat itself: give /file the name of a file")
    yield _attached(session, files.read_text(name), name, "")


def path_of(typed: str) -> Path:
    """Give the path that was typed: as it stands, or, where nothing is called that, as a shell would read it."""
    plain = Path(typed).expanduser()
    if plain.exists():
        return plain
    try:
        words = shlex.split(typed)
    except ValueError:
        return plain
    return Path(words[0]).expanduser() if len(words) == 1 else plain


def attach_page(session: Session, argument: str) -> Iterator[Event]:
    """Attach a web page."""
    if not argument:
        yield _listed(session)
        return
    from llmkit.web import fetch

    yield Working(f"reading {argument} …")
    try:
        page = fetch(argument, **session.fetching)
    finally:
        yield Working("")
    yield _attached(session, page.page_content, page.metadata["source"], page.metadata["title"])


def detach(session: Session, argument: str) -> Iterator[Event]:
    """Let go of all that is attached."""
    if not session.history.attached:
        raise InputError("nothing is attached: /file PATH and /url URL attach something")
    session.change({"do": "detach"})
    yield Note("nothing is attached any more: the model answers by itself again")


def _attached(session: Session, text: str, source: str, title: str) -> Event:
    session.change({"do": "attach", "text": text, "source": source, "title": title})
    count = len(session.history.attached)
    what = "it" if count == 1 else f"all {count} texts that are attached"
    return Note(f"attached {_name(session.history.attached[-1])}: questions are answered from {what}, until /detach")


def _listed(session: Session) -> Event:
    if not session.history.attached:
        return Output("Nothing is attached: /file PATH and /url URL attach something.")
    lines = [f"{_name(each)}, {len(each.text)} characters" for each in session.history.attached]
    return Output("\n".join([*lines, "/detach lets go of it."]))


def _name(attachment: Attachment) -> str:
    return f"{attachment.title} ({attachment.source})" if attachment.title else attachment.source


def answer(session: Session, change: Change, after: History) -> Iterator[Event]:
    """Answer a question from what is attached: the phrase, then the sentences that say so, and where they stand."""
    from llmkit.chains import QAChain

    begun = time.perf_counter()
    session.chain = session.chain or QAChain(session.llm)
    documents = _documents(after.attached)
    yield Working("reading what is attached …")
    try:
        found = session.chain.invoke({"question": after.turns[-1].said, "context": documents})
    finally:
        yield Working("")
    text = _shown(found)
    keeper = Keeper(session, change)
    keeper.push(text)
    keeper.end("stop")
    yield Piece(text)
    seconds = time.perf_counter() - begun
    yield session.ended("stop", session.llm.get_num_tokens(text), seconds, seconds)


def _documents(attached: Sequence[Attachment]) -> list[Document]:
    from langchain_core.documents import Document

    return [Document(each.text, metadata={"source": each.source, "title": each.title}) for each in attached]


def _shown(answer: Answer) -> str:
    """The answer and its quotes as Markdown that reads well as plain text too."""
    if not answer.found:
        return "The text does not say."
    parts = [answer.text]
    for each in answer.citations:
        place = each.link or f"{each.source}, characters {each.start} to {each.end}"
        parts.append(f"> {' '.join(each.quote.split())}\n>\n> {place}")
    return "\n\n".join(parts)


def summarize(session: Session, argument: str) -> Iterator[Event]:
    """Summarize what is attached, or else the conversation; the summary is shown, and no part of either."""
    from llmkit.chains import SummarizationChain

    source: str | list[Document]
    if session.history.attached:
        source, prompt = _documents(session.history.attached), "summarize-text"
    elif session.history.turns:
        source, prompt = transcript(session.history.turns), "summarize-dialogue"
    else:
        raise InputError("there is nothing to summarize: say something, or attach a text with /file or /url")
    begun, first, said = time.perf_counter(), 0.0, ""
    yield Working("summarizing …")
    stream = cast("Generator[str, None, None]", SummarizationChain(session.llm, prompt).stream(source))
    with closing(stream) as pieces:
        for piece in pieces:
            if not first:
                first = time.perf_counter() - begun
                yield Working("")
            said += piece
            yield Piece(piece)
    seconds = time.perf_counter() - begun
    yield session.ended("stop", session.llm.get_num_tokens(said), first, seconds)


def transcript(turns: Sequence[Turn]) -> str:
    """Give what was said as a text."""
    return "\n".join(f"You: {turn.said}\nModel: {turn.answer}".strip() for turn in turns)


def shortened(llm: HuggingFaceChat, after: History) -> tuple[int, str]:
    """Give how many of the first turns are to become a summary, and that summary, with that of earlier ones in it.

    Raises:
        LlmkitError: the summary cannot be made, or is too long to be worth it.
    """
    from llmkit.chains import SummarizationChain

    length = min(192, llm.context_window // 8)
    count = window.to_forget(llm, after, reserve=length)
    old = f"{after.summary}\n" if after.summary else ""
    text = old + transcript(after.turns[after.forgotten : count])
    summary = SummarizationChain(llm, max_new_tokens=length).invoke(text).text
    short = replace(after, forgotten=count, summary=summary)
    if not summary or window.tokens(llm, short) + window.room(llm) > llm.context_window:
        raise ReductionError("the summary of the oldest turns is longer than its place")
    return count, summary
