"""Commands on texts and pages that questions are answered from."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from llmkit.cli import files
from llmkit.cli.chat.conversation.history import Attachment
from llmkit.cli.chat.events import Event, Note, Output, Working
from llmkit.errors import InputError, PageRefused

if TYPE_CHECKING:
    from llmkit.cli.chat.session import Session


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
    except PageRefused as error:
        if "(--" in str(error):  # an option of the command line
            raise PageRefused(f"{error}: leave the chat, and start it with that option") from error
        raise
    finally:
        yield Working("")
    yield _attached(session, page.page_content, page.metadata["source"], page.metadata["title"])


def detach(session: Session, argument: str) -> Iterator[Event]:
    """Let go of what is attached: of one text, or of all."""
    attached = session.history.attached
    if not attached:
        raise InputError("nothing is attached: /file PATH and /url URL attach something")
    if argument:
        found = [each.source for each in attached if argument in (each.source, each.title, Path(each.source).name)]
        if not found:
            raise InputError(f"nothing called {argument!r} is attached: /file shows what is")
        session.change({"do": "detach", "source": found[0]})
    else:
        session.change({"do": "detach"})
    if left := len(session.history.attached):
        yield Note(f"{found[0]} is no longer attached, {left} other{'s are' if left > 1 else ' is'}")
    else:
        yield Note("nothing is attached any more: the model answers by itself again")


def _attached(session: Session, text: str, source: str, title: str) -> Event:
    for each in session.history.attached:
        if each.text == text:
            return Note(f"{_name(each)} is attached already")
    session.change({"do": "attach", "text": text, "source": source, "title": title})
    count = len(session.history.attached)
    what = "it" if count == 1 else f"all {count} texts that are attached"
    return Note(f"attached {_name(session.history.attached[-1])}: questions are answered from {what}, until /detach")


def _listed(session: Session) -> Event:
    if not session.history.attached:
        return Output("Nothing is attached: /file PATH and /url URL attach something.")
    lines = [f"{_name(each)}, {len(each.text)} characters" for each in session.history.attached]
    several = "/detach lets go of all, /detach NAME of one."
    return Output("\n".join([*lines, several if len(lines) > 1 else "/detach lets go of it."]))


def _name(attachment: Attachment) -> str:
    return f"{attachment.title} ({attachment.source})" if attachment.title else attachment.source
