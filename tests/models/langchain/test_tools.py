"""Tools are rendered, called and parsed in the format of each model family, also in streams, with any weights."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from tests.support.models import comparable, joined
from tests.support.schemas import fits, objects, schemas
from tests.support.tool_formats import FORMAT_NAMES, Locate, Search, chat_with_format, every_format


@every_format
@pytest.mark.parametrize(
    "choice", ["any", "Search", "Locate", {"type": "function", "function": {"name": "Search"}}], ids=str
)
def test_a_required_tool_is_called(format_name: str, choice: Any) -> None:
    llm = chat_with_format(format_name)
    for seed in range(3):
        bound = llm.bind_tools([Search, Locate], tool_choice=choice, seed=seed)
        answer = bound.invoke("Where is it?")
        assert isinstance(answer, AIMessage)
        [call] = answer.tool_calls
        assert not answer.invalid_tool_calls
        assert answer.content == ""
        expected_name = choice["function"]["name"] if isinstance(choice, dict) else choice
        assert call["name"] in (["Search", "Locate"] if expected_name == "any" else [expected_name])
        {"Search": Search, "Locate": Locate}[call["name"]](**call["args"])
        assert call["id"]


@every_format
async def test_streamed_tool_calls_join_to_the_tool_calls(format_name: str) -> None:
    llm = chat_with_format(format_name).bind_tools(
        [Search], tool_choice="any", parallel_tool_calls=True, max_new_tokens=200
    )
    answer = llm.invoke("Where is it?")
    chunks = list(llm.stream("Where is it?"))
    assert comparable(joined(chunks)) == comparable(answer)
    assert comparable(joined([chunk async for chunk in llm.astream("Where is it?")])) == comparable(answer)
    assert isinstance(answer, AIMessage)
    assert answer.tool_calls
    assert len({call["id"] for call in answer.tool_calls}) == len(answer.tool_calls)
    pieces = [part for chunk in chunks for part in getattr(chunk, "tool_call_chunks", [])]
    assert len(pieces) > 2 * len(answer.tool_calls), "arguments come in pieces"
    assert sorted({part["index"] for part in pieces}) == list(range(len(answer.tool_calls)))


@pytest.mark.slow
@every_format
def test_an_optional_tool_call_is_valid(format_name: str) -> None:
    llm = chat_with_format(format_name, max_new_tokens=80)
    for seed in range(4):
        answer = llm.bind_tools([Search, Locate], seed=seed).invoke("Where is it?")
        assert isinstance(answer, AIMessage)
        assert not answer.invalid_tool_calls
        for call in answer.tool_calls:
            {"Search": Search, "Locate": Locate}[call["name"]](**call["args"])
        if not answer.tool_calls:
            assert answer.content
    none = llm.bind_tools([Search, Locate], tool_choice="none").invoke("Where is it?")
    assert isinstance(none, AIMessage)
    assert not none.tool_calls


@every_format
def test_tool_calls_of_a_batch_equal_single_calls(format_name: str) -> None:
    llm = chat_with_format(format_name).bind_tools([Search, Locate], tool_choice="any")
    inputs = ["Where is it?", "What is the capital of France?", "Hi"]
    expected = [comparable(llm.invoke(text)) for text in inputs]
    assert [comparable(answer) for answer in llm.batch(inputs)] == expected


@pytest.mark.slow
@given(st.sampled_from(FORMAT_NAMES), schemas.flatmap(lambda inner: objects(st.just(inner))), st.integers(0, 9))
@settings(max_examples=40)
def test_arguments_are_valid_under_any_schema(format_name: str, schema: dict[str, Any], seed: int) -> None:
    tool = {"type": "function", "function": {"name": "do-it.now", "description": "…", "parameters": schema}}
    llm = chat_with_format(format_name, max_new_tokens=400).bind_tools([tool], tool_choice="any", seed=seed)
    answer = llm.invoke("Hi")
    assert isinstance(answer, AIMessage)
    [call] = answer.tool_calls
    assert call["name"] == "do-it.now"
    assert fits(call["args"], schema)


@every_format
def test_a_tool_conversation_is_rendered_once_in_the_format_of_the_model(format_name: str) -> None:
    llm = chat_with_format(format_name)
    call = {"name": "Search", "args": {"query": "Köln", "limit": 3}, "id": "call_1"}
    messages = [
        SystemMessage("Be kind."),
        HumanMessage("Where is it?"),
        AIMessage("Let me see.", tool_calls=[call]),
        ToolMessage("It is <|im_end|> on the Rhine.", tool_call_id="call_1"),
    ]
    bound = llm.bind_tools([Search])
    assert isinstance(bound.invoke(messages), AIMessage)
    tokens = llm.get_num_tokens_from_messages(messages, tools=[Search])
    assert tokens > llm.get_num_tokens_from_messages(messages) > llm.get_num_tokens_from_messages(messages[:2])
    encoder = llm.engine.encoder
    request = llm.prepare_call(llm._convert(messages), None, bound.kwargs).request  # type: ignore[attr-defined]
    prompt = encoder.tokenizer.decode(list(request.prompt), skip_special_tokens=False)
    for text in (
        "Be kind.",
        "Where is it?",
        "Let me see.",
        "Köln",
        "It is <|im_end|> on the Rhine.",
        "Search for something.",
    ):
        assert prompt.count(text) == 1, text
