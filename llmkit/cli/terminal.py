"""The console through which rich writes to a terminal: its sequences, and no control character of a text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from llmkit.cli import streams
from llmkit.cli.control_characters import show_controls


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
