"""Arguments of chains, checked before any work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmkit.errors import InputError, PromptError
from llmkit.prompts import TaskPrompt


def check_positive(value: Any, what: str) -> int:
    """Give the value, a whole number of at least 1.

    Raises:
        InputError: it is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{what} is {value!r}, but must be a whole number, at least 1")
    return value


def check_share(value: Any, what: str) -> float:
    """Give the value, a number between 0 and 1.

    Raises:
        InputError: it is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(f"{what} is {value!r}, but must be between 0 and 1")
    return float(value)


def check_prompt(prompt: str | TaskPrompt, known: Sequence[str] = ()) -> TaskPrompt:
    """Give the prompt, loaded where it is a name; beside `input` its open fields are among those that are known.

    Raises:
        PromptError: no prompt has this name, or it has a field that nothing fills.
    """
    asking: Any = TaskPrompt.load(prompt) if isinstance(prompt, str) else prompt
    if not isinstance(asking, TaskPrompt):
        raise PromptError(f"prompt is {type(prompt).__name__}, but must be the name of a prompt text or a TaskPrompt")
    left = [field for field in asking.input_variables if field not in ("input", *known)]
    if left:
        raise PromptError(
            f"the prompt has fields that this chain cannot fill: {', '.join(left)}; fill them with prompt.partial(…)"
        )
    return asking
