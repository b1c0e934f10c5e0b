"""Log-probabilities of a prompt's tokens and of those after it, by transformers itself: log-softmax of its logits."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from llmkit import HuggingFaceChat
from llmkit.models.kv_cache.layers import common_prefix_length


@dataclass(frozen=True)
class Computed:
    """The log-probability of each token of a prompt, and of all tokens after it; `past` are its keys and values."""

    tokens: list[int]
    given: list[float | None]
    row: np.ndarray
    past: Any

    @property
    def best(self) -> int:
        return int(self.row.argmax())


class Computer:
    """Computes prompts by transformers' own forward pass, with the keys and values of what recent ones begin with."""

    def __init__(self, llm: HuggingFaceChat) -> None:
        self._model = llm.engine.loaded.model
        self._recent: list[Computed] = []
        self._lock = threading.Lock()

    def compute(self, tokens: Sequence[int]) -> Computed:
        prompt = list(tokens)
        with self._lock:
            best = max(self._recent, key=lambda known: common_prefix_length([known.tokens, prompt]), default=None)
            shared = 0 if best is None else common_prefix_length([best.tokens, prompt])
            if best is not None and shared == len(prompt) == len(best.tokens):
                return best
            start = max(shared - 1, 0)
            past = None
            with torch.inference_mode():
                if best is not None and start:
                    past = copy.deepcopy(best.past)
                    if removed := len(best.tokens) - start:
                        past.crop(-removed)
                found = self._model(torch.tensor([prompt[start:]]), cache=past, use_cache=True)
                rows = found.logits[0].double().log_softmax(-1).numpy()
            given = [None] if best is None or not start else best.given[: start + 1]
            after = zip(rows[:-1], prompt[start + 1 :], strict=True)
            computed = Computed(prompt, [*given, *(float(row[token]) for row, token in after)], rows[-1], found.cache)
            self._recent = [*self._recent[-5:], computed]
            return computed
