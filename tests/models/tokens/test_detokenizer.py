"""The pieces of a detokenizer join to the text of the tokens, up to the first stop string."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from llmkit.models.tokens.detokenizer import Detokenizer, overlap_length
from tests.support import tokenizers

TOKENIZERS: dict[str, Callable[[], PreTrainedTokenizerBase]] = {
    "chatml": tokenizers.chatml_tokenizer,
    "qwen": tokenizers.qwen_tokenizer,
    "neox": tokenizers.neox_tokenizer,
    "inst": tokenizers.inst_tokenizer,
    "turns": tokenizers.turns_tokenizer,
    "t5": tokenizers.t5_tokenizer,
    "bart": tokenizers.bart_tokenizer,
    "words": tokenizers.word_level,
}

tokenizer_names = st.sampled_from(list(TOKENIZERS))
numbers = st.lists(st.integers(0, 10_000), max_size=24)


def pieces(
    tokenizer: PreTrainedTokenizerBase,
    tokens: Sequence[int],
    stop: Sequence[str] = (),
    before: Sequence[int] = (),
) -> Iterator[str]:
    stream = Detokenizer(tokenizer, stop, before)
    for token in tokens:
        yield stream.push(token)
        if stream.stopped:
            return
    yield stream.finish()


def decode(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int]) -> str:
    return str(tokenizer.backend_tokenizer.decode(list(tokens), skip_special_tokens=True))


def before_stop(text: str, stop: Sequence[str]) -> str:
    """Return the text before the stop string that is complete first, found character by character."""
    for end in range(len(text) + 1):
        found = [string for string in stop if text[:end].endswith(string)]
        if found:
            return text[: end - max(map(len, found))]
    return text


@given(tokenizer_names, numbers)
@example("inst", [300 + 30, 3 + 0x41, 3 + 0xE6, 3 + 0x97, 400])  # the byte of a letter, two bytes of a character
@example("inst", [3 + 0xE6, 3 + 0x97, 1, 3 + 0xA5])  # a control token between the bytes of a character
@example("turns", [6 + 0xF0, 6 + 0x9F, 6 + 0x98, 6 + 0x80])
def test_pieces_join_to_the_text(tokenizer_name: str, numbers: list[int]) -> None:
    tokenizer = TOKENIZERS[tokenizer_name]()
    tokens = [number % len(tokenizer) for number in numbers]
    assert "".join(pieces(tokenizer, tokens)) == decode(tokenizer, tokens)


@given(st.sampled_from(["chatml", "inst", "turns", "t5"]), st.sampled_from(["The dog", "a", "x y"]), numbers)
@example("inst", "The dog", [340, 341])
def test_a_continuation_keeps_its_leading_space(tokenizer_name: str, prompt: str, numbers: list[int]) -> None:
    tokenizer = TOKENIZERS[tokenizer_name]()
    before = tokenizer.encode(prompt, add_special_tokens=False)
    tokens = [number % len(tokenizer) for number in numbers]
    expected = decode(tokenizer, [*before, *tokens]).removeprefix(decode(tokenizer, before))
    assert "".join(pieces(tokenizer, tokens, before=before[-4:])) == expected


@given(tokenizer_names, numbers, st.data())
def test_stop_strings_end_the_text(tokenizer_name: str, numbers: list[int], data: st.DataObject) -> None:
    tokenizer = TOKENIZERS[tokenizer_name]()
    tokens = [number % len(tokenizer) for number in numbers]
    text = decode(tokenizer, tokens)
    parts = st.tuples(st.integers(0, len(text)), st.integers(1, 6)).map(lambda at: text[at[0] :][: at[1]])
    stop = data.draw(st.lists((parts | st.text(max_size=3)).filter(bool), max_size=4))
    assert "".join(pieces(tokenizer, tokens, stop)) == before_stop(text, stop)


@given(tokenizer_names, st.text(max_size=40))
def test_no_piece_has_a_part_of_a_character(tokenizer_name: str, text: str) -> None:
    tokenizer = TOKENIZERS[tokenizer_name]()
    tokens = tokenizer.encode(text, add_special_tokens=False)
    if "\N{REPLACEMENT CHARACTER}" not in decode(tokenizer, tokens):
        assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces(tokenizer, tokens))


def test_text_is_returned_as_soon_as_it_is_final() -> None:
    tokenizer = tokenizers.chatml_tokenizer()
    tokens = tokenizer.encode("The dog 東京 sleeps")
    returned, stream = "", Detokenizer(tokenizer, ["slow"])
    for end, token in enumerate(tokens, 1):
        returned += stream.push(token)
        text = decode(tokenizer, tokens[:end])
        if not text.endswith("\N{REPLACEMENT CHARACTER}"):
            assert text[len(returned) :] in ("", "s", "sl")


@pytest.mark.parametrize(
    ("text", "stop", "length"),
    [("abc", "cd", 1), ("abc", "abc", 0), ("aab", "aabx", 3), ("", "a", 0), ("aaa", "aa", 1)],
)
def test_overlap_length(text: str, stop: str, length: int) -> None:
    assert overlap_length(text, stop) == length


@given(tokenizer_names, numbers)
def test_only_visible_special_tokens_are_part_of_the_text(tokenizer_name: str, numbers: list[int]) -> None:
    tokenizer = TOKENIZERS[tokenizer_name]()
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    visible = {min(special)}
    tokens = [number % len(tokenizer) for number in numbers]
    stream = Detokenizer(tokenizer, visible=visible)
    text = "".join([stream.push(token) for token in tokens]) + stream.finish()
    expected = [token for token in tokens if token in visible or token not in special]
    assert text == tokenizer.backend_tokenizer.decode(expected, skip_special_tokens=False)
