"""A bar on stderr for work that takes long: only on a terminal, and never with `--quiet`."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr
from typing import Any

from llmkit.models.waiting import ticking, waiting

__all__ = ["Bar", "bar", "hushed", "waiting"]


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
            shown.last_print_t = time.time()  # what tqdm never printed itself it would not clear at the end
            shown.refresh()

        with nullcontext() if hidden else ticking(draw):
            yield Bar(shown)


def hushed(quiet: bool) -> AbstractContextManager[Any]:
    """Keep notices and bars of the work off stderr, where nothing but errors is wanted there."""
    return redirect_stderr(io.StringIO()) if quiet else nullcontext()
