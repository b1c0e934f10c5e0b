"""Continuations of one or many prompts as a tree of tokens, in which each distinct prefix occurs once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Tokens = Sequence[int]


@dataclass
class TokenTree:
    """Token sequences merged where they begin alike; there may be more than one root. Parents come before children.

    Attributes:
        tokens: the token of each node.
        parents: the index of each node's parent; -1 for a root.
        depths: how many ancestors each node has.
        targets: for each added sequence, pairs (node, token): the log-probability of the token after the node counts.
    """

    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    targets: list[list[tuple[int, int]]] = field(default_factory=list)
    _children: dict[tuple[int, int], int] = field(default_factory=dict)

    def add(self, prompt: Tokens, continuation: Tokens) -> None:
        """Add a prompt of at least one token, and the continuation whose log-likelihood is computed."""
        node = -1
        for token in prompt:
            node = self._child(node, token)
        pairs = [(node, continuation[0])]
        for token, following in pairwise(continuation):  # nothing follows the last token: its logits are not needed
            node = self._child(node, token)
            pairs.append((node, following))
        self.targets.append(pairs)

    def _child(self, node: int, token: int) -> int:
        child = self._children.get((node, token))
        if child is None:
            child = self._children[node, token] = len(self.tokens)
            self.tokens.append(token)
            self.parents.append(node)
            self.depths.append(self.depths[node] + 1 if node >= 0 else 0)
        return child

    def parts(self) -> list[tuple[int, int]]:
        """Return ranges of nodes `(start, end)` between which there is no edge: one a root, or all nodes as one."""
        roots: list[int] = []
        for node, parent in enumerate(self.parents):
            roots.append(node if parent < 0 else roots[parent])
        if any(root < before for before, root in pairwise(roots)):  # nodes of different roots alternate
            return [(0, len(roots))]
        starts = sorted(set(roots))
        return list(zip(starts, [*starts[1:], len(roots)], strict=True))

    def ancestor_mask(self, start: int = 0, end: int | None = None) -> npt.NDArray[np.bool_]:
        """Return which nodes each node of a range attends to, `[nodes, nodes]`: its ancestors and itself."""
        parents = self.parents[start:end]
        mask = np.zeros((len(parents), len(parents)), dtype=bool)
        for node, parent in enumerate(parents):
            if parent >= start:
                mask[node] = mask[parent - start]
            mask[node, node] = True
        return mask
