"""A cache of keys and values for prompts that begin alike.

Keys and values of earlier prompts and completions are kept in a radix tree over tokens: sequences that begin alike (the
same instruction and examples, the earlier turns of a conversation) share their common prefix (RadixAttention, Zheng et
al. 2024, SGLang). Keys and values at a position depend only on the tokens up to it, so results do not change. They also
depend on the weights: when these change, the cache is emptied.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache

from llmkit.models.kv_cache.layers import KeyValues, can_crop_cache, key_values_of, logits_to_keep
from llmkit.models.loaded_model import LoadedModel

DEFAULT_BYTES = 512 * 2**20
"""The most memory for cached keys and values; the default model needs 23 KB a token."""


@dataclass(eq=False)
class _Node:
    tokens: tuple[int, ...] = ()
    key_values: KeyValues = field(default_factory=list)
    parent: _Node | None = None
    children: dict[int, _Node] = field(default_factory=dict)
    last_used: int = 0

    @property
    def nbytes(self) -> int:
        return sum(keys.nbytes + values.nbytes for keys, values in self.key_values)


class PrefixCache:
    """Keys and values by token prefix, for one model; threads may share it.

    Attributes:
        usable: whether the model's cache can be cut after any token; nothing is cached otherwise.
        max_bytes: the most memory, in bytes; the prefixes that were unused for longest are dropped.
    """

    def __init__(self, loaded: LoadedModel, max_bytes: int = DEFAULT_BYTES) -> None:
        self.usable = can_crop_cache(loaded.model)
        self.max_bytes = max_bytes
        self._loaded = loaded
        self._root = _Node()
        self._weights_version = loaded.weights_version
        self._clock = itertools.count(1)
        self._lock = threading.Lock()

    def find(self, tokens: Sequence[int]) -> tuple[int, Cache | None]:
        """Return the length of the longest cached prefix, and a cache of it that the caller may extend, or `None`."""
        if not self.usable:
            return 0, None
        with self._lock:
            self._drop_stale()
            path = self._walk(tuple(tokens))
            now = next(self._clock)
            for node, _ in path:
                node.last_used = now
            parts = [[(k[:, :, :n], v[:, :, :n]) for k, v in node.key_values] for node, n in path]
        return (sum(n for _, n in path), self._join(parts)) if path else (0, None)

    def prefill(self, tokens: Sequence[int]) -> Any:
        """Return a cache of these tokens' keys and values, which the caller may extend.

        What is not cached yet is computed in one forward pass, and inserted.
        """
        known, cache = self.find(tokens)
        if known < len(tokens):
            loaded = self._loaded
            with loaded.lock, torch.inference_mode():
                rest = torch.tensor([list(tokens[known:])], device=loaded.device)
                out = loaded.forward(rest, cache=cache, use_cache=True, **logits_to_keep(loaded.model, 1))
            cache = out.cache
            self.insert(tokens, cache)
        return cache

    def insert(self, tokens: Sequence[int], cache: Cache) -> None:
        """Copy the keys and values of these tokens from a cache of one row that begins with them."""
        layers = key_values_of(cache)
        if not self.usable or layers is None or not tokens or self.max_bytes <= 0:
            return
        # An interrupted forward pass may have reached the first layers only.
        tokens = tuple(tokens)[: min(keys.shape[2] for keys, _ in layers)]
        with self._lock:
            self._drop_stale()
            path = self._walk(tokens)
            known = sum(n for _, n in path)
            if known < len(tokens):
                node, matched = path[-1] if path else (self._root, 0)
                if matched < len(node.tokens):
                    node = self._split(node, matched)
                rest = [(k[:, :, known : len(tokens)].clone(), v[:, :, known : len(tokens)].clone()) for k, v in layers]
                node.children[tokens[known]] = _Node(tokens[known:], rest, node, last_used=next(self._clock))
            self._evict()

    @property
    def nbytes(self) -> int:
        """The memory of cached keys and values, in bytes."""
        with self._lock:
            return sum(node.nbytes for node in self._nodes())

    def clear(self) -> None:
        """Drop all cached prefixes."""
        with self._lock:
            self._root = _Node()

    def _drop_stale(self) -> None:
        if self._weights_version != self._loaded.weights_version:
            self._root, self._weights_version = _Node(), self._loaded.weights_version

    def _walk(self, tokens: tuple[int, ...]) -> list[tuple[_Node, int]]:
        """Return the nodes along `tokens`, each with how many of its tokens match."""
        path, node, start = [], self._root, 0
        while start < len(tokens) and (child := node.children.get(tokens[start])):
            ahead = tokens[start : start + len(child.tokens)]
            same = next((i for i, (a, b) in enumerate(zip(child.tokens, ahead, strict=False)) if a != b), len(ahead))
            path.append((child, same))
            start, node = start + same, child
            if same < len(child.tokens):
                break
        return path

    def _split(self, node: _Node, length: int) -> _Node:
        """Move a node's first tokens into a new parent; as copies, or each would keep the memory of both."""
        first = [(k[:, :, :length].clone(), v[:, :, :length].clone()) for k, v in node.key_values]
        head = _Node(node.tokens[:length], first, node.parent, {node.tokens[length]: node}, node.last_used)
        if node.parent is not None:
            node.parent.children[node.tokens[0]] = head
        node.tokens, node.parent = node.tokens[length:], head
        node.key_values = [(k[:, :, length:].clone(), v[:, :, length:].clone()) for k, v in node.key_values]
        return head

    def _evict(self) -> None:
        """Drop the least recently used leaves until the rest fits."""
        nodes = self._nodes()
        excess = sum(node.nbytes for node in nodes) - self.max_bytes
        while excess > 0 and nodes:
            leaf = min((node for node in nodes if not node.children), key=lambda node: node.last_used)
            excess -= leaf.nbytes
            nodes.remove(leaf)
            if leaf.parent is not None:
                del leaf.parent.children[leaf.tokens[0]]

    def _nodes(self) -> list[_Node]:
        found, waiting = [], list(self._root.children.values())
        while waiting:
            node = waiting.pop()
            found.append(node)
            waiting.extend(node.children.values())
        return found

    def _join(self, parts: list[KeyValues]) -> Cache:
        cache = DynamicCache(config=self._loaded.model.config)
        for index, layer in enumerate(zip(*parts, strict=True)):
            keys, values = (torch.cat(pair, 2) if len(pair) > 1 else pair[0] for pair in zip(*layer, strict=True))
            cache.update(keys, values, index)
        return cache
