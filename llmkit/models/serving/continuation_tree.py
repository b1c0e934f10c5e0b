"""Continuations of one prompt as a tree whose nodes are read one by one, depth first.

A server's prefix cache then holds all that a node shares with the nodes before it; RadixAttention (Zheng et al. 2024)
shows that no order reuses more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Path = tuple[int, ...]


@dataclass(frozen=True)
class TreeNode:
    """The tokens between the prompt and a node, and the tokens that follow it."""

    path: Path
    children: Path


def nodes_of(continuations: Sequence[Sequence[int]]) -> list[TreeNode]:
    """Return the inner nodes of the tree in depth-first order, the root first."""
    children: dict[Path, dict[int, None]] = {}
    for tokens in sorted(map(tuple, continuations)):
        for depth, token in enumerate(tokens):
            children.setdefault(tokens[:depth], {})[token] = None
    return [TreeNode(path, tuple(following)) for path, following in children.items()]


def sum_paths(
    continuations: Sequence[Sequence[int]], logprobs: Mapping[Path, Mapping[int, float]]
) -> NDArray[np.float64]:
    """Return the log-likelihood of each continuation: the sum of its tokens' log-probabilities."""
    paths = [tuple(tokens) for tokens in continuations]
    return np.array([sum(logprobs[path[:at]][token] for at, token in enumerate(path)) for path in paths])


def longest_only(continuations: Sequence[Sequence[int]]) -> list[Path]:
    """Return the continuations that are no beginning of another one, each once, in lexicographic order."""
    paths = sorted({tuple(tokens) for tokens in continuations})
    pairs = zip(paths, [*paths[1:], ()], strict=True)
    return [path for path, after in pairs if after[: len(path)] != path]
