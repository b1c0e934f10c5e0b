"""Chat templates, rendered in a process of their own.

A chat template is a program of whoever made the model. jinja2's sandbox keeps it from files and from Python's objects,
but not from memory and time: `{{ 'a' * 10**10 }}` is one operation, which nothing in the same process can stop. So all
templates of this process are rendered by one other process, which is limited and can be ended.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from llmkit.errors import GenerationError, ModelUnusable, PromptError
from llmkit.models.tokens.template_worker import MAX_BYTES, MAX_SECONDS

_WORKER = "llmkit.models.tokens.template_worker"
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error"}


class TemplateError(Exception):
    """Raised for what a template raises; `line` is that of a wrong syntax."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class TemplateProcess:
    """The process that renders; threads may share it. It is started when it is first needed, and again if it ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._is_ready = False

    def start(self) -> None:
        """Start the process, if it does not run, without waiting for it."""
        with self._lock:
            self._running()

    def render(self, arguments: Mapping[str, Any]) -> str:
        """Return what `render_all` does for one conversation, or raise what it raises."""
        [text] = self.render_all(arguments)
        return text

    def render_all(self, arguments: Mapping[str, Any]) -> list[str]:
        """Return what `render_jinja_template` of transformers writes for each of its `conversations`.

        Raises:
            TemplateError: the template is wrong, or refuses the conversation.
            PromptError: the arguments are not JSON.
            ModelUnusable: the template takes too much time or memory, or writes too much.
            GenerationError: the process cannot be started.
        """
        try:
            request = json.dumps(arguments, default=_plain)
        except (TypeError, ValueError, RecursionError) as error:
            raise PromptError(f"the chat template takes values of JSON only: {error}") from error
        with self._lock:
            try:
                reply = self._ask(request)
            except BaseException:  # also an interrupt: nobody waits for the reply any more
                self._end()
                raise
        if "limit" in reply:
            raise _too_much(reply["limit"])
        if "error" in reply:
            raise TemplateError(reply["error"], reply["line"])
        return list(reply["texts"])

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def forget(self) -> None:
        """Leave the process to another one, of which this one is a fork."""
        self._lock = threading.Lock()
        if self._process is not None:
            self._process.returncode = 0  # or a warning says that it still runs
        self._process, self._is_ready = None, False

    def _ask(self, request: str) -> dict[str, Any]:
        process = self._running()
        if not self._is_ready:
            self._is_ready = bool(_exchange(process, "", 6 * MAX_SECONDS)[0])
            if not self._is_ready:
                raise GenerationError(
                    f"the process that renders chat templates does not start: check that {sys.executable} can import "
                    "transformers, and that the system has memory for it"
                )
        line, is_late = _exchange(process, f"{request}\n", MAX_SECONDS)
        if not line.endswith("\n"):
            raise _too_much(
                f"takes more than {MAX_SECONDS} seconds"
                if is_late
                else f"needs more than {MAX_BYTES >> 20:,} MB of memory, or ends Python"
            )
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            path = os.pathsep.join(folder or "." for folder in sys.path)
            try:
                self._process = subprocess.Popen(
                    [sys.executable or "python", "-P", "-m", _WORKER],
                    env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": path},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    encoding="ascii",
                    start_new_session=True,  # Ctrl-C is for the process that waits
                )
            except OSError as error:
                raise GenerationError(f"the process that renders chat templates cannot be started: {error}") from error
        return self._process

    def _end(self) -> None:
        process, self._process, self._is_ready = self._process, None, False
        if process is not None:
            process.kill()
            process.communicate()


def _exchange(process: subprocess.Popen[str], request: str, seconds: float) -> tuple[str, bool]:
    """Write a request and return the reply, and whether it took too long; such a process is killed."""
    is_late = threading.Event()

    def stop() -> None:
        is_late.set()
        process.kill()

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(request)
        process.stdin.flush()
        return process.stdout.readline(), is_late.is_set()
    except BrokenPipeError:
        return "", is_late.is_set()
    finally:
        timer.cancel()


def _too_much(what: str) -> ModelUnusable:
    return ModelUnusable(
        f"the model's chat template {what}: get the model's files from a source that you trust, or give the tokenizer "
        "another chat_template"
    )


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return dump() if callable(dump) else f"<{type(value).__name__}>"


TEMPLATES = TemplateProcess()
"""The process of all templates."""

atexit.register(TEMPLATES.close)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=TEMPLATES.forget)
