"""A bar on stderr for work that takes long: only on a terminal, and never with `--quiet`."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr
from typing import Any

from llmkit.console import ticking, waiting

__all__ = ["Bar", "bar", "hushed", "tell_typing", "waiting"]


class Bar:
    """How far the work is."""

    def __init__(self, shown: Any) -> None:
        self._shown = shown

    def advance(self, steps: int) -> None:
        """Count so many more steps as done."""
        self._shown.update(steps)

    def show(self, done: int, total: int) -> None:
        """Show so many steps of so many, where the total may still grow."""
        self._shown.total = total
        self._shown.update(done - self._shown.n)


@contextmanager
def bar(unit: str, *, total: int | None = None, quiet: bool = False) -> Iterator[Bar]:
    """Give a bar, which appears when the work has taken a second, tells the time, and goes away at its end."""
    from tqdm import tqdm

    hidden = quiet or not sys.stderr.isatty()
    with tqdm(total=total, unit=f" {unit}", leave=False, delay=1, disable=hidden, file=sys.stderr) as shown:

        def draw(_: float) -> None:
            shown.delay = 0  # else tqdm does not know that there is something to clear at the end
            shown.refresh()

        with nullcontext() if hidden else ticking(draw):
            yield Bar(shown)


def tell_typing(file: str, *, quiet: bool) -> None:
    """Tell a person at a terminal that standard input, `-`, is what they type."""
    if file == "-" and not quiet and sys.stdin.isatty() and sys.stderr.isatty():
        print("note: reading what you type; Ctrl-D on an empty line ends it", file=sys.stderr)


def hushed(quiet: bool) -> AbstractContextManager[Any]:
    """Keep notices and bars of the work off stderr, where nothing but errors is wanted there."""
    return redirect_stderr(io.StringIO()) if quiet else nullcontext()
