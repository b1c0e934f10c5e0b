"""Models that compute each log-likelihood once: tunings differ in what they make of the scores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pydantic import PrivateAttr

from llmkit import HuggingFaceChat, HuggingFaceLLM

Cache = dict[tuple[bytes, str, bool], float]


class CachedLLM(HuggingFaceLLM):
    """A completion model whose scores are kept."""

    _cache: Cache = PrivateAttr(default_factory=dict)

    def __init__(self, model: Any = None, **options: Any) -> None:  # for type checkers, as that of the base class
        super().__init__(model, **options)

    def score(self, inputs: Any, continuations: Any, *, include_eos: bool = False) -> Any:
        """Compute only the scores that are not known."""
        return cached_scores(self._cache, super().score, inputs, continuations, include_eos=include_eos)


class CachedChat(HuggingFaceChat):
    """A chat model whose scores are kept."""

    _cache: Cache = PrivateAttr(default_factory=dict)

    def score(self, inputs: Any, continuations: Any, *, include_eos: bool = False) -> Any:
        """Compute only the scores that are not known."""
        return cached_scores(self._cache, super().score, inputs, continuations, include_eos=include_eos)

    def as_completion(self) -> HuggingFaceLLM:
        """Return the completion model, which keeps its scores here."""
        completion = CachedLLM(self.engine, settings=self.settings, timeout=self.timeout)
        completion._cache = self._cache
        return completion


def cached_scores(
    cache: Cache, score: Callable[..., Any], inputs: Sequence[Any], continuations: Sequence[Any], *, include_eos: bool
) -> Any:
    """Return scores from the cache, after those that are missing were computed together."""
    is_shared = bool(len(continuations)) and isinstance(continuations[0], str)
    lists = [list(continuations)] * len(inputs) if is_shared else [list(texts) for texts in continuations]
    digests = [hashlib.sha256(repr(one).encode()).digest() for one in inputs]
    missing = []
    for place, (digest, texts) in enumerate(zip(digests, lists, strict=True)):
        unknown = [text for text in dict.fromkeys(texts) if (digest, text, include_eos) not in cache]
        if unknown or not texts:
            missing.append((place, unknown))
    if missing:
        rows = score([inputs[place] for place, _ in missing], [texts for _, texts in missing], include_eos=include_eos)
        for (place, texts), row in zip(missing, rows, strict=True):
            cache |= {(digests[place], text, include_eos): float(value) for text, value in zip(texts, row, strict=True)}
    found = [
        np.array([cache[digest, text, include_eos] for text in texts])
        for digest, texts in zip(digests, lists, strict=True)
    ]
    return np.stack(found) if is_shared else found
