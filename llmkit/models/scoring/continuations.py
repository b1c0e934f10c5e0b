"""Continuations as the token ids that are scored."""

from __future__ import annotations

from collections.abc import Sequence

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
    encoded: dict[tuple[str, bool], list[int]] = {}
    rows = []
    for prompt, texts in zip(prompts, continuations, strict=True):
        begins = list(prompt) == empty
        for text in texts:
            if (text, begins) not in encoded:
                tokens = encoder.encode_text(text, special=False) if begins else encoder.encode_continuation(text)
                encoded[text, begins] = [*tokens, *end]
        rows.append([encoded[text, begins] for text in texts])
    return rows
