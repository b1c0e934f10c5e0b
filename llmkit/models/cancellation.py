"""Stopping what is computed for a caller who has left: whatever it is, it ends before its next forward pass."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_caller: ContextVar[threading.Event | None] = ContextVar("llmkit_caller_left", default=None)


class ComputationCancelled(BaseException):
    """Raised in a computation whose caller has left; no `Exception`, as nothing should go on in another way."""


def caller_event() -> threading.Event | None:
    """Return the event that is set when the caller of this context leaves; `None` if nobody says so."""
    return _caller.get()


@contextmanager
def cancelled_by(event: threading.Event) -> Iterator[None]:
    """Stop computations within, also in threads that get this context, once an event is set."""
    token = _caller.set(event)
    try:
        yield
    finally:
        _caller.reset(token)


def check_caller() -> None:
    """Raise `ComputationCancelled` if the caller has left."""
    event = _caller.get()
    if event is not None and event.is_set():
        raise ComputationCancelled
