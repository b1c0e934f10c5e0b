"""A pseudo-terminal whose screen can be read, and one for many commands."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pexpect
import pyte

CTRL_C, CTRL_D, CTRL_R, ALT_ENTER, UP, TAB = "\x03", "\x04", "\x12", "\x1b\r", "\x1b[A", "\t"


def pasted(text: str) -> str:
    return f"\x1b[200~{text}\x1b[201~"


class Terminal:
    """Runs a command of llmkit; `raw` is its output, `text` is the screen with everything that scrolled off."""

    def __init__(
        self,
        *arguments: str,
        program: Sequence[str] = ("-m", "llmkit"),
        columns: int = 80,
        rows: int = 24,
        shell: str = "",
        **env: str,
    ) -> None:
        command = [sys.executable, *program, *arguments]
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
            self.read(0.1)

    def settle(self, seconds: float = 0.3) -> None:
        """Read until no output comes for `seconds`."""
        while self.read(seconds):
            pass

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def ended(self) -> int:
        """Wait until the command exits; return its exit status, or the negative number of a signal."""
        while self.read(30):
            pass
        self.child.close()
        status = self.child.exitstatus
        return int(-self.child.signalstatus if status is None else status)

    def read(self, seconds: float) -> bool:
        """Read what is written within `seconds`; return whether anything was."""
        try:
            data = self.child.read_nonblocking(65536, timeout=seconds)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return False
        self.raw += data.decode(errors="replace")
        self._stream.feed(data)
        return True


_FORKS = """
import gc, json, os, sys
import peft, sentence_transformers, llmkit.chains
from llmkit import HuggingFaceChat, cli

gc.collect()
gc.freeze()  # the end of a fork does not look through what was imported
for line in open(sys.argv[1], encoding="utf-8"):
    command = json.loads(line)
    if pid := os.fork():
        print(f"\\n[ended: {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}]", flush=True)
    else:
        os.dup2(os.open(command["stdin"], os.O_RDONLY), 0)
        os.environ.update(command["environment"])
        sys.argv = ["llmkit", *command["arguments"]]
        sys.exit(cli.main())
"""


class Commands:
    """Runs commands of llmkit at one terminal, each in a fork of a process that has imported the libraries."""

    def __init__(self, folder: Path, *, columns: int = 400) -> None:
        pipe = folder / "commands"
        os.mkfifo(pipe)
        self._pipe = os.open(pipe, os.O_RDWR)  # does not wait until the process opens it
        self._stdin = folder / "stdin"
        self._terminal = Terminal(str(pipe), program=["-c", _FORKS], columns=columns)

    def run(self, arguments: Sequence[str], stdin: str = "", environment: Mapping[str, str] | None = None) -> str:
        """Return what a command writes to the terminal."""
        self._stdin.write_text(stdin, encoding="utf-8")
        command = {"arguments": arguments, "stdin": str(self._stdin), "environment": dict(environment or {})}
        self._terminal.raw = ""
        os.write(self._pipe, f"{json.dumps(command)}\n".encode())
        deadline = time.monotonic() + 120
        while not (end := re.search(r"\r?\n\[ended: -?\d+\]\r\n$", self._terminal.raw)):
            assert time.monotonic() < deadline, self._terminal.raw
            self._terminal.read(1)
        return self._terminal.raw[: end.start()]

    def close(self) -> None:
        """Let the process end, which has to end well."""
        os.close(self._pipe)
        assert self._terminal.ended() == 0, self._terminal.raw
