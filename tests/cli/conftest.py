import io
import sys
from collections.abc import Callable
from typing import Any

import pytest

from llmkit import cli

Run = Callable[..., tuple[Any, str, str]]


@pytest.fixture
def llmkit(monkeypatch, capsys) -> Run:
    """Run the command line in this process, with `stdin` in its pipe; give exit code, stdout and stderr."""

    def run(*arguments: str, stdin: str = "") -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        monkeypatch.setattr(sys, "argv", ["llmkit", *arguments])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return run
