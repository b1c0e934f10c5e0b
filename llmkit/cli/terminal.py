"""The console through which rich writes to a terminal: its sequences, and no control character of a text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.text import Text

from llmkit.cli import streams
from llmkit.cli.control_characters import show_controls


class RateColumn(ProgressColumn):
    """How many steps are done in a second."""

    def render(self, task: Task) -> Text:
        """Return the rate, and nothing before it is known."""
        return Text("" if task.speed is None else f"{task.speed:.1f} a second")


def rate_columns() -> list[ProgressColumn]:
    """Return the columns of a rate and of the time that is left."""
    return [RateColumn(), TimeRemainingColumn(), TextColumn("left")]


class CleanConsole(Console):
    """A console in which texts are only texts: without markup, emoji codes, links and control characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})

    @property  # type: ignore[misc]  # it is not replaced
    def file(self) -> IO[str]:
        """The stream that sequences may be written to."""
        stream: IO[str] = streams.raw(super().file)
        return stream

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Lay something out: all that rich writes comes through here."""
        encoding = getattr(self.file, "encoding", None)
        for text, style, control in super().render(renderable, options):
            if control:
                yield Segment(text, style, control)
            else:
                plain = style.update_link(None) if style and style.link else style
                yield Segment(show_controls(text, encoding), plain)
