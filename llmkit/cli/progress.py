"""A bar on stderr for work that takes long: only on a terminal, and never with `--quiet`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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
    """Give a bar, which appears when the work has taken a second and goes away at its end."""
    from tqdm import tqdm

    hidden = quiet or not sys.stderr.isatty()
    with tqdm(total=total, unit=f" {unit}", leave=False, delay=1, disable=hidden, file=sys.stderr) as shown:
        yield Bar(shown)
