"""Log-probabilities of the tokens of a prompt itself, each after those before it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch

from llmkit.errors import InputError
from llmkit.models.cancellation import check_caller
from llmkit.models.generation.completion import TokenLogprob
from llmkit.models.kv_cache.prefix_cache import PrefixCache
from llmkit.models.library_errors import computing_errors
from llmkit.models.loaded_model import LoadedModel
from llmkit.models.scoring.continuations import check_sizes

_PASS_TOKENS = 256  # so many rows of logits are in memory at a time


def prompt_logprobs(
    loaded: LoadedModel,
    prefix_cache: PrefixCache,
    prompt: Sequence[int],
    *,
    top: int = 0,
    asked: Sequence[int] = (),
) -> list[TokenLogprob | None]:
    """Return the log-probability of each token of a prompt in nats; `None` for the first, which nothing is before.

    Args:
        loaded: a decoder-only model.
        prefix_cache: says whether the model can continue a cache of keys and values.
        prompt: its tokens.
        top: how many of the likeliest tokens to report at each position.
        asked: tokens to report at each position beside these.

    Raises:
        InputError: the prompt is empty, or the model is an encoder-decoder model, which writes no prompt.
        ContextWindowExceeded: the prompt does not fit the context window.
    """
    if loaded.is_encoder_decoder:
        raise InputError("an encoder-decoder model tells no log-probabilities of its prompt: leave echo out")
    check_sizes([prompt], [[]], loaded.window)
    loaded.check_weights()
    found: list[TokenLogprob | None] = [None]
    size = _PASS_TOKENS if prefix_cache.usable else len(prompt)
    cache: Any = None
    with computing_errors(loaded):
        for start in range(0, len(prompt) - 1, size):
            check_caller()
            end = min(start + size, len(prompt) - 1)
            logits, cache = _forward(loaded, prompt[start:end], start, cache)
            rows = logits.float().log_softmax(-1)
            following = prompt[start + 1 : end + 1]
            found += [TokenLogprob.of(token, row, top, asked) for token, row in zip(following, rows, strict=True)]
    return found


def _forward(loaded: LoadedModel, tokens: Sequence[int], known: int, cache: Any) -> tuple[torch.Tensor, Any]:
    """Return the logits behind each token, `[tokens, vocabulary]`, and the cache with these tokens."""
    device = loaded.device
    takes_mask = "attention_mask" in inspect.signature(loaded.model.forward).parameters
    mask = {"attention_mask": torch.ones(1, known + len(tokens), dtype=torch.long, device=device)} if takes_mask else {}
    with loaded.forward_pass():
        given = torch.tensor([list(tokens)], device=device)
        out = loaded.forward(given, cache=cache, use_cache=True, **mask)
        return out.logits[0], getattr(out, "cache", None)
