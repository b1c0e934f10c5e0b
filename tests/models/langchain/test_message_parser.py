"""Reasoning, text and calls are read the same however the text is divided into pieces."""

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk, message_chunk_to_message

from llmkit.models.langchain.message_parser import MessageParser, ReasoningSplitter, ToolCallParser
from llmkit.models.langchain.tools import HERMES, LLAMA, MISTRAL, MISTRAL_ARGS, MISTRAL_SPACED, ToolFormat

STYLES = {
    "hermes": HERMES,
    "mistral": MISTRAL,
    "mistral, spaced": MISTRAL_SPACED,
    "mistral of 2025": MISTRAL_ARGS,
    "llama": LLAMA,
}
styles = st.sampled_from(list(STYLES))

bits = st.sampled_from(
    ["<think>", "</think>", "<thinking>", "</thinking>", "<", ">", "/", "think", "\n", " ", "a", "Yes. ", "<thin", "é"]
)
thoughts = st.lists(bits, max_size=10).map("".join)
arguments = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=8)
        | st.sampled_from(['"', "\\", '\\"}', "}]", "{["]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)
calls = st.lists(st.tuples(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), arguments), max_size=3)
speech = st.text(alphabet="ab \n{[<t", max_size=12)


def divided(text: str, cuts: Sequence[int]) -> list[str]:
    """Cut a text at these places, taken modulo its length."""
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in itertools.pairwise(places)] or [""]


def through(push: Callable[..., Any], pieces: Sequence[str]) -> list[Any]:
    return [push(piece, last=at == len(pieces)) for at, piece in enumerate(pieces, 1)]


def split(pieces: Sequence[str], prompt: str = "") -> tuple[str, str]:
    parts = through(ReasoningSplitter(prompt).push, pieces)
    return "".join(thought for thought, _ in parts), "".join(answer for _, answer in parts)


cuts = st.lists(st.integers(0, 200), max_size=8)


@given(thoughts, cuts, st.sampled_from(["", "assistant\n", "assistant\n<think>\n", "<reasoning>"]))
def test_reasoning_does_not_depend_on_the_pieces(text: str, cuts: list[int], prompt: str) -> None:
    assert split(divided(text, cuts), prompt) == split([text], prompt)
    assert split(list(text) or [""], prompt) == split([text], prompt)


@pytest.mark.parametrize(
    ("text", "prompt", "thought", "answer"),
    [
        ("<think>\nhm\n</think>\n\nYes", "", "hm\n", "Yes"),
        ("\n<think>hm</think>Yes", "", "hm", "Yes"),
        ("hm\n</think>\n\nYes", "<|im_start|>assistant\n<think>\n", "hm\n", "Yes"),
        ("Yes <think>no</think>", "", "", "Yes <think>no</think>"),
        ("<think>never ends", "", "never ends", ""),
        ("<think>a</thin", "", "a</thin", ""),
        ("<think></think>\nYes </think> no", "", "", "Yes </think> no"),
        ("<thinking>hm</think></thinking>\n\nYes", "", "hm</think>", "Yes"),
        ("<thi", "", "", "<thi"),
        ("\n\n  Yes", "", "", "\n\n  Yes"),
        ("", "", "", ""),
    ],
)
def test_reasoning(text: str, prompt: str, thought: str, answer: str) -> None:
    assert split([text], prompt) == (thought, answer)


def written(said: str, calls: Sequence[tuple[str, Any]], style: ToolFormat, between: str = "\n") -> str:
    made = (style.opening + name + style.middle + json.dumps(given) + style.closing for name, given in calls)
    return said + between.join(made)


def read(pieces: Sequence[str], style: ToolFormat) -> tuple[str, list[tuple[str, str]]]:
    said = ""
    calls: dict[int, Any] = {}
    for text, parts in through(ToolCallParser(style).push, pieces):
        said += text
        for part in parts:
            name, given = calls.get(part["index"], ("", ""))
            calls[part["index"]] = (name + (part["name"] or ""), given + part["args"])
    return said, list(calls.values())


@given(speech, calls, styles, cuts)
def test_calls_do_not_depend_on_the_pieces(said: str, calls: list[Any], kind: str, cuts: list[int]) -> None:
    style = STYLES[kind]
    text = written(said, calls, style)
    wanted = (said, [(name, json.dumps(given)) for name, given in calls])
    assert read([text], style) == wanted
    assert read(divided(text, cuts), style) == wanted
    assert read(list(text) or [""], style) == wanted


@given(calls.filter(bool), styles, st.integers(0, 300))
def test_an_answer_that_breaks_off_loses_only_what_is_missing(calls: list[Any], kind: str, end: int) -> None:
    style = STYLES[kind]
    text = written("", calls, style)[:end]
    said, found = read([text], style)
    assert said == "" or style.opening.startswith(said)
    for (name, arguments), (read_name, read_given) in zip(calls, found, strict=False):
        assert read_name == name
        assert json.dumps(arguments).startswith(read_given)


@given(speech, calls, styles, cuts, st.booleans())
def test_messages_do_not_depend_on_the_pieces(
    said: str, calls: list[Any], kind: str, cuts: list[int], thinks: bool
) -> None:
    text = ("<think>\nhm\n</think>\n\n" if thinks else "") + written(said, calls, STYLES[kind])

    def message(pieces: Sequence[str]) -> Any:
        chunks: list[AIMessageChunk] = through(MessageParser("", STYLES[kind]).push, pieces)
        return message_chunk_to_message(sum(chunks[1:], chunks[0]))

    whole, parts = message([text]), message(divided(text, cuts))
    assert parts.content == whole.content
    assert parts.additional_kwargs == whole.additional_kwargs == ({"reasoning_content": "hm\n"} if thinks else {})
    assert [(call["name"], call["args"]) for call in parts.tool_calls] == [(name, given) for name, given in calls]
    assert [(call["name"], call["args"]) for call in whole.tool_calls] == [(name, given) for name, given in calls]
    assert len({call["id"] for call in whole.tool_calls}) == len(calls)
    assert not whole.invalid_tool_calls


def test_without_tools_a_calls_text_is_text() -> None:
    text = written("", [("f", {})], HERMES)
    assert MessageParser("", None).push(text, last=True).content == text
