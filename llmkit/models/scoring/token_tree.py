"""Many continuations of many prompts as one tree of tokens, so that each distinct beginning is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Tokens = Sequence[int]


@dataclass
class Forest:
    """Token sequences that go on from one common beginning, merged where they are alike.

    Nodes are in parent-first order; a node's parent is the node before it in its sequence, -1 for a first token.

    Attributes:
        tokens, parents, depths: of each node.
        wanted: for each sequence of `add`, the pairs (node, token): the token's probability after the node counts.
    """

    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    wanted: list[list[tuple[int, int]]] = field(default_factory=list)
    _children: dict[tuple[int, int], int] = field(default_factory=dict)

    def add(self, prompt: Tokens, continuation: Tokens) -> None:
        """Add a sequence: a prompt of at least one token, and the continuation whose likelihood is wanted."""
        node = -1
        for token in prompt:
            node = self._step(node, token)
        pairs = []
        for place, token in enumerate(continuation):
            pairs.append((node, token))
            if place < len(continuation) - 1:  # nothing follows the last token: it need not be computed
                node = self._step(node, token)
        self.wanted.append(pairs)

    def _step(self, node: int, token: int) -> int:
        child = self._children.get((node, token))
        if child is None:
            child = self._children[node, token] = len(self.tokens)
            self.tokens.append(token)
            self.parents.append(node)
            self.depths.append(self.depths[node] + 1 if node >= 0 else 0)
        return child

    def trees(self) -> list[tuple[int, int]]:
        """Give where each tree begins and ends; one that others interrupt makes one with them."""
        roots: list[int] = []
        for node, parent in enumerate(self.parents):
            roots.append(node if parent < 0 else roots[parent])
        if any(root < before for before, root in pairwise(roots)):
            return [(0, len(roots))]
        starts = sorted(set(roots))
        return list(zip(starts, [*starts[1:], len(roots)], strict=True))

    def sees(self, start: int = 0, end: int | None = None) -> npt.NDArray[np.bool_]:
        """Give which nodes each node from `start` on may look at, [nodes, nodes]: its ancestors and itself."""
        parents = self.parents[start:end]
        seen = np.zeros((len(parents), len(parents)), dtype=bool)
        for node, parent in enumerate(parents):
            if parent >= start:
                seen[node] = seen[parent - start]
            seen[node, node] = True
        return seen
