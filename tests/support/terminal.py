"""A pseudo-terminal whose screen can be read."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any

import pexpect
import pyte

CTRL_C, CTRL_D, CTRL_R, ALT_ENTER, UP, TAB = "\x03", "\x04", "\x12", "\x1b\r", "\x1b[A", "\t"


def pasted(text: str) -> str:
    return f"\x1b[200~{text}\x1b[201~"


class Terminal:
    """Runs a command of llmkit; `raw` is its output, `text` is the screen with everything that scrolled off."""

    def __init__(self, *arguments: str, columns: int = 80, rows: int = 24, shell: str = "", **env: str) -> None:
        command = [sys.executable, "-m", "llmkit", *arguments]
        if shell:
            command = ["/bin/sh", "-c", f'exec "$@" {shell}', "sh", *command]
        self.raw = ""
        self.screen = pyte.HistoryScreen(columns, rows, history=5000)
        self._stream = pyte.ByteStream(self.screen)
        sizes = {"COLUMNS", "LINES", "NO_COLOR"}
        environment = {name: value for name, value in os.environ.items() if name not in sizes}
        self.child = pexpect.spawn(
            command[0],
            command[1:],
            dimensions=(rows, columns),
            env={**environment, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **env},
        )
        self.screen.write_process_input = self.child.send  # type: ignore[method-assign]

    @property
    def shown(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    @property
    def text(self) -> str:
        scrolled = ("".join(line[column].data for column in range(len(line))) for line in self.screen.history.top)
        return "\n".join([*(line.rstrip() for line in scrolled), self.shown])

    def type(self, keys: str, until: str | Callable[[str], Any] = "", *, timeout: float = 60) -> None:
        """Press keys, and wait until the screen shows a pattern."""
        self.child.send(keys)
        self.wait(until, timeout=timeout)

    def wait(self, until: str | Callable[[str], Any] = "", *, timeout: float = 60) -> None:
        """Wait until the screen, or the text that scrolled off, matches a pattern."""
        is_found = until if callable(until) else re.compile(until).search
        deadline = time.monotonic() + timeout
        while not is_found(self.text):
            assert time.monotonic() < deadline, f"waited for {until!r}:\n{self.text}"
            self._read(0.1)

    def settle(self, seconds: float = 0.3) -> None:
        """Read until no output comes for `seconds`."""
        while self._read(seconds):
            pass

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def ended(self) -> int:
        """Wait until the command exits; return its exit status, or the negative number of a signal."""
        while self._read(30):
            pass
        self.child.close()
        status = self.child.exitstatus
        return int(-self.child.signalstatus if status is None else status)

    def _read(self, seconds: float) -> bool:
        try:
            data = self.child.read_nonblocking(65536, timeout=seconds)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return False
        self.raw += data.decode(errors="replace")
        self._stream.feed(data)
        return True
