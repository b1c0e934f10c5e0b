"""The tree of continuations: each beginning once, depth first, and sums along the paths."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from llmkit.models.serving.continuation_tree import longest_only, nodes_of, sum_paths

continuations = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), min_size=1, max_size=8)


@given(continuations)
def test_each_beginning_is_one_node_with_all_its_next_tokens(tokens: list[list[int]]) -> None:
    nodes = nodes_of(tokens)
    expected: dict[tuple[int, ...], set[int]] = {}
    for sequence in tokens:
        for depth, token in enumerate(sequence):
            expected.setdefault(tuple(sequence[:depth]), set()).add(token)
    assert {node.path: set(node.children) for node in nodes} == expected
    assert all(len(node.children) == len(set(node.children)) for node in nodes)


@given(continuations)
def test_nodes_come_depth_first_after_the_root(tokens: list[list[int]]) -> None:
    paths = [node.path for node in nodes_of(tokens)]
    assert paths[0] == ()
    for before, path in pairwise(paths):
        parent = path[:-1]
        assert before[: len(parent)] == parent  # the previous node is below the same parent, or is it


@given(continuations)
def test_sums_add_each_tokens_value(tokens: list[list[int]]) -> None:
    values = {
        node.path: {child: -float(len(node.path) * 10 + child) for child in node.children} for node in nodes_of(tokens)
    }
    expected = [sum(-float(depth * 10 + token) for depth, token in enumerate(sequence)) for sequence in tokens]
    assert sum_paths(tokens, values).tolist() == expected


@given(continuations)
def test_the_longest_cover_all(tokens: list[list[int]]) -> None:
    kept = longest_only(tokens)
    assert len(kept) == len(set(kept))
    assert all(any(path[: len(sequence)] == tuple(sequence) for path in kept) for sequence in tokens)
    assert not any(a != b and b[: len(a)] == a for a in kept for b in kept)
