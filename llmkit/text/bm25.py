"""Texts ranked by the words they share with a query, without a model."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


def lexemes(text: str) -> list[str]:
    """Give the words to compare, in small letters; Chinese, Japanese and Korean come character by character."""
    return _WORD.findall(text.casefold())


class Bm25:
    """BM25 (Robertson & Zaragoza 2009) over texts that are given as their lexemes."""

    def __init__(self, texts: Sequence[list[str]]) -> None:
        self._count = len(texts)
        self._index: Any = None
        if any(texts):
            import bm25s

            logging.getLogger("bm25s").setLevel(logging.INFO)  # it turns its own debugging on
            self._index = bm25s.BM25()
            self._index.index(list(texts), show_progress=False)

    def scores(self, query: list[str]) -> NDArray[np.float64]:
        """Give the score of each text; zeros where nothing can be compared."""
        if self._index is None or not query:
            return np.zeros(self._count)
        return np.asarray(self._index.get_scores(query), dtype=np.float64)
