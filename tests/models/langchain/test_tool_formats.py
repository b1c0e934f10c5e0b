"""Formats of tool calls, tool_choice, and everything that LangChain accepts as a tool."""

import json
import re
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import tool as as_tool

from llmkit.errors import ConstraintError
from llmkit.models.langchain.tools import (
    HERMES,
    LLAMA,
    MISTRAL,
    MISTRAL_ARGS,
    MISTRAL_SPACED,
    describe_tools,
    find_format,
    with_system,
)
from llmkit.models.tokens.turns import write_call
from tests.support.tool_formats import BY_TOKENS, FORMATS, Search, chat_with_format, every_format


@pytest.mark.parametrize("format_name", BY_TOKENS)
def test_a_tool_call_uses_the_special_tokens_of_its_format(format_name: str) -> None:
    llm = chat_with_format(format_name)
    bound = llm.bind_tools([Search], tool_choice="any")
    request = llm.prepare_call(llm._convert("Where is it?"), None, bound.kwargs).request  # type: ignore[attr-defined]
    [answer] = llm.engine.generate([request])[0]
    tokens = [llm.engine.encoder.special_token_ids[name] for name in BY_TOKENS[format_name][1]]
    matcher = request.constraint.start(120)._matcher
    if format_name == "llama by tokens":
        assert matcher.validate_tokens([*tokens, *llm.engine.encoder.encode_continuation('{"name')]) > 1
    else:
        assert [answer.token_ids.count(token) for token in tokens] == [1] * len(tokens)
        assert all(name in answer.text for name in BY_TOKENS[format_name][1])
    [call] = bound.invoke("Where is it?").tool_calls
    assert re.fullmatch("[a-zA-Z0-9]{9}", call["id"]), "as Mistral's templates demand"


def test_the_tool_format_is_found_in_the_chat_template() -> None:
    assert find_format(FORMATS["hermes"]) == HERMES
    assert find_format(FORMATS["mistral"]) == MISTRAL
    assert find_format(BY_TOKENS["mistral by spaced tokens"][0]) == MISTRAL_SPACED
    assert find_format(BY_TOKENS["mistral of 2025"][0]) == MISTRAL_ARGS
    assert find_format(FORMATS["llama"]) == LLAMA
    assert find_format("") == HERMES


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": "", "parameters": {}}}


def locate(place: str) -> str:
    """Find a place."""
    return place


@pytest.mark.parametrize(
    "definition",
    [
        {"name": "locate"},
        {"name": "locate", "description": "Find a place.", "parameters": {}},
        {"name": "locate", "input_schema": {"type": "object", "properties": {"place": {"type": "integer"}}}},
        {"type": "function", "name": "locate", "parameters": {"type": "object", "properties": {}}},
        {"type": "function", "function": {"name": "locate"}},
        {"title": "locate", "type": "object", "properties": {"place": {"type": "boolean"}}},
        {"toolSpec": {"name": "locate", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
        locate,
        as_tool(locate),
    ],
    ids=lambda definition: type(definition).__name__,
)
def test_every_tool_definition_of_langchain_is_accepted(definition: Any) -> None:
    for format_name in ("described in words", "tags"):
        llm = chat_with_format(format_name, max_new_tokens=60)
        for answer in (
            llm.bind_tools([definition], tool_choice="any").invoke("Hi"),
            llm.invoke("Hi", tools=[definition], tool_choice="locate"),
        ):
            assert [call["name"] for call in answer.tool_calls] == ["locate"]
            assert not answer.invalid_tool_calls
        assert llm.get_num_tokens_from_messages([HumanMessage("Hi")], tools=[definition]) > 10


def test_tools_are_described_in_the_system_message() -> None:
    messages = [HumanMessage("Hi")]
    described = describe_tools(messages, [tool("f")])
    assert [message.type for message in described] == ["system", "human"]
    assert json.dumps(tool("f")["function"]) in described[0].text
    assert describe_tools(messages, []) == messages
    assert with_system([SystemMessage("a"), HumanMessage("b")], "c")[0].text == "a\n\nc"


def test_earlier_calls_are_written_in_the_format_in_which_new_ones_are_parsed() -> None:
    assert write_call("f", {"x": "é"}) == HERMES.write("f", {"x": "é"})


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
@every_format
def test_structured_output_is_valid_in_every_format(format_name: str, method: str) -> None:
    structured = chat_with_format(format_name).with_structured_output(Search, method=method, include_raw=True)  # type: ignore[arg-type]
    for seed in range(2):
        result = structured.invoke("Hi", seed=seed)
        assert isinstance(result["parsed"], Search)
        assert result["parsing_error"] is None


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "object", "properties": {"a": {"type": "nothing"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/x"}}},
    ],
)
def test_a_tool_with_an_invalid_schema_raises_constraint_error(parameters: dict[str, Any]) -> None:
    broken = {"type": "function", "function": {"name": "f", "description": "", "parameters": parameters}}
    with pytest.raises(ConstraintError):
        chat_with_format("hermes").bind_tools([broken], tool_choice="any").invoke("Hi")
