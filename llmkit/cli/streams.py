"""Standard streams: cleaned of control characters, and usable where they are closed or not to be written to."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NoReturn, TextIO

from llmkit.cli.control_characters import show_controls
from llmkit.errors import InputError, LlmkitError, RunError

STANDARD_OUTPUT = "standard output"

_NO_INPUT = InputError("standard input is closed: give a file, or for a chat a message, instead")
_NO_OUTPUT = RunError("standard output is closed, so there is nowhere to write the result")


class ClosedStream(io.TextIOBase):
    """A standard stream that is closed: whoever reads it or writes to it gets the error."""

    encoding = "utf-8"
    errors = "strict"

    def __init__(self, error: LlmkitError) -> None:
        super().__init__()
        self._error = error

    @property
    def buffer(self) -> Any:
        """The bytes of the stream, which is closed too."""
        return self

    def refuse(self, *_: Any) -> NoReturn:
        """Raise the error."""
        raise self._error

    read = readline = readlines = peek = write = writelines = __iter__ = __next__ = refuse


class _Output(io.FileIO):
    """The bytes of standard output; an error of writing them names it."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = STANDARD_OUTPUT
            raise


class _Errors(io.FileIO):
    """The bytes of standard error; what cannot be written is dropped, for there is nobody to tell."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


class CleanStream:
    """A text stream in which control characters are shown (see `show_controls`), whoever writes to it.

    So are those in help, tracebacks, warnings and logs of libraries. rich and prompt_toolkit, whose sequences must
    reach the terminal, write to the stream behind it (see `raw`), and show the control characters of texts themselves.
    """

    def __init__(self, stream: TextIO) -> None:
        self.raw = stream

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the stream."""
        return getattr(self.raw, name)

    def write(self, text: str) -> int:
        """Write a text."""
        self.raw.write(show_controls(text, self.raw.encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)


def raw(stream: Any) -> Any:
    """Return the stream behind a `CleanStream`, or any other stream as it is."""
    return stream.raw if isinstance(stream, CleanStream) else stream


def prepare() -> None:
    """Replace the standard streams of this program: control characters are shown, and closed streams raise errors.

    Python has `None` for a stream that is closed. The number of such a stream is taken by the null device: the next
    file that is opened would get it, and what other programs print would be written into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    streams: Any = sys  # for type checkers, a stream is never None
    if streams.stdin is None:
        streams.stdin = ClosedStream(_NO_INPUT)
    if streams.stdout is None:
        streams.stdout = ClosedStream(_NO_OUTPUT)
    if streams.stderr is None:
        streams.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    streams.stdout = CleanStream(_with_raw(raw(sys.stdout), _Output))
    streams.stderr = CleanStream(_with_raw(raw(sys.stderr), _Errors))


def check_open(stream: Any) -> None:
    """Raise the error of a standard stream that is closed, before any work."""
    stream = raw(stream)
    if isinstance(stream, ClosedStream):
        stream.refuse()


def drop_output() -> None:
    """Drop what standard output still has to write; else Python would try again at its end, and report that."""
    with suppress(OSError, LlmkitError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _with_raw(stream: TextIO, raw_type: type[io.FileIO]) -> TextIO:
    """Return a stream that writes through `raw_type`; another object than Python's own, or a terminal, as it is."""
    buffer = getattr(stream, "buffer", None)
    if type(getattr(buffer, "raw", buffer)) is not io.FileIO or stream.isatty():
        return stream
    stream.flush()
    file: Any = raw_type(stream.fileno(), "wb", closefd=False)
    is_buffered = isinstance(buffer, io.BufferedWriter)  # not so with PYTHONUNBUFFERED
    return io.TextIOWrapper(
        io.BufferedWriter(file) if is_buffered else file,
        stream.encoding,
        stream.errors,
        newline=None if os.name == "nt" else "\n",
        line_buffering=raw_type is _Errors,
        write_through=not is_buffered,
    )
