"""Keys and values of the prompts that begin rows: one alone with the prefix cache, several in padded passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from llmkit.models.generation.batch_inputs import MIN_SHARED_TOKENS
from llmkit.models.kv_cache.layers import KeyValues, common_prefix_length, key_values_of, logits_to_keep
from llmkit.models.kv_cache.prefix_cache import PrefixCache
from llmkit.models.library_errors import is_out_of_memory
from llmkit.models.loaded_model import LoadedModel

Prompt = tuple[int, ...]

PASS_TOKENS = {"cpu": 1024}
"""The most tokens of a pass over several prompts, with their padding, by device."""

_GPU_PASS_TOKENS = 16384


class Prefilled(NamedTuple):
    """Prompts, and keys and values of their tokens, `[prompts, heads, tokens, head size]` for each layer.

    The last token of a prompt is among them only if there are `logits` behind it, `[prompts, vocabulary]`. Keys and
    values behind a prompt's tokens mean nothing.
    """

    prompts: list[Prompt]
    key_values: KeyValues
    logits: torch.Tensor | None = None


class Prefill:
    """Computes prompts of one model."""

    def __init__(self, loaded: LoadedModel, prefix_cache: PrefixCache) -> None:
        self._loaded, self._prefix_cache = loaded, prefix_cache
        self._keep = logits_to_keep(loaded.model, 1)
        self._pass_tokens = PASS_TOKENS.get(loaded.device.type, _GPU_PASS_TOKENS)

    def compute(self, prompts: Sequence[Prompt]) -> Iterator[Prefilled]:
        """Compute different prompts, in passes of prompts that are alike in length."""
        several: list[Prompt] = []
        for prompt in sorted(prompts, key=len, reverse=True):
            is_full = (len(several) + 1) * len(several[0]) > self._pass_tokens if several else False
            if is_full or (several and len(prompt) == 1):  # a prompt of one token leaves none for a pass
                yield from self._compute(several)
                several = []
            several.append(prompt)
        if several:
            yield from self._compute(several)

    def _compute(self, prompts: list[Prompt]) -> Iterator[Prefilled]:
        """Compute prompts in one pass, or in several if the memory does not suffice."""
        try:
            done = self._compute_alone(prompts[0]) if len(prompts) == 1 else self._compute_together(prompts)
        except (RuntimeError, MemoryError) as error:
            if len(prompts) == 1 or not is_out_of_memory(error):
                raise
        else:
            yield done
            return
        # Not within the handler: the error refers to the memory of the attempt.
        self._prefix_cache.clear()
        half = len(prompts) // 2
        yield from self._compute(prompts[:half])
        yield from self._compute(prompts[half:])

    def _compute_together(self, prompts: list[Prompt]) -> Prefilled:
        known = common_prefix_length(prompts)
        known = known if known >= MIN_SHARED_TOKENS else 0
        cache = self._prefix_cache.prefill(prompts[0][:known])
        if cache is not None:
            cache.batch_repeat_interleave(len(prompts))
        width = max(map(len, prompts)) - 1 - known
        # Padded at the end, which no token before it sees. The last tokens are left for the first step.
        rows = [[*prompt[known:-1], *[0] * (width - len(prompt) + 1 + known)] for prompt in prompts]
        if width:
            with self._loaded.forward_pass():
                tokens = torch.tensor(rows, device=self._loaded.device)
                cache = self._loaded.forward(tokens, cache=cache, use_cache=True, **self._keep).cache
        return Prefilled(prompts, key_values_of(cache) or [])

    def _compute_alone(self, prompt: Prompt) -> Prefilled:
        loaded, version = self._loaded, self._loaded.weights_version
        known, cache = self._prefix_cache.prefill_blocks(prompt)
        with loaded.forward_pass():
            tokens = torch.tensor([prompt[known:]], device=loaded.device)
            seen = torch.ones(1, len(prompt), dtype=torch.long, device=loaded.device)
            out = loaded.forward(tokens, attention_mask=seen, cache=cache, use_cache=True, **self._keep)
        self._prefix_cache.keep_last_pass(prompt, out.cache, version)
        return Prefilled([prompt], key_values_of(out.cache) or [], out.logits[:, -1].float())
