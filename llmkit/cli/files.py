"""Read the texts that commands work on, and write their results."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from llmkit.cli import console, hints, streams
from llmkit.errors import InputError, RunError

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from rich.text import Text

STANDARD_INPUT = "standard input"
PAGE_BREAK = "\n\n"
"""Separates the pages of a PDF where they are read as one text."""
_DESCRIPTOR = re.compile(r"/(?:dev/(?:fd/|std)|proc/[^/]+/fd/)")
_MAX_LINKS = 40


def load(name: str) -> list[Document]:
    """Read a file, or standard input for `-`, into Documents; one that is empty or of another format is an error."""
    from llmkit import files

    if name != "-":
        hints.check_file(name, hints.no_web_page)
        try:
            return files.load(name)
        except InputError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise InputError(f"{error}{hints.advice_on_missing(name)}") from error
            raise
    note_typing(name)
    try:
        return files.read(sys.stdin.buffer, STANDARD_INPUT)
    except OSError as error:
        raise InputError(f"{STANDARD_INPUT} cannot be read: {error.strerror or error}") from error


def read_text(name: str) -> str:
    """Read a file, or standard input for `-`, as one text; the pages of a PDF have an empty line between them."""
    return PAGE_BREAK.join(document.page_content for document in load(name))


def shown_name(name: str) -> str:
    """Return the name of an input as messages have it."""
    return STANDARD_INPUT if name == "-" else name


def note_typing(name: str) -> None:
    """Note at a terminal that standard input, `-`, is what the person types."""
    if name == "-" and sys.stdin.isatty() and sys.stderr.isatty():
        console.note("reading what you type; Ctrl-D on an empty line ends it")


def check_output(output: Path | None, *inputs: str | Path | None) -> None:
    """Check before any work that a result can be written, and not over a file that is read."""
    if output is None:
        streams.check_open(sys.stdout)
        return
    try:
        _check_path(output, inputs)
    except InputError:
        raise
    except (OSError, ValueError) as error:  # a name that is too long, or one with a NUL character
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{str(output)!r:.100} cannot be written: {reason}") from error


def _check_path(output: Path, inputs: Sequence[str | Path | None]) -> None:
    os.fsencode(output)  # raises an error for half a surrogate pair, which some other calls take for a missing file
    if not output.parent.is_dir():
        raise InputError(f"{output} cannot be written: there is no folder {output.parent}")
    if output.is_dir():
        raise InputError(f"{output} cannot be written: it is a folder")
    touched = [output] if is_device(output) else [output.parent, output]
    if not all(os.access(path, os.W_OK) for path in touched if path.exists()):
        raise InputError(f"{output} cannot be written: there is no permission")
    if any(_is_same(output, source) for source in inputs if source is not None):
        raise InputError(f"{output} is the input: name another file for --output")


def check_regular(path: Path, command: str) -> None:
    """Check that nothing has the name of a file that is to be written, or a regular file does: no link, no device.

    Raises:
        InputError: it is something else; `command` writes to another name.
    """
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if stat.S_ISLNK(mode):
        raise InputError(f"{path} is a link to {path.readlink()}: give {command} the name of that file, or another one")
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise InputError(f"{path} is a device or a pipe, not a file: give {command} another name")


def open_own(path: str, flags: int) -> int:
    """Open a file that llmkit names itself, as an opener of `open`: no link, no special file, no second name.

    Raises:
        OSError: it is one of them.
    """
    extra = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | extra, 0o666)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is a link, a pipe or a device", path)
    return descriptor


def is_device(path: Path) -> bool:
    """Return whether a path is /dev/null, /dev/stdout, a pipe or the like, which no file may replace."""
    return path.exists() and (not path.is_file() or _is_descriptor(path))


def _is_descriptor(path: Path) -> bool:
    """Return whether a path is a stream that is open, even one that leads to a file."""
    for _ in range(_MAX_LINKS):
        if _DESCRIPTOR.match(os.path.abspath(path)):
            return True
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return False


def _is_same(output: Path, source: str | Path) -> bool:
    with suppress(OSError):  # a missing file is an error when it is read; a stream without a number is no file
        return os.path.samestat(output.stat(), os.fstat(sys.stdin.fileno()) if source == "-" else os.stat(source))
    return False


def write(text: str | Sequence[Text], output: Path | None) -> None:
    """Show a result, or write it to a file: all of it or nothing."""
    if output is None:
        console.output(text)
        return
    plain = text if isinstance(text, str) else "\n".join(line.plain for line in text)
    with replacing(output) as part, open_text(part) as file:
        file.write(plain + "\n")


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a file to write to; it gets each character, but a terminal (`/dev/tty`) no control characters."""
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:  # for names of files
        shown: Any = streams.CleanStream(file) if file.isatty() else file
        yield shown


def part_of(target: Path) -> Path:
    """Return the file that a result is first written to, whose name is short where that of the target is very long."""
    return target.with_name(f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}.part")


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """Yield the path to write to, which takes the place of the output when all is written; a device is written to.

    The target of a link is replaced, not the link.
    """
    target = output if is_device(output) else Path(os.path.realpath(output))
    part = output if is_device(output) else part_of(target)
    try:
        if part != output:
            part.unlink(missing_ok=True)
            part.touch(exist_ok=False)  # whatever it leads to, a link of this name is not followed
        yield part
        if part != output:
            part.replace(target)
    except BaseException as error:
        if part != output:
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RunError(f"{output} cannot be written: {error.strerror}") from error
        raise
