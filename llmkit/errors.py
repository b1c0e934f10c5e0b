"""Every error that llmkit raises on purpose.

    LlmkitError
    ├── InputError                 what was given cannot be used; nothing was computed
    │   ├── SettingsError          a generation setting is unknown, of the wrong type or out of range
    │   ├── PromptError            a prompt text, one of its fields or one of its examples is wrong
    │   ├── ContextWindowExceeded  the prompt and the room for its answer are larger than the model's window
    │   ├── ModelNotFound          no model has this name
    │   ├── ModelUnusable          the model was found, but is damaged, incomplete or of the wrong kind
    │   ├── ConstraintError        a schema, a pattern or a tool cannot be turned into a decoding constraint
    │   └── PageRefused            a URL is no web page's, leads where llmkit does not go, or to what is no text
    └── RunError                   the input was fine; the work failed
        ├── DownloadError          weights could not be fetched
        ├── CacheError             the folder that keeps models cannot be written
        ├── GenerationError        the model could not finish its answer
        ├── ReductionError         summaries of parts do not get shorter than what they summarize
        └── PageError              a web page does not come, or is empty

A command exits with 2 for an `InputError`, with 1 for any other.
"""

from __future__ import annotations


class LlmkitError(Exception):
    """The root: catch this to catch whatever llmkit raises on purpose."""


class InputError(LlmkitError, ValueError):
    """Raised before any work, for input that cannot be used."""


class SettingsError(InputError):
    """Raised when a generation setting is made or overridden; names the setting and the value."""


class PromptError(InputError):
    """Raised when a prompt is built or filled; names the field or the example."""


class ContextWindowExceeded(InputError):
    """Raised before any computation, when a prompt does not fit.

    Attributes:
        needed: tokens of the prompt, chat markup included, and of the room kept for the answer.
        available: tokens of the model's context window.
    """

    def __init__(self, needed: int, available: int, what: str = "the prompt and the room for its answer") -> None:
        self.needed, self.available = needed, available
        super().__init__(
            f"{what} need {needed} tokens, but the model's context window has {available}: "
            "shorten the input, lower max_new_tokens, or choose a model with a larger window"
        )


class ModelNotFound(InputError):
    """Raised when a name is no key of the catalog, no folder, no GGUF file and no model of the hub."""


class ModelUnusable(InputError):
    """Raised when a model's files are damaged or incomplete, or when it is of a kind that cannot do the work."""


class ConstraintError(InputError):
    """Raised when a schema, regular expression or tool cannot be compiled; carries the compiler's reason."""


class PageRefused(InputError):
    """Raised for a URL that is no web page's, an address that is not public, a page closed by robots.txt, a PDF."""


class RunError(LlmkitError, RuntimeError):
    """Raised when the work itself fails."""


class DownloadError(RunError):
    """Raised when weights cannot be fetched; says how to go on without a network."""


class CacheError(RunError):
    """Raised when the folder that keeps models is read-only, full or not a folder; names it."""


class GenerationError(RunError):
    """Raised when an answer cannot be finished, for example for want of memory."""


class ReductionError(RunError):
    """Raised when summaries of a text's parts stay too long to be combined: the model passes over its limit."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: choose a model that keeps to max_tokens, or one with a larger window")


class PageError(RunError):
    """Raised when a web page cannot be fetched within its limits, or has no text; names the URL."""
