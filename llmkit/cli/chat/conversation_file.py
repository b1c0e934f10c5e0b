"""The file of one conversation: checked and read, then opened again to continue it.

A file that is no conversation is never changed. Only a last line that was being written when its process was killed is
cut off.
"""

from __future__ import annotations

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
        raise InputError(f"{path} is not a conversation of llmkit chat: it is left as it is; use another name")
    return found._replace(stamp=stamp)


def parse(data: bytes) -> Conversation | None:
    """Return the conversation that the bytes of a file are, or None if no line is of one."""
    history, notes, known = History(), [], False
    *lines, tail = data.split(b"\n")
    last_is_ours = not lines and _FIRST.startswith(tail)  # the first line was being written
    for number, line in enumerate(lines, 1):
        change = _load(line)
        last_is_ours = isinstance(change, dict) and "do" in change
        known = known or last_is_ours
        try:
            history = apply_change(history, _checked(change))
        except ValueError as error:
            notes.append(f"line {number}, is ignored: {error}")
    complete = len(data) - len(tail)
    try:  # all but the line end of the last line may have been written
        history = apply_change(history, _checked(_load(tail)))
        complete, known = len(data), True
    except ValueError as error:
        if not (last_is_ours and (tail.startswith(_START) or _START.startswith(tail))):
            complete = len(data)
            notes.append(f"line {len(lines) + 1}, is ignored: {error}")
    if data and not known and not (not lines and last_is_ours):
        return None
    return Conversation(history, complete, data[:complete].endswith(b"\n") or not complete, notes)


def _load(line: bytes) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(line.decode(errors="surrogatepass"))
    return None


def _checked(change: Any) -> Any:
    if change is None:
        raise ValueError("it is not JSON")
    return change


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
