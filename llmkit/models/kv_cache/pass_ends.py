"""Where the forward passes over a prompt end: a function of its tokens alone, not of what is cached.

A pass ends where an answer begins, so that the passes of one turn are those of all later ones; and behind blocks of a
fixed size, so that prompts which begin alike share passes even without turns. The blocks of a turn grow, because each
pass has a fixed cost, and long prompts rarely share all of their beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_LARGEST_BLOCK = 4  # times the first
_SHORTEST_TURN = 8  # to end a pass, a turn has at least one such part of the first block


def pass_ends(tokens: Sequence[int], block_tokens: int, answer_start: Sequence[int] = ()) -> list[int]:
    """Return 0 and where forward passes end, before the last token, which is left for one that computes logits.

    Args:
        tokens: the prompt.
        block_tokens: the tokens of the first block of a turn. A block ends a pass only if half as many follow.
        answer_start: the tokens before each answer.
    """
    ends = [0]
    for turn_end in [*_turn_ends(tokens, block_tokens // _SHORTEST_TURN, tuple(answer_start)), len(tokens)]:
        start = ends[-1]
        ends.extend(start + length for length in _block_ends(turn_end - start, block_tokens))
        if turn_end < len(tokens):
            ends.append(turn_end)
    return ends


def _turn_ends(tokens: Sequence[int], least: int, answer_start: tuple[int, ...]) -> Iterator[int]:
    """Yield where answers begin, before the last token, and at least so many tokens apart."""
    size, end = len(answer_start), 0
    for at in range(size, len(tokens)) if size else ():
        if (
            at - end >= max(least, 1)
            and tokens[at - 1] == answer_start[-1]
            and tuple(tokens[at - size : at]) == answer_start
        ):
            end = at
            yield at


def _block_ends(length: int, block_tokens: int) -> Iterator[int]:
    """Yield the ends of the blocks of a turn: one, one, two, and then four times the size."""
    size, end = block_tokens, block_tokens
    while length - end >= max(block_tokens // 2, 1):
        yield end
        size = min(end, _LARGEST_BLOCK * block_tokens)
        end += size
