"""A cache of keys and values for prompts that begin alike.

A long prompt is computed in several forward passes, which end where its tokens alone say (see `pass_ends`). The keys
and values of each pass are kept, and reused where a later prompt would be computed by the same passes: a prefix of
whole blocks, as in the prefix caching of vLLM (Kwon et al. 2023). In bfloat16 the last bits of keys and values depend
on how many tokens a pass computes. So results are the same bits, whether and whatever was cached before; keys and
values of generated tokens, which are computed one by one, are not reused.

Keys and values also depend on the weights: when these change, the cache is emptied.
"""

from __future__ import annotations

import hashlib
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache

from llmkit.models.kv_cache.layers import KeyValues, can_crop_cache, key_values_of, logits_to_keep
from llmkit.models.kv_cache.pass_ends import pass_ends
from llmkit.models.loaded_model import LoadedModel

DEFAULT_BYTES = 512 * 2**20
"""The most memory for cached keys and values; the default model needs 23 KB a token."""

BLOCK_TOKENS = {"cpu": 256}
"""The tokens of a first block, by device. Larger ones waste what is computed again behind the last of them, smaller
ones the fixed cost of a forward pass: on a CPU that of about 80 tokens of the default model."""

_GPU_BLOCK_TOKENS = 512  # a GPU computes so many tokens in little more time than one


class PrefixCache:
    """Keys and values of forward passes, for one model; threads may share it.

    Attributes:
        usable: whether the model's cache can be cut after any token; nothing is cached otherwise.
        max_bytes: the most memory, in bytes; what was unused for longest is dropped.
        block_tokens: the tokens of a first block.
        answer_start: returns the tokens before each answer in a prompt.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        max_bytes: int = DEFAULT_BYTES,
        answer_start: Callable[[], Sequence[int]] = tuple,
    ) -> None:
        self.usable = can_crop_cache(loaded.model)
        self.max_bytes = max_bytes
        self.block_tokens = BLOCK_TOKENS.get(loaded.device.type, _GPU_BLOCK_TOKENS)
        self.answer_start = answer_start
        self._loaded = loaded
        self._passes: OrderedDict[bytes, KeyValues] = OrderedDict()  # the least recently used first
        self._nbytes = 0
        self._weights_version = loaded.weights_version
        self._lock = threading.Lock()

    def prefill(self, tokens: Sequence[int]) -> Any:
        """Return a cache of these tokens' keys and values, which the caller may extend; `None` for no tokens."""
        return self._compute(tokens, [*self._ends(tokens), len(tokens)]) if tokens else None

    def prefill_blocks(self, tokens: Sequence[int]) -> tuple[int, Any]:
        """Return the length of all but a prompt's last pass, and a cache of them as `prefill` does."""
        ends = self._ends(tokens)
        return (ends[-1], self._compute(tokens, ends)) if self.usable else (0, None)

    def keep_last_pass(self, tokens: Sequence[int], cache: Any, weights_version: int) -> None:
        """Keep the last pass of a prompt, if a longer prompt would be computed by the same pass.

        Args:
            tokens: the prompt.
            cache: begins with its keys and values, computed after `prefill_blocks` with these weights.
            weights_version: the version of the weights.
        """
        ends = self._ends([*tokens, 0])
        if ends[-1] == len(tokens):
            self._insert(list(_keys(tokens, ends)), cache, ends[-2], ends[-1], weights_version)

    def count_cached(self, tokens: Sequence[int]) -> int:
        """Return how many leading tokens need not be computed, if these are to be prefilled."""
        ends = [*self._ends(tokens), len(tokens)]
        return ends[len(self._find(list(_keys(tokens, ends))))]

    @property
    def nbytes(self) -> int:
        """The memory of cached keys and values, in bytes."""
        with self._lock:  # not while another thread has added a pass and dropped none yet
            return self._nbytes

    def clear(self) -> None:
        """Drop all cached keys and values."""
        with self._lock:
            self._passes.clear()
            self._nbytes = 0

    def _ends(self, tokens: Sequence[int]) -> list[int]:
        return pass_ends(tokens, self.block_tokens, self.answer_start()) if self.usable else [0]

    def _compute(self, tokens: Sequence[int], ends: Sequence[int]) -> Any:
        """Return a cache of the tokens up to the last end, computed by a forward pass between each two ends."""
        loaded, version = self._loaded, self._loaded.weights_version
        keys = list(_keys(tokens, ends))
        found = self._find(keys)
        cache = self._join(found)
        for index, (start, end) in list(enumerate(pairwise(ends)))[len(found) :]:
            with loaded.forward_pass():
                new = torch.tensor([list(tokens[start:end])], device=loaded.device)
                seen = torch.ones(1, end, dtype=torch.long, device=loaded.device)  # as in the decode loop
                keep = logits_to_keep(loaded.model, 1)
                cache = loaded.forward(new, attention_mask=seen, cache=cache, use_cache=True, **keep).cache
            self._insert(keys[: index + 1], cache, start, end, version)
        return cache

    def _find(self, keys: Sequence[bytes]) -> list[KeyValues]:
        """Return the keys and values of the leading passes that are cached."""
        with self._lock:
            self._drop_stale()
            found: list[KeyValues] = []
            for key in keys:
                if key not in self._passes:
                    break
                found.append(self._passes[key])
            self._mark_used(keys)
        return found

    def _insert(self, keys: Sequence[bytes], cache: Any, start: int, end: int, weights_version: int) -> None:
        """Keep what the last of these passes computed, of tokens `[start, end)`, if the weights are still the same."""
        layers = key_values_of(cache)
        if layers is None or weights_version != self._loaded.weights_version:
            return
        copies = [(k[:, :, start:end].clone(), v[:, :, start:end].clone()) for k, v in layers]
        with self._lock:
            self._drop_stale()
            if keys[-1] not in self._passes:
                self._passes[keys[-1]] = copies
                self._nbytes += _size(copies)
            self._mark_used(keys)
            while self._nbytes > self.max_bytes:
                self._nbytes -= _size(self._passes.popitem(last=False)[1])

    def _mark_used(self, keys: Sequence[bytes]) -> None:
        """Mark passes as used, the first one last: without it, those behind it are not found."""
        for key in reversed(keys):
            if key in self._passes:
                self._passes.move_to_end(key)

    def _drop_stale(self) -> None:
        if self._weights_version != self._loaded.weights_version:
            self._passes.clear()
            self._nbytes, self._weights_version = 0, self._loaded.weights_version

    def _join(self, parts: Sequence[KeyValues]) -> Cache | None:
        if not parts:
            return None
        cache = DynamicCache(config=self._loaded.model.config)
        for index, layer in enumerate(zip(*parts, strict=True)):
            keys, values = (torch.cat(pair, 2) if len(pair) > 1 else pair[0] for pair in zip(*layer, strict=True))
            cache.update(keys, values, index)
        return cache


def _keys(tokens: Sequence[int], ends: Sequence[int]) -> Iterator[bytes]:
    """Yield what identifies each pass: a digest of its tokens and of the passes before it."""
    key = b""
    for start, end in pairwise(ends):
        key = hashlib.blake2b(key + array("q", tokens[start:end]).tobytes(), digest_size=16).digest()
        yield key


def _size(key_values: KeyValues) -> int:
    return sum(keys.nbytes + values.nbytes for keys, values in key_values)
