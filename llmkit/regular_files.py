"""Reading files that somebody else wrote: only regular ones, without waiting, and no more than a limit."""

from __future__ import annotations

import errno
import json
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

MAX_BYTES = 1 << 23
"""The most bytes of a file of settings."""

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file, or the target of a link to one, for reading.

    Raises:
        OSError: it is missing, a folder, a pipe, a socket or a device; none of them is waited for.
    """
    descriptor = os.open(path, _FLAGS)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, limit: int = MAX_BYTES) -> bytes:
    """Read a regular file of at most `limit` bytes.

    Raises:
        OSError: it is no regular file, cannot be read, or is larger.
    """
    with open_regular(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit >> 20} MiB", str(path))
    return content


def parse_object(content: bytes) -> dict[str, Any]:
    """Return the JSON object that a file has.

    Raises:
        ValueError: it is not a JSON object, not UTF-8, or nested too deeply.
    """
    try:
        value = json.loads(content.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    return value


def reason(error: Exception) -> str:
    """Return in a line, without a number of the system, why a file could not be read or written."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())
