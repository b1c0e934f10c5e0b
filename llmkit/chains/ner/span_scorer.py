"""The mentions of texts of any length, weighed: each in the passage that shows the most of what is around it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmkit.chains.calibration import Matrix
from llmkit.chains.ner.candidates import Mention, Truecaser, mentions
from llmkit.chains.ner.entity_typing import Kinds
from llmkit.errors import InputError
from llmkit.prompts import FittedPrompt
from llmkit.text.segmentation import Passage, passages


@dataclass(frozen=True)
class Weighed:
    """The mentions of a text, and what speaks for each label less what its borders cost it: [mentions, labels]."""

    text: str
    mentions: Sequence[Mention]
    scores: Matrix


@dataclass(frozen=True)
class Weigher:
    """Finds mentions of at most `max_words` words and scores them, in passages of at most `max_tokens` tokens."""

    kinds: Kinds
    truecaser: Truecaser | None
    max_words: int
    max_tokens: int

    def weigh(self, texts: Sequence[str]) -> list[Weighed | Exception]:
        """Weigh all texts together, or give the error that kept one from it."""
        plans = [self._attempt(text) for text in texts]
        parts = [part for plan in plans if isinstance(plan, list) for part in plan]
        told = [[each.of(text) for each in own] for text, _, own in parts]
        scores = iter(self.kinds.scores([prompt for _, prompt, _ in parts], told) if parts else ())
        return [
            self._put_together(text, plan, [next(scores) for _ in plan]) if isinstance(plan, list) else plan
            for text, plan in zip(texts, plans, strict=True)
        ]

    def _attempt(self, text: str) -> list[tuple[str, FittedPrompt, list[Mention]]] | Exception:
        try:
            found = mentions(text, self.max_words, self.truecaser)
            pieces = self._pieces(text, found)
            return [
                (text, self.kinds.fit(piece.text), own)
                for piece, own in zip(pieces, shared_out(found, pieces, len(text)), strict=True)
                if own
            ]
        except InputError as error:
            return error

    def _pieces(self, text: str, found: Sequence[Mention]) -> list[Passage]:
        """Passages that overlap by as much as the longest mention has tokens."""
        most = min(self.max_tokens, self.kinds.max_tokens)
        starts = [start for start, _ in self.kinds.llm.token_offsets(text)]
        tokens = (bisect_left(starts, each.end) - bisect_left(starts, each.start) for each in found)
        return passages(text, self.kinds.llm, most, min(max(tokens, default=0) + 4, most // 2))

    def _put_together(self, text: str, plan: Sequence[tuple[Any, Any, list[Mention]]], scores: list[Matrix]) -> Weighed:
        found = [mention for _, _, own in plan for mention in own]
        doubts = np.array([each.doubt for each in found])[:, None]
        every = np.concatenate(scores) if scores else np.zeros((0, len(self.kinds.phrases)))
        return Weighed(text, found, every - doubts if found else every)


def shared_out(found: Sequence[Mention], pieces: Sequence[Passage], length: int) -> list[list[Mention]]:
    """Give each passage the mentions that it shows more around than any other does; pieces are in order."""
    own: list[list[Mention]] = [[] for _ in pieces]
    starts, ends = [piece.start for piece in pieces], [piece.end for piece in pieces]

    def around(mention: Mention, at: int) -> int:
        piece = pieces[at]
        before = mention.start - piece.start if piece.start else length
        return min(before, piece.end - mention.end if piece.end < length else length)

    for mention in found:
        holding = range(bisect_left(ends, mention.end), bisect_right(starts, mention.start))
        if holding:  # else it is longer than what passages share
            own[max(holding, key=lambda at: around(mention, at))].append(mention)
    return own
