"""Commands for texts and web pages that questions are answered from."""

from __future__ import annotations

import shlex
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from llmkit.cli import files, hints
from llmkit.cli.chat.answering import documents
from llmkit.cli.chat.commands.base import command
from llmkit.cli.chat.events import Event, Note, Output, Piece, Working
from llmkit.cli.chat.history import Attachment, transcript
from llmkit.cli.option_names import as_typed
from llmkit.errors import InputError, PageRefused

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from llmkit.chains import Summary
    from llmkit.cli.chat.state import ChatState


@command("[PATH]", takes_path=True, needs="conversation")
def file(state: ChatState, argument: str) -> Iterator[Event]:
    """Attach a text, page, e-mail, PDF or subtitles, to answer questions from; without a path, list them."""
    if not argument:
        yield _listed(state)
        return
    name = str(path_of(argument))
    if name == "-":
        raise InputError("standard input is the chat itself: give /file the name of a file")
    hints.check_file(argument, lambda page: f"use /url {page}")
    yield _attached(state, files.load(name), name)


def path_of(typed: str) -> Path:
    """Return the path that was typed: as it is, or, if there is no such file, as a shell would read it."""
    plain = _expanded(typed)
    if hints.is_file(typed):
        return plain
    try:
        words = shlex.split(typed)
    except ValueError:
        return plain
    return _expanded(words[0]) if len(words) == 1 else plain


def _expanded(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # nobody has the name after the ~
        return Path(name)


@command("[URL]", needs="conversation")
def url(state: ChatState, argument: str) -> Iterator[Event]:
    """Attach a web page, to answer questions from; without a URL, list them."""
    if not argument:
        yield _listed(state)
        return
    from llmkit.web import fetch

    hints.check_url(argument, "/file")
    yield Working(f"reading {argument} …")
    try:
        page = fetch(argument, **state.fetching)
    except PageRefused as error:
        if "(--" in str(error):  # an option of the command line
            raise PageRefused(f"{as_typed(str(error))}: leave the chat, and start it with that option") from error
        raise
    yield _attached(state, [page], page.metadata["source"])


@command("[NAME]", lambda state: [text.source for text in state.history.attached])
def detach(state: ChatState, argument: str) -> Iterator[Event]:
    """Remove what is attached: one text, or all."""
    attached = state.history.attached
    if not attached:
        raise InputError("nothing is attached: /file PATH and /url URL attach something")
    found = [text.source for text in attached if argument in (text.source, text.title, Path(text.source).name)]
    if argument and not found:
        raise InputError(f"nothing called {argument!r:.100} is attached: /file shows what is")
    state.change({"do": "detach", "source": found[0]} if argument else {"do": "detach"})
    if left := len(state.history.attached):
        yield Note(f"{found[0]} is no longer attached, {left} other{'s are' if left > 1 else ' is'}")
    else:
        yield Note("nothing is attached any more: the model answers on its own again")


@command()
def summarize(state: ChatState, argument: str) -> Iterator[Event]:
    """Summarize what is attached, or else the conversation."""
    from llmkit.chains import SummarizationChain

    history = state.history
    if not history.attached and not history.turns:
        raise InputError("there is nothing to summarize: write a message, or attach a text with /file or /url")
    source = documents(history.attached) if history.attached else transcript(history.turns)
    prompt = "summarize-text" if history.attached else "summarize-dialogue"
    begun, first, text = time.perf_counter(), 0.0, ""
    yield Working("summarizing …")
    stream = cast("Generator[Summary, None, None]", SummarizationChain(state.llm, prompt).stream(source))
    with closing(stream) as chunks:
        for piece in (chunk.text for chunk in chunks):
            first = first or time.perf_counter() - begun
            text += piece
            yield Piece(piece)
    seconds = time.perf_counter() - begun
    yield state.end_answer("stop", state.llm.get_num_tokens(text), first, seconds)


def _attached(state: ChatState, loaded: Sequence[Document], source: str) -> Event:
    text, pages = _join(loaded)
    for attachment in state.history.attached:
        if attachment.text == text:
            return Note(f"{_name(attachment)} is attached already")
    change = {"do": "attach", "text": text, "source": source, "title": loaded[0].metadata.get("title") or ""}
    state.change({**change, "pages": pages} if pages else change)
    what = "it" if (count := len(state.history.attached)) == 1 else f"all {count} texts that are attached"
    return Note(f"attached {_name(state.history.attached[-1])}: questions are answered from {what}, until /detach")


def _join(loaded: Sequence[Document]) -> tuple[str, list[dict[str, Any]]]:
    """Return documents as one text, and the pages among them with their spans in it and their metadata."""
    text, pages = "", list[dict[str, Any]]()
    for document in loaded:
        text += files.PAGE_BREAK if text else ""
        span = {"start": len(text), "end": len(text) + len(document.page_content)}
        text += document.page_content
        others = {name: value for name, value in document.metadata.items() if name not in ("source", "title")}
        if "page_label" in others:
            pages.append({**span, "metadata": others})
    return text, pages


def _listed(state: ChatState) -> Event:
    if not state.history.attached:
        return Output("Nothing is attached: /file PATH and /url URL attach something.")
    lines = [f"{_name(text)}, {_size(text)}" for text in state.history.attached]
    hint = "/detach removes all, /detach NAME one." if len(lines) > 1 else "/detach removes it."
    return Output("\n".join([*lines, hint]))


def _size(attachment: Attachment) -> str:
    count = len(attachment.pages)
    pages = f"{count} page{'s' * (count > 1)}, " if count else ""
    return f"{pages}{len(attachment.text)} characters"


def _name(attachment: Attachment) -> str:
    return f"{attachment.title} ({attachment.source})" if attachment.title else attachment.source
