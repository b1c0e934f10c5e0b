"""Reasoning, text and tool calls are parsed the same however the text is split into pieces."""

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

TOOL_FORMATS = {
    "hermes": HERMES,
    "mistral": MISTRAL,
    "mistral, spaced": MISTRAL_SPACED,
    "mistral of 2025": MISTRAL_ARGS,
    "llama": LLAMA,
}
format_names = st.sampled_from(list(TOOL_FORMATS))

fragments = st.sampled_from(
    ["<think>", "</think>", "<thinking>", "</thinking>", "<", ">", "/", "think", "\n", " ", "a", "Yes. ", "<thin", "é"]
)
thoughts = st.lists(fragments, max_size=10).map("".join)
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


def split_at(text: str, cuts: Sequence[int]) -> list[str]:
    """Split a text at these offsets, taken modulo its length."""
    offsets = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in itertools.pairwise(offsets)] or [""]


def push_all(push: Callable[..., Any], pieces: Sequence[str]) -> list[Any]:
    return [push(piece, last=number == len(pieces)) for number, piece in enumerate(pieces, 1)]


def split_reasoning(pieces: Sequence[str], prompt: str = "") -> tuple[str, str]:
    parts = push_all(ReasoningSplitter(prompt).push, pieces)
    return "".join(thought for thought, _ in parts), "".join(answer for _, answer in parts)


cuts = st.lists(st.integers(0, 200), max_size=8)


@given(thoughts, cuts, st.sampled_from(["", "assistant\n", "assistant\n<think>\n", "<reasoning>"]))
def test_reasoning_does_not_depend_on_the_pieces(text: str, cuts: list[int], prompt: str) -> None:
    assert split_reasoning(split_at(text, cuts), prompt) == split_reasoning([text], prompt)
    assert split_reasoning(list(text) or [""], prompt) == split_reasoning([text], prompt)


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
def test_reasoning_is_split_from_the_answer(text: str, prompt: str, thought: str, answer: str) -> None:
    assert split_reasoning([text], prompt) == (thought, answer)


def render_calls(
    text_before: str, calls: Sequence[tuple[str, Any]], tool_format: ToolFormat, separator: str = "\n"
) -> str:
    rendered = (
        tool_format.opening + name + tool_format.middle + json.dumps(args) + tool_format.closing for name, args in calls
    )
    return text_before + separator.join(rendered)


def parse_calls(
    pieces: Sequence[str], tool_format: ToolFormat, names: Sequence[str], *, only_first: bool = False
) -> tuple[str, list[tuple[str, str]]]:
    text_before = ""
    calls: dict[int, Any] = {}
    for text, parts in push_all(ToolCallParser(tool_format, names, only_first=only_first).push, pieces):
        text_before += text
        for part in parts:
            name, args = calls.get(part["index"], ("", ""))
            calls[part["index"]] = (name + (part["name"] or ""), args + part["args"])
    return text_before, list(calls.values())


@given(speech, calls, format_names, cuts)
def test_calls_do_not_depend_on_the_pieces(
    text_before: str, calls: list[Any], format_name: str, cuts: list[int]
) -> None:
    tool_format = TOOL_FORMATS[format_name]
    text = render_calls(text_before, calls, tool_format)
    names = [name for name, _ in calls]
    expected = (text_before, [(name, json.dumps(args)) for name, args in calls])
    assert parse_calls([text], tool_format, names) == expected
    assert parse_calls(split_at(text, cuts), tool_format, names) == expected
    assert parse_calls(list(text) or [""], tool_format, names) == expected


@given(calls.filter(bool), format_names, st.integers(0, 300))
def test_a_truncated_answer_keeps_its_complete_parts(calls: list[Any], format_name: str, end: int) -> None:
    tool_format = TOOL_FORMATS[format_name]
    text = render_calls("", calls, tool_format)[:end]
    text_before, found = parse_calls([text], tool_format, [name for name, _ in calls])
    heads = [tool_format.opening + name + tool_format.middle for name, _ in calls]
    assert text_before == "" or any(head.startswith(text_before) for head in heads)
    for (name, arguments), (read_name, read_arguments) in zip(calls, found, strict=False):
        assert read_name == name
        assert json.dumps(arguments).startswith(read_arguments)


@given(speech, calls, format_names, cuts, st.booleans())
def test_messages_do_not_depend_on_the_pieces(
    text_before: str, calls: list[Any], format_name: str, cuts: list[int], has_reasoning: bool
) -> None:
    text = ("<think>\nhm\n</think>\n\n" if has_reasoning else "") + render_calls(
        text_before, calls, TOOL_FORMATS[format_name]
    )

    def message(pieces: Sequence[str]) -> Any:
        parser = ToolCallParser(TOOL_FORMATS[format_name], [name for name, _ in calls])
        chunks: list[AIMessageChunk] = push_all(MessageParser("", parser).push, pieces)
        return message_chunk_to_message(sum(chunks[1:], chunks[0]))

    complete, parts = message([text]), message(split_at(text, cuts))
    assert parts.content == complete.content
    assert (
        parts.additional_kwargs
        == complete.additional_kwargs
        == ({"reasoning_content": "hm\n"} if has_reasoning else {})
    )
    assert [(call["name"], call["args"]) for call in parts.tool_calls] == [(name, args) for name, args in calls]
    assert [(call["name"], call["args"]) for call in complete.tool_calls] == [(name, args) for name, args in calls]
    assert len({call["id"] for call in complete.tool_calls}) == len(calls)
    assert not complete.invalid_tool_calls


def test_without_tools_a_tool_call_is_plain_text() -> None:
    text = render_calls("", [("f", {})], HERMES)
    assert MessageParser("", None).push(text, last=True).content == text


ANSWERS = [
    '{"name": "Ann", "age": 3}',
    '{"name": "weather", "age": 3}',
    '{"name": "weather"}',
    '{"name": "other", "parameters": {}}',
    '{"town": {"name": "weather", "parameters": {}}}',
    '{"name": "',
    "{}",
    "",
]


@pytest.mark.parametrize("answer", ANSWERS)
@given(format_name=format_names, cuts=cuts)
def test_an_answer_of_a_response_format_is_no_call(answer: str, format_name: str, cuts: list[int]) -> None:
    pieces = split_at(answer, cuts)
    assert parse_calls(pieces, TOOL_FORMATS[format_name], ["weather"], only_first=True) == (answer, [])


@given(format_name=format_names, cuts=cuts)
def test_calls_of_other_names_are_text(format_name: str, cuts: list[int]) -> None:
    text = render_calls("See: ", [("other", {"a": 1})], TOOL_FORMATS[format_name])
    assert parse_calls(split_at(text, cuts), TOOL_FORMATS[format_name], ["weather"]) == (text, [])
