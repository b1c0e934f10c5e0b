"""Formats of calls, choices of tools, and what is a tool."""

import json
import re
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool as as_tool

from llmkit.errors import ConstraintError
from llmkit.models.langchain.tools import (
    HERMES,
    LLAMA,
    MISTRAL,
    MISTRAL_ARGS,
    MISTRAL_SPACED,
    choose_tools,
    find_format,
    render_tools,
    with_system,
)
from tests.support.tool_formats import BY_TOKENS, FORMATS, Search, forms, speaking


@pytest.mark.parametrize("form", BY_TOKENS)
def test_a_call_is_made_of_the_formats_own_tokens(form: str) -> None:
    llm = speaking(form)
    bound = llm.bind_tools([Search], tool_choice="any")
    request = llm._prepare(llm._convert("Where is it?"), None, bound.kwargs).request  # type: ignore[attr-defined]
    [answer] = llm.engine.generate([request])[0]
    tokens = [llm.engine.encoder.special_token_ids[name] for name in BY_TOKENS[form][1]]
    matcher = request.constraint.start(120)._matcher
    if form == "llama by tokens":
        assert matcher.validate_tokens([*tokens, *llm.engine.encoder.encode_continuation('{"name')]) > 1
    else:
        assert [answer.token_ids.count(token) for token in tokens] == [1] * len(tokens)
        assert all(name in answer.text for name in BY_TOKENS[form][1])
    [call] = bound.invoke("Where is it?").tool_calls
    assert re.fullmatch("[a-zA-Z0-9]{9}", call["id"]), "as Mistral's templates demand"


def test_the_format_is_the_one_that_the_template_shows() -> None:
    assert find_format(FORMATS["hermes"]) == HERMES
    assert find_format(FORMATS["mistral"]) == MISTRAL
    assert find_format(BY_TOKENS["mistral by spaced tokens"][0]) == MISTRAL_SPACED
    assert find_format(BY_TOKENS["mistral of 2025"][0]) == MISTRAL_ARGS
    assert find_format(FORMATS["llama"]) == LLAMA
    assert find_format("") == HERMES


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": "", "parameters": {}}}


@pytest.mark.parametrize(
    ("choice", "names", "required"),
    [
        (None, ["a", "b"], False),
        ("auto", ["a", "b"], False),
        (False, ["a", "b"], False),
        ("none", [], False),
        ("any", ["a", "b"], True),
        ("required", ["a", "b"], True),
        (True, ["a", "b"], True),
        ("b", ["b"], True),
        ({"type": "function", "function": {"name": "a"}}, ["a"], True),
        ({"type": "tool", "name": "a"}, ["a"], True),
    ],
)
def test_tool_choices(choice: Any, names: list[str], required: bool) -> None:
    chosen, must = choose_tools([tool("a"), tool("b")], choice)
    assert ([one["function"]["name"] for one in chosen], must) == (names, required)


def locate(place: str) -> str:
    """Find a place."""
    return place


@pytest.mark.parametrize(
    "given",
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
    ids=lambda given: type(given).__name__,
)
def test_whatever_langchain_takes_for_a_tool_is_one(given: Any) -> None:
    for form in ("told in words", "tags"):
        llm = speaking(form, max_new_tokens=60)
        for answer in (
            llm.bind_tools([given], tool_choice="any").invoke("Hi"),
            llm.invoke("Hi", tools=[given], tool_choice="locate"),
        ):
            assert [call["name"] for call in answer.tool_calls] == ["locate"]
            assert not answer.invalid_tool_calls
        assert llm.get_num_tokens_from_messages([HumanMessage("Hi")], tools=[given]) > 10


def test_a_choice_of_no_tool() -> None:
    with pytest.raises(ConstraintError, match="tool_choice is 'c', but the tools are: a, b"):
        choose_tools([tool("a"), tool("b")], "c")
    llm = speaking("hermes")
    for choice in ("any", "required", True):
        with pytest.raises(ConstraintError, match="but there are no tools"):
            choose_tools([], choice)
    with pytest.raises(ConstraintError, match="tool_choice is 'Find'"):
        llm.bind_tools([Search], tool_choice="Find").invoke("Hi")


def test_tools_in_words() -> None:
    call = {"name": "f", "args": {"x": "é"}, "id": "1"}
    messages = [HumanMessage("Hi"), AIMessage("", tool_calls=[call]), ToolMessage("done", tool_call_id="1")]
    told = render_tools(messages, [tool("f")])
    assert [message.type for message in told] == ["system", "human", "ai", "human"]
    assert json.dumps(tool("f")["function"]) in told[0].text
    assert told[2].text == HERMES.write("f", {"x": "é"})
    assert told[3].text == "<tool_response>\ndone\n</tool_response>"
    assert render_tools(messages[:1], []) == messages[:1]
    assert messages[1].content == "", "what was given is not changed"
    assert with_system([SystemMessage("a"), HumanMessage("b")], "c")[0].text == "a\n\nc"


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
@forms
def test_a_form_is_held_in_every_format(form: str, method: str) -> None:
    held = speaking(form).with_structured_output(Search, method=method, include_raw=True)  # type: ignore[arg-type]
    for seed in range(2):
        got = held.invoke("Hi", seed=seed)
        assert isinstance(got["parsed"], Search)
        assert got["parsing_error"] is None


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "object", "properties": {"a": {"type": "nothing"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/x"}}},
    ],
)
def test_a_tool_that_cannot_be_held_to(parameters: dict[str, Any]) -> None:
    broken = {"type": "function", "function": {"name": "f", "description": "", "parameters": parameters}}
    with pytest.raises(ConstraintError):
        speaking("hermes").bind_tools([broken], tool_choice="any").invoke("Hi")
