"""Errors of other libraries about a model's files, as errors of llmkit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from llmkit.errors import GenerationError, LlmkitError
from llmkit.models.loaded_model import LoadedModel

_MAX_REASON = 300
_PANIC = "PanicException"
"""What libraries in Rust raise for a failed assertion (pyo3); it is no `Exception`, and cannot be imported."""
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def is_out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out, which torch says with a `RuntimeError`."""
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in _OUT_OF_MEMORY)


@contextmanager
def library_errors(make: Callable[[str], LlmkitError]) -> Iterator[None]:
    """Raise what `make` returns for a reason, in place of what a library raises.

    A lack of memory stays what it is, and so does a `TimeoutError`, which a caller's alarm raises.
    """
    try:
        yield
    except (LlmkitError, MemoryError, TimeoutError):
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise  # such as an interrupt
        raise make(reason_of(error)) from error


def computing_errors(loaded: LoadedModel) -> AbstractContextManager[None]:
    """Raise `GenerationError` for whatever a model of a folder raises while it computes: its configuration is wrong.

    What a loaded model raises, whose hooks and code are the caller's, reaches the caller.
    """
    if not loaded.source:
        return nullcontext()
    return library_errors(
        lambda reason: GenerationError(
            f"{loaded.name} cannot compute this ({reason}): its configuration may be damaged, or made for another "
            "version of transformers"
        )
    )


def reason_of(error: BaseException) -> str:
    """Return the first line of an error's message, or the first two where the second says what is wrong.

    Short ones, such as those of `KeyError`, have the error's class.
    """
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    line, *others = lines or [""]
    if line.endswith(":") and others:
        line = f"{line} {others[0]}"
    if not line:
        return type(error).__name__
    if isinstance(error, LookupError | TypeError | AttributeError):
        line = f"{type(error).__name__}: {line}"
    return line if len(line) <= _MAX_REASON else f"{line[:_MAX_REASON]}…"
