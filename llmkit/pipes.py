"""Opening what a person names as a file, which may be a pipe: `<(command)`, `/dev/stdin` or a named one."""

from __future__ import annotations

import errno
import os
import select
import stat
from io import BufferedReader

WAIT = 10.0
"""Seconds until some program has to open a named pipe for writing."""


def open_input(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a file, a pipe or a device for reading.

    A named pipe that no program writes to would be waited for without end. One that a program has opened is waited
    for, however slow that program is.

    Raises:
        OSError: it cannot be opened; a `TimeoutError` if nothing writes to the pipe.
    """
    nonblocking = getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, os.O_RDONLY | nonblocking | getattr(os, "O_BINARY", 0))
    try:
        if nonblocking:
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                _wait_for_writer(descriptor)
            os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "rb")  # a folder is refused here
    except BaseException:
        os.close(descriptor)
        raise


def _wait_for_writer(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    if poll.poll(WAIT * 1000):
        return
    try:
        os.read(descriptor, 1)
    except BlockingIOError:  # a program has opened it, and has written nothing yet
        return
    reason = f"it is a pipe that no program writes to (waited {WAIT:g} s): start that program before"
    raise TimeoutError(errno.ETIMEDOUT, reason)
