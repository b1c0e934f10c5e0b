"""Conversations on disk: one JSON Lines file each, a change a line, written as they come.

Who is killed at any moment loses at most the last line, which is passed over when it is torn. A file is the user's
alone, and written by one chat at a time. A conversation in which nothing was said has no file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from llmkit.cli.chat.history import VERSION, Change, History, applied
from llmkit.errors import InputError, RunError

if TYPE_CHECKING:
    from filelock import BaseFileLock

_NAME = re.compile(r"\w[\w .-]{0,79}(?<![ .])")
_ENDING = ".jsonl"


def data_folder() -> Path:
    """Give the folder of what llmkit keeps for its user: `LLMKIT_DATA`, or else the system's place for that."""
    import platformdirs

    named = os.environ.get("LLMKIT_DATA")
    return Path(named).expanduser().absolute() if named else platformdirs.user_data_path("llmkit")


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
        self.folder = data_folder() / "conversations" if folder is None else folder

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
                history = _read(path.read_bytes())[0]
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
            history, whole, notes = _read(data)
            file = _whole(path, data, whole) if keep else None
        except OSError as error:
            _release(lock)
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


class Record:
    """A conversation that is being written.

    Attributes:
        name: empty until something was said.
        history: what the file held when it was opened.
        notes: what in the file could not be read; it stays there.
        trouble: why it is no longer written, once that is so; the conversation itself can go on.
    """

    def __init__(
        self,
        store: Store,
        *,
        name: str = "",
        history: History | None = None,
        notes: Sequence[str] = (),
        file: BinaryIO | None = None,
        lock: BaseFileLock | None = None,
        keep: bool = True,
    ) -> None:
        self.store, self.name, self.keep = store, name, keep
        self.history, self.notes, self.trouble = history or History(), tuple(notes), ""
        self._file, self._lock = file, lock
        self._waiting: list[Change] = [] if name else [{"do": "begin", "version": VERSION}]

    def add(self, change: Change, *, sync: bool = False) -> None:
        """Write a change at once; with `sync`, so that it outlives the machine. The first message makes the file."""
        if self._file is None:
            self._waiting.append(change)
            if not self.keep or self.trouble or change["do"] != "say":
                return
        try:
            if self._file is None:
                self._create()
            else:
                self._write([change])
            if sync and self._file is not None:
                os.fsync(self._file.fileno())
        except (OSError, RunError) as error:
            self._give_up(error)

    def rename(self, name: str) -> None:
        """Give the conversation a name; one that was not kept is, from now on.

        Raises:
            InputError: the name cannot be, or is taken.
            RunError: the file cannot be written, or could not before.
        """
        if self.trouble:
            raise RunError(self.trouble)
        path = self.store.path(name)
        lock = self.store.locked(name) if name != self.name else None
        try:
            if path.exists():
                raise InputError(f"there is a conversation called {name!r} already: choose another name")
            if self._file is None:
                self._write_new(path)
            else:
                self._file.close()  # systems differ in whether an open file can be renamed
                self.store.path(self.name).rename(path)
                self._file = path.open("ab")
        except OSError as error:
            _release(lock)
            raise RunError(f"{path} cannot be written: {error.strerror}") from error
        except InputError:
            _release(lock)
            raise
        _release(self._lock)
        self.name, self._lock, self.keep = name, lock, True

    def close(self, *, empty: bool = False) -> None:
        """End writing; the file of an empty conversation goes."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
                if empty:
                    self.store.path(self.name).unlink()
        self._file, self.keep = None, False
        _release(self._lock)
        self._lock = None

    def _create(self) -> None:
        stamp = f"{datetime.now():%Y-%m-%d-%H%M%S}"
        for number in range(1, 100):
            name = stamp if number == 1 else f"{stamp}-{number}"
            try:
                self._lock = self.store.locked(name)
                self._write_new(self.store.path(name))
            except (InputError, FileExistsError):
                _release(self._lock)
                continue
            self.name = name
            return
        raise RunError(f"no name is left for a conversation of {stamp}")

    def _write_new(self, path: Path) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(handle, "ab")
        self._write(self._waiting)
        self._waiting = []

    def _write(self, changes: Sequence[Change]) -> None:
        if self._file is not None:
            self._file.write(b"".join(map(_line, changes)))
            self._file.flush()

    def _give_up(self, error: OSError | RunError) -> None:
        reason = getattr(error, "strerror", None) or error
        self.trouble = f"the conversation is no longer saved, for its file cannot be written: {reason}"
        self._file = None


def _release(lock: BaseFileLock | None) -> None:
    if lock is not None:
        lock.release()


def _line(change: Change) -> bytes:
    # Half a surrogate pair is no UTF-8; what a person typed comes back as it was all the same.
    return json.dumps(change, ensure_ascii=False).encode(errors="surrogatepass") + b"\n"


def _read(data: bytes) -> tuple[History, int, list[str]]:
    """Give the conversation, the length of the lines that are whole, and what is wrong with others."""
    history, notes = History(), []
    *lines, tail = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            history = applied(history, _parsed(line))
        except ValueError as error:
            notes.append(f"line {number}, is passed over: {error}")
    whole = len(data) - len(tail)
    with suppress(ValueError):  # all but the line end of the last line may have been written
        history = applied(history, _parsed(tail))
        whole = len(data)
    return history, whole, notes


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.decode(errors="surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value


def _whole(path: Path, data: bytes, whole: int) -> BinaryIO:
    """Open a file for more lines, its torn last one cut off."""
    file = path.open("r+b")
    file.truncate(whole)
    file.seek(whole)
    if whole and data[whole - 1 : whole] != b"\n":
        file.write(b"\n")
        file.flush()
    return file
