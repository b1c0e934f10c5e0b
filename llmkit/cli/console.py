"""What a command shows: results on standard output; notes, errors and progress on standard error.

All text that commands show passes through here, whoever wrote it, and without control characters.
"""

from __future__ import annotations

import locale
import logging
import os
import shutil
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TextIO

from llmkit.cli.control_characters import show_controls, to_json
from llmkit.cli.option_names import as_typed
from llmkit.cli.streams import CleanStream

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.text import Text

    from llmkit.cli.terminal import CleanConsole

DELAY = 1.0  # seconds before progress is shown: what is done by then needs none
RATE_SECONDS = 300  # over which a rate is measured: a batch may take a minute
TIME_WIDTH = 10  # characters that progress leaves to the time
LEAST_COLUMN = 20  # characters: no column is made narrower
INDENT = 4  # characters before a cell that is below the others

_state = {"quiet": False}


def set_quiet(quiet: bool) -> bool:
    """Choose whether notes and progress are shown; errors always are."""
    _state["quiet"] = quiet
    return quiet


def show_log() -> None:
    """Show what the library logs as warnings, such as a download, as notes."""
    logger = logging.getLogger("llmkit")
    if not any(isinstance(handler, _NoteHandler) for handler in logger.handlers):
        logger.addHandler(_NoteHandler(logging.WARNING))


class _NoteHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        note(record.getMessage())


def output(text: str | Sequence[Text], *, end: str = "\n") -> None:
    """Show a result: a text, or lines with styles, which only a terminal gets."""
    if not isinstance(text, str):
        if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
            _output_styled(text)
            return
        text = "\n".join(line.plain for line in text)
    print(show_controls(text, sys.stdout.encoding), end=end, flush=True)


def output_json(value: Any, *, indent: int | None = None) -> None:
    """Show a result as JSON, from which texts come back exactly."""
    output(to_json(value, indent=indent, encoding=sys.stdout.encoding))


def _output_styled(lines: Iterable[Text]) -> None:
    from llmkit.cli.terminal import CleanConsole

    console = CleanConsole(force_terminal=True, soft_wrap=True)
    for line in lines:
        console.print(line)


def table(rows: Sequence[Sequence[str]]) -> None:
    """Show rows of equally many cells in columns; a terminal gets the last column wrapped.

    On a narrow terminal the widest column is made narrower, and a cell that is longer than it has a row for itself; or
    else the last cell of each row is below the others.
    """
    *widths, last_width = (max(map(len, column)) for column in zip(*rows, strict=True))
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    missing = min(LEAST_COLUMN, last_width) - (columns - sum(widths) - 2 * len(widths))
    widest = widths.index(max(widths))
    is_below = missing > widths[widest] - LEAST_COLUMN
    if missing > 0 and not is_below:
        widths[widest] -= missing
    indent = INDENT if missing > 0 and is_below else sum(widths) + 2 * len(widths)
    for *cells, last in rows:
        start = "".join(f"{cell:<{width}}  " for cell, width in zip(cells, widths, strict=True))
        lines = textwrap.wrap(last, columns - indent) or [""] if columns < sys.maxsize else [last]
        begin = start + lines[0] if len(start) <= indent else f"{start.rstrip()}\n{' ' * indent}{lines[0]}"
        output("\n".join([begin, *(" " * indent + line for line in lines[1:])]).rstrip())


def note(text: str) -> None:
    """Show a note, in one line."""
    if not _state["quiet"]:
        _show_line("note:", text)


def warning(text: str) -> None:
    """Show what makes a result incomplete, in one line; `quiet` does not hide it."""
    _show_line("warning:", text)


def error(text: str) -> None:
    """Show an error, in one line."""
    _show_line("error:", text)


def _show_line(begin: str, text: str) -> None:
    print(begin, show_controls(" ".join(as_typed(text).split()), sys.stderr.encoding), file=sys.stderr, flush=True)


@contextmanager
def progress(
    text: str, total: int | None = None, *, completed: int = 0, shows_rate: bool = False
) -> Iterator[Callable[..., Any]]:
    """Show what is being done and for how long, after a second and until it ends; only on a terminal.

    Yields a function that takes `completed=`, the steps done, and `total=` and `text=` if these change.

    Args:
        text: what is being done.
        total: how many steps there are.
        completed: how many of them were done before.
        shows_rate: whether the steps a second and the time that is left are shown.
    """
    if _state["quiet"] or not sys.stderr.isatty() or not _terminal().is_interactive:
        yield lambda **_: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from llmkit.cli.terminal import rate_columns

    count = [] if total is None else [*([BarColumn()] if shows_unicode(sys.stderr) else []), MofNCompleteColumn()]
    columns = [TimeElapsedColumn(), TextColumn("{task.description}", markup=False), *count]
    columns += rate_columns() if shows_rate else []
    options: dict[str, Any] = {"refresh_per_second": 2, "speed_estimate_period": RATE_SECONDS}
    shown = Progress(*columns, console=_terminal(), transient=True, redirect_stdout=False, **options)

    def line(text: str) -> str:
        return show_controls(" ".join(text.split()))[: max(_terminal().width - TIME_WIDTH, 0)]

    def update(text: str | None = None, **steps: Any) -> None:
        shown.update(task, description=None if text is None else line(text), **steps)

    task = shown.add_task(line(text), total=total, completed=completed)
    timer = threading.Timer(DELAY, partial(_start, shown))
    timer.daemon = True
    timer.start()
    try:
        yield update
    finally:
        timer.cancel()
        timer.join()
        shown.stop()


def _start(shown: Progress) -> None:
    """Start showing progress; what is written to standard error meanwhile comes above it, and rich would obey it."""
    shown.start()
    streams: Any = sys
    streams.stderr = CleanStream(sys.stderr)


def shows_unicode(stream: TextIO) -> bool:
    """Return whether a stream can show any character.

    Python writes UTF-8 under `LC_ALL=C` too, where the terminal may not expect it.
    """
    encoding = (stream.encoding or "ascii").lower().replace("-", "")
    expected = locale.getencoding().lower().replace("-", "") if os.name == "posix" else encoding
    return encoding == expected == "utf8"


@cache
def _terminal() -> CleanConsole:
    """Return the one console of all progress, so that nested progress shares the terminal."""
    from llmkit.cli.terminal import CleanConsole

    return CleanConsole(stderr=True)
