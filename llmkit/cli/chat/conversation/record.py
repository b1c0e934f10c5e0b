"""A conversation on its way into its file, a change at a time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from llmkit.cli.chat.conversation import journal
from llmkit.cli.chat.conversation.history import VERSION, Change, History
from llmkit.errors import InputError, RunError

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from llmkit.cli.chat.conversation.store import Store


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
            release(lock)
            raise RunError(f"{path} cannot be written: {error.strerror}") from error
        except InputError:
            release(lock)
            raise
        release(self._lock)
        self.name, self._lock, self.keep = name, lock, True

    def close(self, *, empty: bool = False) -> None:
        """End writing; the file of an empty conversation goes."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
                if empty:
                    self.store.path(self.name).unlink()
        self._file, self.keep = None, False
        release(self._lock)
        self._lock = None

    def _create(self) -> None:
        stamp = f"{datetime.now():%Y-%m-%d-%H%M%S}"
        for number in range(1, 100):
            name = stamp if number == 1 else f"{stamp}-{number}"
            try:
                self._lock = self.store.locked(name)
                self._write_new(self.store.path(name))
            except (InputError, FileExistsError):
                release(self._lock)
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
            self._file.write(b"".join(map(journal.to_line, changes)))
            self._file.flush()

    def _give_up(self, error: OSError | RunError) -> None:
        reason = getattr(error, "strerror", None) or error
        self.trouble = f"the conversation is no longer saved, for its file cannot be written: {reason}"
        self._file = None


def release(lock: BaseFileLock | None) -> None:
    """Give a lock back, where there is one."""
    if lock is not None:
        lock.release()
