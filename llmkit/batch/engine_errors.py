"""Errors that an engine raises for those of its workers, as errors of llmkit."""

from __future__ import annotations

import re

from llmkit.errors import InputError, LlmkitError, RunError

_OURS: dict[str, type[LlmkitError]] = {f"llmkit.errors.{kind.__name__}": kind for kind in (InputError, RunError)}
_RAISED = re.compile(r"^(?!org\.|java\.|ray\.)([\w.]+(?:Error|Exception)): (.+)$", re.MULTILINE)


def engine_error(engine: str, text: str) -> LlmkitError:
    """Return llmkit's error that a worker raised, or else one with the reason that the engine gives.

    Args:
        engine: its name, for the message.
        text: of the engine's error, with the traceback of the worker.
    """
    raised = _RAISED.findall(text)
    name, reason = raised[-1] if raised else ("", text.strip().partition("\n")[0])
    if name in _OURS:
        return _OURS[name](reason)
    return RunError(f"{engine} gave up ({reason}); what is written is kept, and the same command goes on")
