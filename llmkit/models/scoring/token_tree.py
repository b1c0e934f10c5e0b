"""Continuations of one or many prompts as a tree of tokens, in which each distinct prefix occurs once.

It is built from a matrix of all sequences in lexicographic order, `[sequences, tokens]`: there a token is a new node
exactly if it lies behind what its sequence shares with the one above.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from llmkit.models.kv_cache.layers import common_prefix_length

Tokens = Sequence[int]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TokenTree:
    """Token sequences merged where they begin alike; there may be more than one root. Parents come before children.

    Nodes are numbered by the first sequence that they occur in, in the order given, and then by depth.

    Attributes:
        tokens: the token of each node.
        depths: how many ancestors each node has.
        roots: the root above each node.
        places: the place of each node in preorder, where its descendants follow it.
        last_places: the place of the last descendant of each node.
        target_nodes, target_tokens: the log-probability of the token after the node counts, for all tokens of all
            continuations, one continuation after the other.
        lengths: how many tokens each continuation has.
    """

    tokens: Ints
    depths: Ints
    roots: Ints
    places: Ints
    last_places: Ints
    target_nodes: Ints
    target_tokens: Ints
    lengths: Ints

    @classmethod
    def build(cls, prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]]) -> TokenTree:
        """Build the tree of each prompt with its continuations; none of them may be empty."""
        trunk = list(prompts[0][: common_prefix_length(prompts)])
        counts = [len(options) for options in continuations]
        texts, ends = _matrix([prompt[len(trunk) :] for prompt in prompts])
        texts, starts = np.repeat(texts, counts, axis=0), np.repeat(ends, counts)
        options, lengths = _matrix(list(chain.from_iterable(continuations)))
        texts = _joined(texts, starts, options, lengths)
        paths = _Paths.find(texts[:, :-1], starts + lengths - 1)  # nothing follows the last token
        columns = np.arange(paths.nodes.shape[1])
        targets = (columns >= starts[:, None] - 1) & (columns < (starts + lengths - 1)[:, None])
        size, above = len(trunk), np.arange(len(trunk))
        count = size + len(paths.tokens)
        return cls(
            tokens=np.concatenate([np.array(trunk, dtype=np.int64), paths.tokens]),
            depths=np.concatenate([above, paths.depths + size]),
            roots=np.zeros(count, dtype=np.int64) if size else paths.roots,
            places=np.concatenate([above, paths.places + size]),
            last_places=np.concatenate([np.full(size, count - 1), paths.last_places + size]),
            target_nodes=paths.nodes[targets] + size,
            target_tokens=texts[:, 1:][targets],
            lengths=lengths,
        )

    def parts(self) -> list[tuple[int, int]]:
        """Return ranges of nodes `(start, end)` between which there is no edge: one a root, or all nodes as one."""
        if np.any(np.diff(self.roots) < 0):  # nodes of different roots alternate
            return [(0, len(self.roots))]
        starts = [*np.flatnonzero(np.diff(self.roots, prepend=-1)).tolist(), len(self.roots)]
        return list(pairwise(starts))

    def ancestor_mask(self, start: int = 0, end: int | None = None) -> Bools:
        """Return which nodes each node of a range attends to, `[nodes, nodes]`: its ancestors and itself."""
        unsigned = np.min_scalar_type(len(self.places))  # small numbers, of which most are compared at a time
        places = self.places[start:end].astype(unsigned)
        descendants = self.last_places[start:end].astype(unsigned) - places
        return np.asarray(places[:, None] - places <= descendants)  # before a node, the difference wraps around


@dataclass(frozen=True)
class _Paths:
    """The nodes of sequences `[sequences, tokens]`, of each sequence so many as it has tokens; as in `TokenTree`."""

    nodes: Ints
    tokens: Ints
    depths: Ints
    roots: Ints
    places: Ints
    last_places: Ints

    @classmethod
    def find(cls, texts: Ints, ends: Ints) -> _Paths:
        columns = np.arange(texts.shape[1])
        inside = columns < ends[:, None]
        # Rows of bytes, of which the greatest comes first, are ordered as their numbers are; 0 is the end of a text.
        rows = np.ascontiguousarray(np.where(inside, texts + 1, 0).astype(">u4"))
        order = np.argsort(rows.view(f"V{rows.dtype.itemsize * rows.shape[1]}")[:, 0], kind="stable")
        rows, inside = rows[order], inside[order]
        is_new = inside & (columns >= _shared_with_row_above(rows)[:, None])
        count = int(is_new.sum())
        preorder = np.full(is_new.shape, -1, dtype=np.int64)
        preorder[is_new] = np.arange(count)
        preorder = np.maximum.accumulate(preorder, axis=0)
        occurrences, sizes = preorder[inside], ends[order]
        last, first = np.zeros(count, dtype=np.int64), np.full(count, len(rows))
        np.maximum.at(last, occurrences, np.repeat(preorder[np.arange(len(rows)), sizes - 1], sizes))
        np.minimum.at(first, occurrences, np.repeat(order, sizes))
        places = np.lexsort((np.nonzero(is_new)[1], first))  # of each node in the tree's own numbering
        number = np.empty(count, dtype=np.int64)
        number[places] = np.arange(count)
        nodes = np.empty_like(preorder)
        nodes[order] = number[preorder]  # behind a sequence's end, any node
        new_rows, depths = np.nonzero(is_new)
        return cls(
            nodes=nodes,
            tokens=rows[is_new].astype(np.int64)[places] - 1,
            depths=depths[places],
            roots=number[preorder[new_rows, 0]][places],
            places=places,
            last_places=last[places],
        )


def shared_with_previous(sequences: Sequence[Tokens]) -> list[int]:
    """Return how many leading tokens each sequence shares with the one before it, but for the last token of either."""
    rows, lengths = _matrix(sequences)
    shared: list[int] = np.minimum(_shared_with_row_above(rows), np.minimum(lengths, np.roll(lengths, 1)) - 1).tolist()
    return shared


def _shared_with_row_above(rows: npt.NDArray[np.integer[Any]]) -> Ints:
    """Return how many leading tokens each row shares with the one above it."""
    differs = rows[1:] != rows[:-1]
    shared = np.where(differs.any(axis=1), differs.argmax(axis=1), rows.shape[1])
    return np.concatenate([[0], shared])


def _matrix(sequences: Sequence[Tokens]) -> tuple[Ints, Ints]:
    """Return sequences as rows, padded at their end, and their lengths."""
    lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    rows = np.zeros((len(sequences), int(lengths.max(initial=0))), dtype=np.int64)
    flat: Iterable[int] = chain.from_iterable(sequences)
    rows[np.arange(rows.shape[1]) < lengths[:, None]] = np.fromiter(flat, dtype=np.int64, count=int(lengths.sum()))
    return rows, lengths


def _joined(before: Ints, starts: Ints, behind: Ints, lengths: Ints) -> Ints:
    """Return rows of tokens, each up to its start, with other rows of these lengths from there on."""
    columns = np.arange(int((starts + lengths).max(initial=1)))
    joined = np.zeros((len(before), len(columns)), dtype=np.int64)
    joined[:, : before.shape[1]] = before
    at = (columns >= starts[:, None]) & (columns < (starts + lengths)[:, None])
    joined[at] = behind[np.arange(behind.shape[1]) < lengths[:, None]]
    return joined
