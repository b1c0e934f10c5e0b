"""A token tree has each distinct prefix once, and its masks and targets are those of its sequences."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from llmkit.models.scoring.token_tree import TokenTree, shared_with_previous

token_lists = st.lists(st.integers(4, 8), min_size=1, max_size=6)
prompts_with_options = st.lists(
    st.tuples(token_lists, st.lists(token_lists, min_size=1, max_size=5)), min_size=1, max_size=6
)
Path = tuple[int, ...]


def build(pairs: list[tuple[list[int], list[list[int]]]]) -> TokenTree:
    return TokenTree.build([prompt for prompt, _ in pairs], [options for _, options in pairs])


def paths_of(tree: TokenTree) -> list[Path]:
    """Return the tokens from the root to each node: those that it attends to, in the order of their depths."""
    mask = tree.ancestor_mask()
    return [tuple(tree.tokens[sorted(np.flatnonzero(row), key=lambda node: tree.depths[node])]) for row in mask]


@given(prompts_with_options)
def test_a_token_tree_has_each_prefix_once(pairs: list[tuple[list[int], list[list[int]]]]) -> None:
    tree = build(pairs)
    paths = paths_of(tree)
    sequences = [(*prompt, *option) for prompt, options in pairs for option in options]
    assert sorted(paths) == sorted({sequence[:end] for sequence in sequences for end in range(1, len(sequence))})
    assert tree.depths.tolist() == [len(path) - 1 for path in paths]
    assert [paths[root] for root in tree.roots] == [path[:1] for path in paths]
    inner = [sequence[:-1] for sequence in sequences]
    first = [next(number for number, one in enumerate(inner) if one[: len(path)] == path) for path in paths]
    order = [(number, len(path)) for number, path in zip(first, paths, strict=True)]
    assert order == sorted(order), "nodes are in the order in which the sequences were given"


@given(prompts_with_options)
def test_the_targets_of_a_token_tree_are_the_tokens_of_its_continuations(
    pairs: list[tuple[list[int], list[list[int]]]],
) -> None:
    tree = build(pairs)
    paths = paths_of(tree)
    options = [(prompt, option) for prompt, options in pairs for option in options]
    assert tree.lengths.tolist() == [len(option) for _, option in options]
    assert tree.target_tokens.tolist() == [token for _, option in options for token in option]
    assert [paths[node] for node in tree.target_nodes] == [
        (*prompt, *option[:end]) for prompt, option in options for end in range(len(option))
    ]


@given(prompts_with_options)
def test_the_parts_of_a_token_tree_attend_to_nothing_else(pairs: list[tuple[list[int], list[list[int]]]]) -> None:
    tree = build(pairs)
    mask = tree.ancestor_mask()
    separate = np.zeros_like(mask)
    for start, end in tree.parts():
        separate[start:end, start:end] = tree.ancestor_mask(start, end)
    assert np.array_equal(separate, mask)


def test_each_prompt_that_begins_with_another_token_is_a_part() -> None:
    tree = build([([5, 6], [[7], [8, 9]]), ([6, 6], [[7]])])
    assert tree.parts() == [(0, 3), (3, 5)]
    together = build([([4, 5, 6], [[7], [8, 9]]), ([4, 6, 6], [[7]])])
    assert together.parts() == [(0, 6)]
    assert together.tokens.tolist() == [4, 5, 6, 8, 6, 6]


@given(st.lists(token_lists, min_size=1, max_size=6))
def test_what_sequences_share_with_the_one_before_leaves_out_their_last_token(sequences: list[list[int]]) -> None:
    expected = [0]
    for before, one in pairwise(sequences):
        same = [a == b for a, b in zip(before[:-1], one[:-1], strict=False)]
        expected.append(same.index(False) if False in same else len(same))
    assert shared_with_previous(sequences) == expected
