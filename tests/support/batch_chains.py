"""Trivial chains that a `ChainSpec` names, and rows for them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from langchain_core.runnables import Runnable, RunnableLambda

from llmkit.batch import ChainSpec
from llmkit.errors import InputError


def lengths(
    log: str = "", kill_at: str = "", once: str = "", memory: str = "", memory_until: str = "", seconds: float = 0
) -> Runnable[Any, Any]:
    """Return a chain that measures texts.

    Args:
        log: a file to which each text is written that is measured.
        kill_at: a text at which the process kills itself, if the file `once` is not there yet.
        once: that file.
        memory: a text at which memory runs out, until the file `memory_until` is there.
        seconds: that each text takes.
    """

    def measure(text: Any) -> dict[str, int]:
        if not isinstance(text, str) or not text.strip():
            raise InputError("the text is empty: give some text")
        if text == kill_at and not Path(once).exists():
            Path(once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if text == memory and not Path(memory_until or "none").exists():
            raise MemoryError("no memory is left")
        time.sleep(seconds)
        if log:
            with open(log, "a", encoding="utf-8") as file:
                file.write(f"{text}\n")
        return {"length": len(text)}

    return RunnableLambda(measure)


def lengths_spec(**arguments: Any) -> ChainSpec:
    return ChainSpec("tests.support.batch_chains:lengths", arguments, model=None)


class AllOrNothing(Runnable[Any, Any]):
    """Fails as a whole if one of its texts is bad, as a model does whose memory runs out."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return self.batch([input])[0]

    def batch(self, inputs: list[Any], config: Any = None, *, return_exceptions: bool = False, **_: Any) -> list[Any]:
        if "bad" in inputs:
            return [MemoryError("no memory is left")] if len(inputs) == 1 else [MemoryError("all")] * len(inputs)
        return [{"length": len(text)} for text in inputs]


def all_or_nothing() -> Runnable[Any, Any]:
    return AllOrNothing()
