"""The context window of a model: what its configuration says, and whether it may be longer."""

from __future__ import annotations

import logging
from typing import Any

from llmkit.errors import InputError, ModelUnusable

logger = logging.getLogger(__name__)

_WINDOW_NAMES = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "seq_length", "n_ctx")
_POSITION_TABLES = ("wpe", "embed_positions", "position_embeddings", "position_embedding")
NO_LIMIT = 10**9
"""The least of a limit that is none: tokenizers without one say 10**30."""


def validate_window(model: Any, window: int) -> None:
    """Raise `InputError` for a context window that is longer than the model's table of learned positions.

    Positions that are computed allow a longer one than the configuration says, with a warning.
    """
    import torch

    positions = _configured_window(model.config)
    if not window > positions > 0:
        return
    tables = (module for name, module in model.named_modules() if name.rpartition(".")[2] in _POSITION_TABLES)
    if any(isinstance(table, torch.nn.Embedding) for table in tables):
        raise InputError(f"context_window is {window}, but the model has positions for {positions} tokens only")
    logger.warning(
        "context_window is %d, but the model's configuration says %d tokens: beyond these its answers may be noise",
        window,
        positions,
    )


def _configured_window(config: Any) -> int:
    values = (getattr(config.get_text_config(), name, None) for name in _WINDOW_NAMES)
    return next((value for value in values if isinstance(value, int) and value > 0), 0)


def find_window(config: Any, tokenizer: Any) -> int:
    """Return the context window of a model by its configuration, or else its tokenizer.

    Raises:
        ModelUnusable: neither has one.
    """
    if window := _configured_window(config):
        return window
    if tokenizer.model_max_length < NO_LIMIT:
        return int(tokenizer.model_max_length)
    raise ModelUnusable(
        f"neither the configuration nor the tokenizer of this {config.model_type} model has the length of its context "
        "window: pass context_window=, in tokens"
    )
