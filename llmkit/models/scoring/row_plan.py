"""Which prompts and continuations share a row, and which rows a forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmkit.models.scoring.padded_trees import ALIGNED
from llmkit.models.scoring.token_tree import Tokens, shared_with_previous
from llmkit.models.scoring.tree_passes import split_continuations

ROW_TOKENS = 512
"""About the most tokens of a row: more continuations of a prompt are in further rows, with the prompt again, as the
attention of a row costs more than that from there on."""


@dataclass(frozen=True)
class Member:
    """Some continuations, by their indices, of a prompt."""

    prompt: int
    options: list[int]


@dataclass
class Row:
    """Prompts that begin alike, with some of their continuations.

    Attributes:
        tokens: about how many tokens their tree has.
        kept: about how many of these, at its end, have logits.
    """

    members: list[Member]
    tokens: int
    kept: int

    def add(self, member: Member, tokens: int) -> None:
        """Add a prompt that adds so many tokens; those of the first prompt may then have logits too."""
        self.members.append(member)
        self.tokens += tokens
        self.kept = self.tokens


def join_rows(prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]]) -> list[Row]:
    """Return rows, each of one prompt, or of several of which each shares half of its tokens with the one before."""
    rows: list[Row] = []
    order = sorted(range(len(prompts)), key=lambda index: tuple(prompts[index]))
    for index, shared in zip(order, shared_with_previous([prompts[index] for index in order]), strict=True):
        size, is_new = len(prompts[index]), True
        for options, nodes in split_continuations(continuations[index], max(ROW_TOKENS - size, size)):
            member = Member(index, options)
            if (
                options
                and is_new
                and rows
                and 2 * shared >= size
                and rows[-1].tokens + size - shared + nodes <= ROW_TOKENS
            ):
                rows[-1].add(member, size - shared + nodes)
            elif options:
                rows.append(Row([member], size + nodes, nodes + 1))
            is_new = False
    return rows


def pack_rows(rows: Sequence[Row], max_tokens: int, max_kept: int) -> Iterator[list[Row]]:
    """Yield the rows of each pass, alike in length: with their padding, at most so many tokens and logits."""
    batch: list[Row] = []
    width = kept = 0
    for row in sorted(rows, key=lambda row: -row.tokens):
        width, kept = max(width, row.tokens), max(kept, row.kept)
        padded = -(-width // ALIGNED) * ALIGNED
        if batch and ((len(batch) + 1) * padded > max_tokens or (len(batch) + 1) * kept > max_kept):
            yield batch
            batch, width, kept = [], row.tokens, row.kept
        batch.append(row)
    if batch:
        yield batch
