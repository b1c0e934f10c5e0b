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
    begins = [list(prompt) == empty for prompt in prompts]
    pairs = list(zip(begins, continuations, strict=True))
    following = list(dict.fromkeys(text for begin, texts in pairs if not begin for text in texts))
    encoded = dict(zip(following, encoder.encode_continuations(following), strict=True))
    first = {text: encoder.encode_text(text, special=False) for begin, texts in pairs if begin for text in texts}
    return [[[*(first if begin else encoded)[text], *end] for text in texts] for begin, texts in pairs]
