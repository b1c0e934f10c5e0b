"""The line below the prompt: the model, how full its window is, how fast it was."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from llmkit.cli.chat.events import Ended
from llmkit.cli.chat.screen.characters import Symbols

_BAR = 10


def status_line(status: Ended, columns: int, symbols: Symbols) -> str:
    """Return as much of it as fits the terminal: the model and the window first."""
    share = min(1.0, status.used / status.window)
    full = min(_BAR, round(share * _BAR) or (status.used > 0))
    bar = symbols.full * full + symbols.empty * (_BAR - full)
    name = status.model.rstrip("/").rpartition("/")[2]
    speed = []
    if status.tokens and status.seconds:
        speed = [f"{status.tokens / status.seconds:.0f} tokens/s", f"first after {status.first:.1f} s"]
    separator = f" {symbols.dot} "
    for parts in (
        [status.model, f"{bar} {status.used} of {status.window} tokens ({share:.0%})", *speed],
        [name, f"{bar} {status.used}/{status.window} ({share:.0%})", *speed],
        [name, f"{status.used}/{status.window} ({share:.0%})", *speed[:1]],
        [name, f"{status.used}/{status.window} ({share:.0%})"],
        [f"{share:.0%}", name],
    ):
        line = separator.join(parts)
        if cell_len(line) < columns:
            return line
    return set_cell_size(line, columns - 1)
