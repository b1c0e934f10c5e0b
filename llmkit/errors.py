"""Every error that llmkit raises on purpose.

    LlmkitError
    ├── InputError                 what was given cannot be used; nothing was computed
    │   ├── SettingsError          a generation setting is unknown, of the wrong type or out of range
    │   ├── PromptError            a prompt text, one of its fields or one of its examples is wrong
    │   ├── ContextWindowExceeded  a prompt and its completion do not fit the model's context window
    │   ├── ModelNotFound          no model has this name
    │   ├── ModelUnusable          the model's files are damaged or incomplete, or it cannot do this task
    │   ├── ServerUnusable         an address is no model server's, refuses the key, or cannot do this task
    │   ├── ConstraintError        a schema, pattern or tool cannot be compiled into a decoding constraint
    │   └── PageRefused            a URL is not a public web page with text, or is closed by robots.txt
    └── RunError                   the input was fine; the work failed
        ├── DownloadError          weights could not be fetched
        ├── CacheError             the cache folder cannot be written
        ├── GenerationError        the model could not finish its answer
        │   └── GenerationTimeout  it took longer than `timeout`; also a TimeoutError
        ├── ServerError            a model server cannot be reached, is busy, or stops in the middle
        ├── ReductionError         summaries of parts do not get shorter than what they summarize
        └── PageError              a web page cannot be fetched, or is empty

A command exits with 2 for an `InputError`, with 1 for any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class LlmkitError(Exception):
    """The base class: catch it to catch whatever llmkit raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:  # Exception's own calls __init__ with the message as its arguments
        return _restore, (type(self), self.args, self.__dict__)


class InputError(LlmkitError, ValueError):
    """Raised before any work, for input that cannot be used."""


class SettingsError(InputError):
    """Raised for a generation setting that is unknown or wrong; names the setting and the value."""


class PromptError(InputError):
    """Raised when a prompt is built or filled; names the field or the example."""


class ContextWindowExceeded(InputError):
    """Raised before any computation, when a prompt does not fit the model's context window.

    Attributes:
        needed: tokens of the prompt, chat markup included, and those reserved for the completion.
        available: tokens of the model's context window.
        advice: what to do.
    """

    def __init__(
        self,
        needed: int,
        available: int,
        what: str = "the prompt and the tokens reserved for its completion",
        advice: str = "shorten the input, lower max_new_tokens, or choose a model with a larger window",
    ) -> None:
        self.needed, self.available, self.advice = needed, available, advice
        need = "need" if " and " in what or what.startswith("the tokens") else "needs"
        super().__init__(f"{what} {need} {needed} tokens, but the model's context window has {available}: {advice}")


class ModelNotFound(InputError):
    """Raised when a name is no key of the catalog, no folder, no GGUF file and no model of the hub."""


class ModelUnusable(InputError):
    """Raised when a model's files are damaged or incomplete, or when the model cannot do the task."""


class ServerUnusable(InputError):
    """Raised when an address is no model server's, when it refuses the key, or cannot do the task; says why."""


class ConstraintError(InputError):
    """Raised when a schema, regular expression or tool cannot be compiled; has the compiler's reason."""


class PageRefused(InputError):
    """Raised for a URL that is no web page's, an address that is not public, a page closed by robots.txt, a PDF."""


class RunError(LlmkitError, RuntimeError):
    """Raised when the work itself fails."""


class DownloadError(RunError):
    """Raised when weights cannot be fetched; says how to proceed without a network."""


class CacheError(RunError):
    """Raised when the cache folder is read-only, full or not a folder; names it."""


class GenerationError(RunError):
    """Raised when an answer cannot be finished, for example because memory runs out."""


class GenerationTimeout(GenerationError, TimeoutError):
    """Raised when a call takes longer than its `timeout`."""

    def __init__(self, timeout: float, tokens: int) -> None:
        super().__init__(
            f"the completion was not done within timeout={timeout:g} seconds, after {tokens} tokens: raise timeout, or "
            "lower max_new_tokens"
        )


class ServerError(RunError):
    """Raised when a model server cannot be reached, stays busy, takes too long, or stops in the middle."""


class ReductionError(RunError):
    """Raised when summaries of a text's parts stay too long to be combined: the model ignores its limit."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: choose a model that respects max_tokens, or one with a larger window")


class PageError(RunError):
    """Raised when a web page cannot be fetched within its limits, or has no text; names the URL."""


def kind_of(value: Any) -> str:
    """Return what a message calls a value: "nothing", "a text", "a number", …, else the name of its class."""
    if value is None or isinstance(value, bool):
        return "nothing" if value is None else str(value)
    kinds: dict[Any, str] = {str: "a text", (int, float): "a number", Mapping: "a dictionary", (list, tuple): "a list"}
    return next((kind for types, kind in kinds.items() if isinstance(value, types)), type(value).__name__)


def _restore(error_class: type[LlmkitError], args: tuple[Any, ...], attributes: dict[str, Any]) -> LlmkitError:
    """Create a pickled error again, without its constructor: its message is already complete."""
    built_in: Any = OSError if issubclass(error_class, OSError) else Exception  # TimeoutError is an OSError
    error: LlmkitError = built_in.__new__(error_class)
    error.args = args
    vars(error).update(attributes)
    return error
