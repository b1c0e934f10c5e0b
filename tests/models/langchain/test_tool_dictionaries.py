"""Tools as other providers write them keep their name, description and schema."""

from typing import Any

import pytest
from langchain_core.tools import Tool, tool

from llmkit.errors import ConstraintError
from llmkit.models.langchain.tools import to_tools
from tests.support.models import chat

SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 4}}, "required": ["city"]}
DESCRIBED = {"name": "weather", "description": "The weather."}
FORMS: dict[str, dict[str, Any]] = {
    "OpenAI": {"type": "function", "function": {**DESCRIBED, "parameters": SCHEMA}},
    "OpenAI, Responses": {"type": "function", **DESCRIBED, "parameters": SCHEMA, "strict": True},
    "Anthropic": {**DESCRIBED, "input_schema": SCHEMA, "cache_control": {"type": "ephemeral"}},
    "Anthropic, custom": {"type": "custom", **DESCRIBED, "input_schema": SCHEMA},
    "Bedrock": {"toolSpec": {**DESCRIBED, "inputSchema": {"json": SCHEMA}}},
    "Gemini": {**DESCRIBED, "parameters": SCHEMA},
    "Gemini, JSON schema": {**DESCRIBED, "parametersJsonSchema": SCHEMA},
    "Gemini, group": {"function_declarations": [{**DESCRIBED, "parameters": SCHEMA}]},
    "MCP": {**DESCRIBED, "inputSchema": SCHEMA, "annotations": {"readOnlyHint": True}},
    "JSON schema": {"title": "weather", "description": "The weather.", **SCHEMA},
}


@pytest.mark.parametrize("name", FORMS)
def test_a_tool_keeps_its_schema(name: str) -> None:
    [made] = to_tools([FORMS[name]])
    assert {key: made["function"][key] for key in ("name", "description")} == DESCRIBED
    assert made["function"]["parameters"] == SCHEMA
    [call] = chat("llama").bind_tools([FORMS[name]], tool_choice="any").invoke("Hi", max_new_tokens=60).tool_calls
    assert len(call["args"]["city"]) <= 4


def test_definitions_of_cohere_become_a_schema() -> None:
    definitions = {
        "city": {"type": "str", "description": "The city", "required": True},
        "days": {"type": "list[int]", "required": False},
    }
    [made] = to_tools([{**DESCRIBED, "parameter_definitions": definitions}])
    assert made["function"]["parameters"] == {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "The city"}, "days": {"type": "array"}},
        "required": ["city"],
    }


def test_types_in_capitals_are_those_of_json_schema() -> None:
    schema = {"type": "OBJECT", "properties": {"days": {"type": "INTEGER"}}, "required": ["days"]}
    llm = chat("llama").bind_tools([{**DESCRIBED, "parameters": schema}], tool_choice="any")
    [call] = llm.invoke("Hi", max_new_tokens=60).tool_calls
    assert isinstance(call["args"]["days"], int)


@pytest.mark.parametrize(
    "given",
    [
        {"type": "web_search_20250305", "name": "web_search"},
        {"type": "custom", "name": "code", "description": "Code."},
        {"type": "custom", "custom": {"name": "code"}},
    ],
)
def test_a_tool_that_only_its_provider_knows_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConstraintError, match="which only its provider knows"):
        to_tools([given])


def test_a_tool_without_parameters_has_none() -> None:
    [made] = to_tools([{"type": "function", "function": {"name": "now"}}])
    assert made["function"]["parameters"] == {"type": "object", "properties": {}}


def test_a_tool_of_one_text_and_a_tool_with_a_schema_keep_their_arguments() -> None:
    search = Tool(name="search", func=str, description="Search.")
    weather = tool("weather", args_schema=SCHEMA, description="The weather.")(lambda city: city)
    made = [one["function"]["parameters"]["properties"] for one in to_tools([search, weather])]
    assert list(made[0]) == ["__arg1"]
    assert made[1] == SCHEMA["properties"]


@pytest.mark.parametrize("name", ["w x\x1b[31m", 'a"b', "a\nb", "back\\slash", ""])
def test_a_name_that_cannot_be_used_is_said_to_be_the_problem(name: str) -> None:
    with pytest.raises(ConstraintError, match=r"the name .* of a tool cannot be used"):
        to_tools([{"name": name, "description": "d", "parameters": {"type": "object", "properties": {}}}])
