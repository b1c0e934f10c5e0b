"""Conversations on disk: one JSON Lines file each, a change a line, written as they come.

Who is killed at any moment loses at most the last line, which is passed over when it is torn. A file is the user's
alone, and written by one chat at a time. A conversation in which nothing was said has no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from llmkit.cli.chat.conversation import journal
from llmkit.cli.chat.conversation.record import Record, release
from llmkit.errors import InputError, RunError
from llmkit.paths import data_dir

if TYPE_CHECKING:
    from filelock import BaseFileLock

_NAME = re.compile(r"\w[\w .-]{0,79}(?<![ .])")
_ENDING = ".jsonl"


@dataclass(frozen=True)
class Entry:
    """A kept conversation, as a list shows it; `first` is what was said first."""

    name: str
    when: datetime
    turns: int
    first: str


class Store:
    """The folder of conversations."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = data_dir() / "conversations" if folder is None else folder

    def names(self) -> list[str]:
        """Give the names of all conversations, the last one changed first."""
        found = []
        with suppress(OSError):
            for path in self.folder.glob(f"*{_ENDING}"):
                with suppress(OSError, InputError):  # another chat has just renamed it, or it is none of ours
                    found.append((self.path(path.stem).stat().st_mtime_ns, path.stem))
        return [name for _, name in sorted(found, reverse=True)]

    def entries(self) -> Iterator[Entry]:
        """Yield all conversations in which something was said, the last one changed first."""
        for name in self.names():
            path = self.path(name)
            with suppress(OSError):
                history = journal.read(path.read_bytes())[0]
                if history.turns:
                    when = datetime.fromtimestamp(path.stat().st_mtime)
                    yield Entry(name, when, len(history.turns), history.turns[0].said)

    def last(self) -> str:
        """Give the name of the conversation that was changed last.

        Raises:
            InputError: there is none.
        """
        for entry in self.entries():
            return entry.name
        raise InputError(f"there is no conversation to resume in {self.folder}")

    def path(self, name: str) -> Path:
        """Give the file of a conversation.

        Raises:
            InputError: it cannot have that name.
        """
        if not _NAME.fullmatch(name) or len(name.encode(errors="replace")) > 200:
            raise InputError(
                f"a conversation cannot be called {name!r}: take up to 80 letters, digits, spaces, '.', '-' and '_', "
                "a letter or digit first"
            )
        return self.folder / f"{name}{_ENDING}"

    def new(self, *, keep: bool = True) -> Record:
        """Give the record of a new conversation; it is only written if it is to be kept."""
        return Record(self, keep=keep)

    def open(self, name: str, *, keep: bool = True) -> Record:
        """Give the record of a conversation, to go on with it.

        Raises:
            InputError: there is none of this name, or another chat is writing it.
            RunError: it cannot be read.
        """
        path = self.path(name)
        if not path.is_file():
            raise InputError(f"no conversation is called {name!r}: /list in a chat shows those that are kept")
        lock = self.locked(name) if keep else None
        try:
            data = path.read_bytes()
            history, whole, notes = journal.read(data)
            file = journal.reopened(path, data, whole) if keep else None
        except OSError as error:
            release(lock)
            raise RunError(f"{path} cannot be read: {error.strerror}") from error
        notes = [f"{path}, {note}" for note in notes]
        return Record(self, name=name, history=history, notes=notes, file=file, lock=lock, keep=keep)

    def locked(self, name: str) -> BaseFileLock:
        """Give the lock of a conversation, taken.

        Raises:
            InputError: another chat has it.
            RunError: the folder cannot be written.
        """
        from filelock import FileLock, Timeout

        locks = self.folder / ".locks"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            locks.mkdir(mode=0o700, exist_ok=True)
            lock = FileLock(locks / f"{name}.lock", timeout=0, thread_local=False)
            lock.acquire()
        except Timeout as error:
            raise InputError(f"the conversation {name!r} is open in another chat: leave that one first") from error
        except OSError as error:
            raise RunError(f"{self.folder} cannot be written: {error.strerror}") from error
        return lock
