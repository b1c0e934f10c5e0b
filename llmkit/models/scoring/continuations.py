"""Continuations as the token ids that are scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmkit.errors import ContextWindowExceeded, InputError
from llmkit.models.tokens.chat_template import PromptEncoder


def encode_continuations(
    encoder: PromptEncoder,
    prompts: Sequence[Sequence[int]],
    continuations: Sequence[Sequence[str]],
    *,
    end: Sequence[int] = (),
    is_completion: bool = False,
) -> list[list[list[int]]]:
    """Return the tokens of each prompt's continuations, with those of `end` behind them; each text is encoded once.

    Behind an empty prompt of a completion model a text begins, so that its first word is encoded as that of a text.
    """
    empty = encoder.encode_text("") if is_completion else None
    begins = [list(prompt) == empty for prompt in prompts]
    pairs = list(zip(begins, continuations, strict=True))
    following = list(dict.fromkeys(text for begin, texts in pairs if not begin for text in texts))
    encoded = dict(zip(following, encoder.encode_continuations(following), strict=True))
    first = {text: encoder.encode_text(text, special=False) for begin, texts in pairs if begin for text in texts}
    return [[[*(first if begin else encoded)[text], *end] for text in texts] for begin, texts in pairs]


def continuation_lists(inputs: Sequence[Any], continuations: Sequence[Any]) -> tuple[list[Any], bool]:
    """Return the continuations of each input, and whether one list is for all of them.

    Raises:
        InputError: there are none, or an argument is a text instead of a list.
    """
    for name, value in (("inputs", inputs), ("continuations", continuations)):
        if isinstance(value, str):
            raise InputError(f"{name} is {value!r}, but must be a list")
    shared = not continuations or isinstance(continuations[0], str)
    lists: list[Any] = [continuations] * len(inputs) if shared else list(continuations)
    if not inputs or len(lists) != len(inputs) or not all(lists):
        raise InputError("score needs at least one input, and at least one continuation for each")
    return lists, shared


def check_sizes(
    prompts: Sequence[Sequence[int]],
    continuations: Sequence[Sequence[Sequence[int]]],
    window: int,
    *,
    counts_continuations: bool = True,
) -> None:
    """Check that no prompt and no continuation is empty, and that they fit the window.

    Raises:
        InputError: a prompt or a continuation has no tokens.
        ContextWindowExceeded: a prompt and one of its continuations do not fit the context window together.
    """
    for prompt, options in zip(prompts, continuations, strict=True):
        if not prompt:
            raise InputError(
                "the prompt is empty, but needs at least one token: this model has none that begins a text"
            )
        if not all(options):
            raise InputError("cannot score an empty continuation: it needs at least one token")
        longest = max(map(len, options), default=0) if counts_continuations else 0
        if (needed := len(prompt) + longest) > window:
            raise ContextWindowExceeded(needed, window, "a prompt and its longest continuation")
