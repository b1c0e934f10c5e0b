"""What is already in the key-value cache is not computed again.

Keys and values of earlier prompts and answers are kept in a radix tree over tokens: sequences that begin alike (the
same instruction and examples, the earlier turns of a conversation) share what they have in common, once. The idea is
RadixAttention's (Zheng et al. 2024, SGLang). Keys and values at a position depend only on the tokens up to it, so
results do not change.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer

from llmkit.models.kv_cache.layers import GrowingLayer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DEFAULT_BYTES = 512 * 2**20
"""As much memory as kept keys and values may take; the default model needs 23 KB a token."""

KV = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of each layer, [1, heads, tokens, size of a head]."""


@dataclass(eq=False)
class _Node:
    tokens: tuple[int, ...] = ()
    kv: KV = field(default_factory=list)
    parent: _Node | None = None
    children: dict[int, _Node] = field(default_factory=dict)
    used: int = 0

    @property
    def nbytes(self) -> int:
        return sum(keys.nbytes + values.nbytes for keys, values in self.kv)


class PrefixCache:
    """The longest known beginning of a sequence of tokens, with its keys and values. Safe to share by threads."""

    def __init__(self, model: PreTrainedModel, max_bytes: int = DEFAULT_BYTES) -> None:
        self.usable = can_roll_back(model)
        self.max_bytes = max_bytes
        self._model = model
        self._root = _Node()
        self._clock = itertools.count(1)
        self._lock = threading.Lock()

    def find(self, tokens: Sequence[int]) -> tuple[int, Cache | None]:
        """Give how many leading tokens are known, and a cache of their keys and values that the caller may extend."""
        if not self.usable:
            return 0, None
        with self._lock:
            path = self._walk(tuple(tokens))
            now = next(self._clock)
            for node, _ in path:
                node.used = now
            pieces = [[(k[:, :, :n], v[:, :, :n]) for k, v in node.kv] for node, n in path]
        known = sum(n for _, n in path)
        return (known, self._cache(pieces)) if known else (0, None)

    def keep(self, tokens: Sequence[int], cache: Cache) -> None:
        """Remember the keys and values of the first tokens of a cache of one row."""
        kv = layers_of(cache)
        if not self.usable or kv is None or not tokens or self.max_bytes <= 0:
            return
        # A pass that broke off may have reached the first layers only.
        tokens = tuple(tokens)[: min(keys.shape[2] for keys, _ in kv)]
        with self._lock:
            path = self._walk(tokens)
            known = sum(n for _, n in path)
            if known < len(tokens):
                node, matched = path[-1] if path else (self._root, 0)
                if matched < len(node.tokens):
                    node = self._split(node, matched)
                rest = [(k[:, :, known : len(tokens)].clone(), v[:, :, known : len(tokens)].clone()) for k, v in kv]
                node.children[tokens[known]] = _Node(tokens[known:], rest, node, used=next(self._clock))
            self._evict()

    @property
    def nbytes(self) -> int:
        """The memory that is in use, in bytes."""
        with self._lock:
            return sum(node.nbytes for node in self._nodes())

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._root = _Node()

    def _walk(self, tokens: tuple[int, ...]) -> list[tuple[_Node, int]]:
        """The nodes along `tokens`, each with how many of its own tokens match."""
        path, node, at = [], self._root, 0
        while at < len(tokens) and (child := node.children.get(tokens[at])):
            ahead = tokens[at : at + len(child.tokens)]
            same = next((i for i, (a, b) in enumerate(zip(child.tokens, ahead, strict=False)) if a != b), len(ahead))
            path.append((child, same))
            at, node = at + same, child
            if same < len(child.tokens):
                break
        return path

    def _split(self, node: _Node, at: int) -> _Node:
        """Put a node's first tokens into a new one above it; as copies, or each would keep the other's memory."""
        head = _Node(node.tokens[:at], [(k[:, :, :at].clone(), v[:, :, :at].clone()) for k, v in node.kv], node.parent)
        head.used, head.children = node.used, {node.tokens[at]: node}
        if node.parent is not None:
            node.parent.children[node.tokens[0]] = head
        node.tokens, node.parent = node.tokens[at:], head
        node.kv = [(k[:, :, at:].clone(), v[:, :, at:].clone()) for k, v in node.kv]
        return head

    def _evict(self) -> None:
        """Drop the leaves that were unused for longest, until the rest fits."""
        nodes = self._nodes()
        excess = sum(node.nbytes for node in nodes) - self.max_bytes
        while excess > 0 and nodes:
            leaf = min((node for node in nodes if not node.children), key=lambda node: node.used)
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

    def _cache(self, pieces: list[KV]) -> Cache:
        cache = DynamicCache(config=self._model.config)
        for index, layer in enumerate(zip(*pieces, strict=True)):
            keys, values = (torch.cat(parts, 2) if len(parts) > 1 else parts[0] for parts in zip(*layer, strict=True))
            cache.update(keys, values, index)
        return cache


def can_roll_back(model: PreTrainedModel) -> bool:
    """Whether a part of this model's cache stands for a part of the text, so that it can be cut and used again.

    Not so with sliding windows (earlier keys are gone), recurrent states, or an encoder's cross-attention.
    """
    if model.config.is_encoder_decoder:
        return False
    layers = DynamicCache(config=model.config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


def layers_of(cache: Cache) -> KV | None:
    """Give each layer's keys and values, or `None` where the cache holds something else."""
    layers = getattr(cache, "layers", [])
    if not layers or any(not _is_plain(layer) or layer.keys is None for layer in layers):
        return None
    return [(layer.keys, layer.values) for layer in layers]


def _is_plain(layer: object) -> bool:
    """Whether a layer holds the keys and values of all tokens; its subclasses, but for ours, forget some."""
    return type(layer) in (DynamicLayer, GrowingLayer)


def common_length(sequences: Sequence[Sequence[int]]) -> int:
    """Give how many leading tokens all have in common, short of the last token of the shortest."""
    shortest = min(map(len, sequences)) - 1
    ordered = [tuple(sequence) for sequence in sequences]
    first, last = min(ordered), max(ordered)  # in dictionary order the extremes differ first
    return next((i for i in range(shortest) if first[i] != last[i]), max(shortest, 0))
