"""Many continuations of many prompts as one tree of tokens, so that each distinct beginning is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

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

    def sees(self) -> npt.NDArray[np.bool_]:
        """Give which nodes each node may look at, [nodes, nodes]: its ancestors and itself."""
        size = len(self.tokens)
        seen = np.zeros((size, size), dtype=bool)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                seen[node] = seen[parent]
            seen[node, node] = True
        return seen
