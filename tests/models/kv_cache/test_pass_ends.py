"""Where forward passes over a prompt end: in growing blocks, and where answers begin."""

from hypothesis import given
from hypothesis import strategies as st

from llmkit.models.kv_cache.pass_ends import pass_ends

BLOCK = 16
START = (1, 2)
prompts = st.lists(st.sampled_from([0, 1, 2, 3]), min_size=1, max_size=120)


def test_blocks_grow_to_four_times_their_size() -> None:
    assert pass_ends([0] * 260, BLOCK) == [0, 16, 32, 64, 128, 192]


def test_a_block_ends_only_if_half_as_many_tokens_follow() -> None:
    assert pass_ends([0] * 23, BLOCK) == [0]
    assert pass_ends([0] * 24, BLOCK) == [0, 16]


def test_a_pass_ends_where_an_answer_begins() -> None:
    turn = [0, 0, 0, *START]
    assert pass_ends([*turn, *turn, 3], BLOCK, START) == [0, 5, 10]
    assert pass_ends([*turn, *turn], BLOCK, START) == [0, 5], "the last pass is left"
    assert pass_ends([*[0] * 30, *START, *[0] * 28], BLOCK, START) == [0, 16, 32, 48]


def test_turns_shorter_than_an_eighth_of_a_block_end_no_pass() -> None:
    assert pass_ends([*[0] * 6, *START, *START, *[0] * 9], 32, START) == [0, 8]


def test_an_empty_prompt_has_no_pass() -> None:
    assert pass_ends([], BLOCK, START) == [0]


@given(prompts, prompts)
def test_the_passes_of_a_turn_are_those_of_all_later_ones(first: list[int], later: list[int]) -> None:
    prompt = [*first, *[0] * 2, *START]
    before = pass_ends(prompt, BLOCK, START)
    assert pass_ends([*prompt, *later], BLOCK, START)[: len(before) + 1] == [*before, len(prompt)]


@given(prompts)
def test_ends_rise_and_leave_the_last_token(tokens: list[int]) -> None:
    ends = pass_ends(tokens, BLOCK, START)
    assert ends == sorted(set(ends))
    assert ends[0] == 0
    assert ends[-1] < len(tokens)
    lengths = [end - start for start, end in zip(ends, [*ends[1:], len(tokens)], strict=True)]
    assert max(lengths) < 4 * BLOCK + BLOCK // 2 + 1
