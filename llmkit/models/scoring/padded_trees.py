"""Token trees as rows of one matrix, padded at their beginning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmkit.models.scoring.token_tree import Ints, Tokens, TokenTree

ALIGNED = 16
"""Rows have a multiple of so many tokens: attention kernels take masks whose rows are so many numbers apart."""

_FIRST_ROOT = 2**31  # no token is so large


@dataclass(frozen=True)
class PaddedTrees:
    """The tree of each row, `[rows, tokens]`, with padding before it, so that the continuations are at the end.

    Attributes:
        tokens, depths, places, last_places: of each node, as in `TokenTree`; padding sees only padding.
        target_places: the node before each token of each continuation, counted over all rows with their padding.
        target_tokens, lengths: as in `TokenTree`.
        kept: how many tokens at the end of each row have all nodes whose logits are needed.
    """

    tokens: Ints
    depths: Ints
    places: Ints
    last_places: Ints
    target_places: Ints
    target_tokens: Ints
    lengths: Ints
    kept: int

    @classmethod
    def build(cls, rows: Sequence[Sequence[Tokens]], continuations: Sequence[Sequence[Tokens]]) -> PaddedTrees:
        """Build the tree of each row of prompts; `continuations` are those of each prompt, of all rows in order."""
        # A number before the prompts of a row, which is no token, makes each row a tree with a root of its own.
        prompts = [[_FIRST_ROOT + number, *prompt] for number, row in enumerate(rows) for prompt in row]
        tree = TokenTree.build(prompts, continuations)
        starts = np.flatnonzero(tree.depths == 0)
        sizes = np.diff(starts, append=len(tree.tokens)) - 1
        width = -(-int(sizes.max()) // ALIGNED) * ALIGNED
        row_of = np.repeat(np.arange(len(starts)), sizes + 1)
        # Where each node is in the padded rows; a root, one place before the first node, is left out.
        place = row_of * width + width - sizes[row_of] + np.arange(len(row_of)) - starts[row_of] - 1
        inner = tree.depths > 0
        padded = np.zeros((4, len(starts) * width), dtype=np.int64)
        padded[2:] = -1
        padded[:, place[inner]] = np.stack([tree.tokens, tree.depths - 1, tree.places, tree.last_places])[:, inner]
        tokens, depths, places, last_places = padded.reshape(4, len(starts), width)
        target_places = place[tree.target_nodes]
        return cls(
            tokens,
            depths,
            places,
            last_places,
            target_places,
            tree.target_tokens,
            tree.lengths,
            kept=width - int((target_places % width).min()),
        )

    def stacked(self) -> Ints:
        """Return tokens, depths, places and last places in one array, `[4, rows, tokens]`, to be sent to a device."""
        return np.stack([self.tokens, self.depths, self.places, self.last_places])
