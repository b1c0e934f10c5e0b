"""The file of one conversation: checked and read, then opened again to continue it.

A file that is no conversation is never changed. Only a last line that was being written when its process was killed is
cut off.
"""

from __future__ import annotations

import io
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from llmkit.cli.chat.history import VERSION, History, apply_change
from llmkit.errors import InputError, RunError

_MAX_BYTES = 256 * 2**20
_FIRST = json.dumps({"do": "begin", "version": VERSION}).encode()
_START = b'{"do": "'
_LIMITS = (10_000, 1_000, 1_000, 1_000)
"""The most turns, attached texts, settings and damaged lines."""
NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # not on Windows


class Conversation(NamedTuple):
    """What a file contains.

    `notes` say which lines could not be read, `complete` is its length without a torn line, and `stamp` tells whether
    it was changed since.
    """

    history: History
    complete: int
    ends_line: bool
    notes: list[str]
    stamp: tuple[int, ...] = ()


def is_regular(path: Path) -> bool:
    """Return whether a path is a file itself: no link to one, no folder, pipe or device."""
    with suppress(OSError):
        return stat.S_ISREG(path.lstat().st_mode)
    return False


def read(path: Path) -> Conversation:
    """Read a conversation.

    Raises:
        InputError: the file is none, or a link, a pipe or a device; nothing is changed.
        RunError: it cannot be read.
    """
    if path.is_symlink():
        raise InputError(f"{path} is a link, and a conversation has a file of its own: copy the file to this name")
    if not is_regular(path):
        raise InputError(f"{path} is no file that can be read: remove it, or use another name")
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | NO_LINK), "rb") as file:
            stamp = _stamp(os.fstat(file.fileno()))
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise InputError(f"{path} is larger than {_MAX_BYTES // 2**20} MiB: it is not a conversation of llmkit chat")
    found = parse(data)
    if found is None:
        raise InputError(
            f"{path} is not a conversation of llmkit chat, or has more than {_LIMITS[0]:,} messages: it is left as it "
            "is; use another name"
        )
    return found._replace(stamp=stamp)


def parse(data: bytes) -> Conversation | None:
    """Return the conversation that the bytes of a file are, or None if no line is of one, or very many are not."""
    replay, known = _Replay(), False
    tail = data[data.rfind(b"\n") + 1 :]
    complete = len(data) - len(tail)
    last_is_ours = not complete and _FIRST.startswith(tail)  # the first line was being written
    number = 0
    for number, line in enumerate(io.BytesIO(data[:complete]), 1):
        change = _load(line)
        last_is_ours = isinstance(change, dict) and "do" in change
        known = known or last_is_ours
        replay.add(change, number)
        if replay.is_too_long:
            return None
    try:  # all but the line end of the last line may have been written
        replay.apply(_load(tail))
        complete, known = len(data), True
    except ValueError as error:
        if not (last_is_ours and (tail.startswith(_START) or _START.startswith(tail))):
            complete = len(data)
            replay.note(number + 1, error)
    if data and not known and not (not number and last_is_ours):
        return None
    return Conversation(replay.finish(), complete, data[:complete].endswith(b"\n") or not complete, replay.notes)


class _Replay:
    """The changes of a file, one after the other; the pieces of an answer are joined at its end, in linear time."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._history = History()
        self._pieces: list[str] = []

    @property
    def is_too_long(self) -> bool:
        """Whether there is more of something than a person writes, for which the time would grow with the square."""
        found = self._history
        counts = (len(found.turns), len(found.attached), len(found.settings), len(self.notes))
        return any(count > limit for count, limit in zip(counts, _LIMITS, strict=True))

    def add(self, change: Any, number: int) -> None:
        """Apply a change, or note that it is none."""
        try:
            self.apply(change)
        except ValueError as error:
            self.note(number, error)

    def note(self, number: int, error: ValueError) -> None:
        """Note that a line is left out."""
        self.notes.append(f"line {number}, is ignored: {error}")

    def apply(self, change: Any) -> None:
        """Apply a change.

        Raises:
            ValueError: it is none.
        """
        if change is None:
            raise ValueError("it is not JSON")
        match change:
            case {"do": "piece", "text": str(text)} if self._history.turns:
                self._pieces.append(text)
                return
        self._history = apply_change(self.finish(), change)

    def finish(self) -> History:
        """Return the conversation so far."""
        if self._pieces:
            piece = {"do": "piece", "text": "".join(self._pieces)}
            self._history, self._pieces = apply_change(self._history, piece), []
        return self._history


def _load(line: bytes) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(line.decode(errors="surrogatepass"))
    return None


def reopen(path: Path, found: Conversation) -> BinaryIO:
    """Open a conversation for more lines, its torn last line cut off, unless the file has a second name (a hard link).

    Lines are added at the end that the file then has: another program may have added some.

    Raises:
        OSError: it cannot be written, or was changed since it was read.
    """
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | NO_LINK), "r+b")
    status = os.fstat(file.fileno())
    if _stamp(status) != found.stamp:
        file.close()
        raise OSError(0, "another program changed it")
    is_torn = found.complete < status.st_size
    if is_torn and status.st_nlink == 1:
        file.truncate(found.complete)
    if not found.ends_line or (is_torn and status.st_nlink > 1):
        file.write(b"\n")
        file.flush()
    return file


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
