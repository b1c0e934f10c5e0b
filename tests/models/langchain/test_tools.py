"""Tools are told, called and read back in the format of each family, whole and in streams, whatever the weights."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from tests.support.models import comparable, joined
from tests.support.schemas import fits, objects, schemas
from tests.support.tool_formats import FORMS, Locate, Search, forms, speaking


@forms
@pytest.mark.parametrize(
    "choice", ["any", "Search", "Locate", {"type": "function", "function": {"name": "Search"}}], ids=str
)
def test_a_call_that_must_be_made_is_made(form: str, choice: Any) -> None:
    llm = speaking(form)
    for seed in range(3):
        bound = llm.bind_tools([Search, Locate], tool_choice=choice, seed=seed)
        answer = bound.invoke("Where is it?")
        assert isinstance(answer, AIMessage)
        [call] = answer.tool_calls
        assert not answer.invalid_tool_calls
        assert answer.content == ""
        named = choice["function"]["name"] if isinstance(choice, dict) else choice
        assert call["name"] in (["Search", "Locate"] if named == "any" else [named])
        {"Search": Search, "Locate": Locate}[call["name"]](**call["args"])
        assert call["id"]


@forms
async def test_streamed_calls_are_the_calls(form: str) -> None:
    llm = speaking(form).bind_tools([Search], tool_choice="any", parallel_tool_calls=True, max_new_tokens=200)
    whole = llm.invoke("Where is it?")
    chunks = list(llm.stream("Where is it?"))
    assert comparable(joined(chunks)) == comparable(whole)
    assert comparable(joined([chunk async for chunk in llm.astream("Where is it?")])) == comparable(whole)
    assert isinstance(whole, AIMessage)
    assert whole.tool_calls
    assert len({call["id"] for call in whole.tool_calls}) == len(whole.tool_calls)
    pieces = [part for chunk in chunks for part in getattr(chunk, "tool_call_chunks", [])]
    assert len(pieces) > 2 * len(whole.tool_calls), "arguments come in pieces"
    assert sorted({part["index"] for part in pieces}) == list(range(len(whole.tool_calls)))


@forms
def test_a_call_that_may_be_made(form: str) -> None:
    llm = speaking(form, max_new_tokens=80)
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


@forms
def test_a_batch_of_calls(form: str) -> None:
    llm = speaking(form).bind_tools([Search, Locate], tool_choice="any")
    inputs = ["Where is it?", "What is the capital of France?", "Hi"]
    want = [comparable(llm.invoke(given)) for given in inputs]
    assert [comparable(answer) for answer in llm.batch(inputs)] == want


@given(st.sampled_from(FORMS), schemas.flatmap(lambda inner: objects(st.just(inner))), st.integers(0, 9))
@settings(max_examples=40)
def test_arguments_fit_any_schema(form: str, schema: dict[str, Any], seed: int) -> None:
    tool = {"type": "function", "function": {"name": "do-it.now", "description": "…", "parameters": schema}}
    llm = speaking(form, max_new_tokens=400).bind_tools([tool], tool_choice="any", seed=seed)
    answer = llm.invoke("Hi")
    assert isinstance(answer, AIMessage)
    [call] = answer.tool_calls
    assert call["name"] == "do-it.now"
    assert fits(call["args"], schema)


@forms
def test_a_tool_loop_is_told_in_the_models_way(form: str) -> None:
    llm = speaking(form)
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
    request = llm._prepare(llm._convert(messages), None, bound.kwargs).request  # type: ignore[attr-defined]
    prompt = encoder.tokenizer.decode(list(request.prompt), skip_special_tokens=False)
    for said in (
        "Be kind.",
        "Where is it?",
        "Let me see.",
        "Köln",
        "It is <|im_end|> on the Rhine.",
        "Search for something.",
    ):
        assert prompt.count(said) == 1, said
