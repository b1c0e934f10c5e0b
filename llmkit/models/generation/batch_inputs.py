"""The prompts of a batch as inputs of transformers: padded rows, behind the prefix that all begin with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import GenerationConfig

from llmkit.models.generation.sampling import reads_prompt
from llmkit.models.kv_cache.layers import common_prefix_length
from llmkit.models.kv_cache.prefix_cache import PrefixCache
from llmkit.models.loaded_model import LoadedModel

MIN_SHARED_TOKENS = 16
"""The shortest common prefix of a batch that is computed apart."""


class BatchInputs:
    """Makes the inputs of one model."""

    def __init__(self, loaded: LoadedModel, prefix_cache: PrefixCache) -> None:
        self._loaded, self._prefix_cache = loaded, prefix_cache

    def make(self, prompts: Sequence[tuple[int, ...]], config: GenerationConfig) -> dict[str, Any]:
        """Put prompts into rows `[rows, tokens]`: their common prefix, padding, and what follows it.

        Padding comes first where beams multiply the rows, or a penalty reads the prompt.
        """
        separate = config.num_beams > 1 or (len(prompts) > 1 and reads_prompt(self._loaded.model, config))
        known, cache = (0, None) if separate else self._common_prefix(prompts)
        width = max(map(len, prompts))
        device, pad = self._loaded.device, config.pad_token_id
        ids, mask = [], []
        for prompt in prompts:
            padding = width - len(prompt)
            start = len(prompt) if self._loaded.is_encoder_decoder else known  # encoders are padded at the end
            ids.append([*prompt[:start], *[pad] * padding, *prompt[start:]])
            mask.append([*[1] * start, *[0] * padding, *[1] * (len(prompt) - start)])
        inputs = {"inputs": torch.tensor(ids, device=device), "attention_mask": torch.tensor(mask, device=device)}
        if cache is not None:
            cache.batch_repeat_interleave(len(prompts))
            inputs["cache"] = cache
        return inputs

    def _common_prefix(self, prompts: Sequence[Sequence[int]]) -> tuple[int, Any]:
        """Return the length and cache of what is computed apart: a prompt's first passes, or a batch's common prefix.

        It depends on the prompts alone, not on what is cached, so that each call computes the same bits.
        """
        if len(prompts) == 1:
            return self._prefix_cache.prefill_blocks(prompts[0])
        prefix = prompts[0][: common_prefix_length(prompts)]
        if len(prefix) < MIN_SHARED_TOKENS or not self._prefix_cache.usable:
            return 0, None
        return len(prefix), self._prefix_cache.prefill(prefix)
