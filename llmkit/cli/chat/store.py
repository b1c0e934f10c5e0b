"""Conversations on disk: one JSON Lines file each, a change a line, written as they come.

A process that is killed at any moment loses at most the last line, which is ignored if it is torn. A file is readable
by its user alone, and written by one chat at a time. A conversation without a message has no file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from llmkit.cli.chat import conversation_file
from llmkit.cli.chat.history import VERSION, Change, History
from llmkit.errors import InputError, RunError
from llmkit.paths import data_dir

if TYPE_CHECKING:
    from filelock import BaseFileLock

_NAME = re.compile(r"\w[\w .-]{0,79}(?<![ .])")
_ENDING = ".jsonl"


class Entry(NamedTuple):
    """A kept conversation in a list; `first` is its first message."""

    name: str
    when: datetime
    turns: int
    first: str


class Store:
    """The folder of conversations."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = data_dir() / "conversations" if folder is None else folder

    def names(self) -> list[str]:
        """Return the names of all conversations, the last one changed first."""
        found = []
        with suppress(OSError):
            for path in self.folder.glob(f"*{_ENDING}"):
                with suppress(OSError, InputError):  # another chat has just renamed it, or it is none of ours
                    if conversation_file.is_regular(_path(self.folder, path.stem)):
                        found.append((path.stat().st_mtime_ns, path.stem))
        return [name for _, name in sorted(found, reverse=True)]

    def entries(self) -> Iterator[Entry]:
        """Yield all conversations that have a message, the last one changed first."""
        for name in self.names():
            path = _path(self.folder, name)
            with suppress(OSError, InputError, RunError):
                history = conversation_file.read(path).history
                if history.turns:
                    when = datetime.fromtimestamp(path.stat().st_mtime)
                    yield Entry(name, when, len(history.turns), history.turns[0].message)

    def last(self) -> str:
        """Return the name of the conversation that was changed last, or raise InputError if there is none."""
        if entry := next(self.entries(), None):
            return entry.name
        raise InputError(f"there is no conversation to resume in {self.folder}: llmkit chat begins one, and keeps it")

    def new(self, *, keep: bool = True) -> Record:
        """Return the record of a new conversation, which is written only if it is to be kept."""
        trouble = _obstacle(self.folder) if keep else ""
        return Record(self.folder, keep=keep, trouble=trouble and f"the conversation will not be saved: {trouble}")

    def open(self, name: str, *, keep: bool = True) -> Record:
        """Return the record of a conversation, to continue it; where it cannot be written, its `trouble` says so.

        Raises:
            InputError: there is none of this name, the file is not a conversation, or another chat is writing it.
            RunError: it cannot be read.
        """
        path = _path(self.folder, name)
        if not os.path.lexists(path):
            raise InputError(f"no conversation is called {name!r}: /list in a chat shows those that are kept")
        lock, file, trouble = None, None, ""
        try:
            lock = _lock(self.folder, name) if keep else None
        except RunError as error:
            trouble = str(error)
        try:
            found = conversation_file.read(path)
        except (InputError, RunError):
            _release(lock)
            raise
        try:
            file = conversation_file.reopen(path, found) if lock else None
        except OSError as error:
            trouble = f"{path} cannot be written: {error.strerror}"
        notes = [f"{path}, {note}" for note in found.notes]
        record = Record(self.folder, name, found.history, notes, file, lock, keep)
        record.trouble = trouble and f"what comes now will not be saved: {trouble}"
        return record


@dataclass
class Record:
    """A conversation that is being written to its file, a change at a time."""

    folder: Path
    name: str = ""  # empty until there is a message
    history: History = field(default_factory=History)  # what the file contained when it was opened
    notes: list[str] = field(default_factory=list)  # what in the file could not be read; it stays there
    file: BinaryIO | None = None
    lock: BaseFileLock | None = None
    keep: bool = True
    trouble: str = ""  # why it is no longer written, once that is so; the conversation itself can go on

    def __post_init__(self) -> None:
        self._waiting: list[Change] = [] if self.name else [{"do": "begin", "version": VERSION}]

    def add(self, change: Change, *, sync: bool = False) -> None:
        """Write a change at once, with `sync` to the disk itself; the first message creates the file."""
        self._waiting.append(change)
        if self.file is None and (not self.keep or self.trouble or change["do"] != "say"):
            return
        try:
            self._create() if self.file is None else self._write()
            if sync and self.file is not None:
                os.fsync(self.file.fileno())
        except (OSError, RunError) as error:
            reason = getattr(error, "strerror", None) or error
            self.trouble = f"the conversation is no longer saved, because its file cannot be written: {reason}"
            self.file = None

    def rename(self, name: str) -> None:
        """Rename the conversation; one that was not kept is kept from now on.

        Raises:
            InputError: the name is not valid, or taken.
            RunError: the file cannot be written, or could not before.
        """
        if self.trouble and self.name:  # what is not in its file is not all that there is
            raise RunError(self.trouble)
        path = _path(self.folder, name)
        lock = _lock(self.folder, name) if name != self.name else None
        try:
            if os.path.lexists(path):
                raise InputError(f"there is a conversation called {name!r} already: choose another name")
            if self.file is None:
                self._write_new(path)
            else:
                self._move(self.file, path)
        except (OSError, InputError) as error:
            _release(lock)
            if isinstance(error, InputError):
                raise
            raise RunError(f"{path} cannot be written: {error.strerror}") from error
        _release(self.lock)
        self.name, self.lock, self.keep, self.trouble = name, lock, True, ""

    def _move(self, file: BinaryIO, path: Path) -> None:
        """Rename the file, if its name still is that of the file that is open.

        Raises:
            OSError: it is not, or the new name cannot be written: what comes then is not saved.
        """
        before = _path(self.folder, self.name)
        if not os.path.samestat(os.fstat(file.fileno()), before.lstat()):
            raise OSError(0, "another program put another file in its place")
        file.close()  # systems differ in whether an open file can be renamed
        self.file = None
        try:
            before.rename(path)
            self.file = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | conversation_file.NO_LINK), "ab")
        except OSError as error:
            self.trouble = f"the conversation is no longer saved, because {path} cannot be written: {error.strerror}"
            raise

    def close(self, *, empty: bool = False) -> None:
        """End writing; the file of an empty conversation is deleted."""
        if self.file is not None:
            with suppress(OSError):
                self.file.close()
                if empty:
                    _path(self.folder, self.name).unlink()
        _release(self.lock)
        self.file, self.lock, self.keep = None, None, False

    def _create(self) -> None:
        stamp = f"{datetime.now():%Y-%m-%d-%H%M%S}"
        for name in (stamp, *(f"{stamp}-{number}" for number in range(2, 100))):
            try:
                self.lock = _lock(self.folder, name)
                self._write_new(_path(self.folder, name))
            except (InputError, FileExistsError):
                _release(self.lock)
                continue
            self.name = name
            return
        raise RunError(f"no name is left for a conversation of {stamp}")

    def _write_new(self, path: Path) -> None:
        self.file = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600), "ab")
        self._write()

    def _write(self) -> None:
        if self.file is not None:
            # Half a surrogate pair is not UTF-8; what a person typed comes back as it was all the same.
            lines = [json.dumps(change, ensure_ascii=False) + "\n" for change in self._waiting]
            self.file.write("".join(lines).encode(errors="surrogatepass"))
            self.file.flush()
            self._waiting = []


def _path(folder: Path, name: str) -> Path:
    if not _NAME.fullmatch(name) or len(name.encode(errors="replace")) > 200:
        raise InputError(
            f"a conversation cannot be called {name!r:.100}: take up to 80 letters, digits, spaces, '.', '-' and '_', "
            "a letter or digit first"
        )
    return folder / f"{name}{_ENDING}"


def _lock(folder: Path, name: str) -> BaseFileLock:
    from filelock import FileLock, Timeout

    locks = folder / ".locks"
    try:
        _make(folder)
        lock = FileLock(locks / f"{name}.lock", timeout=0, thread_local=False)
        lock.acquire()
    except Timeout as error:
        raise InputError(f"the conversation {name!r} is open in another chat: leave that one first") from error
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror}") from error
    return lock


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / ".locks").mkdir(mode=0o700, exist_ok=True)


def _obstacle(folder: Path) -> str:
    """Return why no conversation can be written to a folder, empty if one can."""
    try:
        _make(folder)
        with TemporaryFile(dir=folder):
            return ""
    except FileExistsError:
        return f"{folder} is a file, not a folder"
    except OSError as error:
        return f"{folder} cannot be written: {error.strerror or error}"


def _release(lock: BaseFileLock | None) -> None:
    if lock is not None:
        lock.release()
