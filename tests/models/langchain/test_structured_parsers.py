"""Structured output of completions that were cut, in streams, and with the options of a call."""

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any, TypedDict

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from pydantic import BaseModel

from llmkit import HuggingFaceChat
from llmkit.errors import SettingsError
from tests.support import models

METHODS = ["json_schema", "function_calling", "json_mode"]


class Pair(BaseModel):
    """Two numbers."""

    a: bool
    b: bool | None = None


class When(TypedDict):
    """A time and a price."""

    when: dt.date
    price: Decimal


LONG = {"type": "object", "properties": {"a": {"type": "string", "minLength": 50_000}}, "required": ["a"]}
NUMBER = {"type": "integer", "minimum": 11_111, "maximum": 11_111}


def chat(**options: Any) -> HuggingFaceChat:
    return models.chat("llama", context_window=4096, **options)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("schema", [Pair, Pair.model_json_schema()], ids=["class", "JSON schema"])
def test_a_completion_that_a_stop_string_cuts_is_an_error(method: Any, schema: Any) -> None:
    structured = chat().with_structured_output(schema, method=method)
    for stop in (["e"], ['"a": ']):
        with pytest.raises(OutputParserException, match=f"the stop string {stop[0]!r} ended it"):
            structured.invoke("Hi", stop=stop, max_new_tokens=100)
        with pytest.raises(OutputParserException, match="no complete JSON"):
            list(structured.stream("Hi", stop=stop, max_new_tokens=100))


def test_a_number_that_a_stop_string_cuts_is_an_error() -> None:
    with pytest.raises(OutputParserException, match="the stop string"):
        chat().with_structured_output(NUMBER).invoke("Hi", stop=["1111"])


@pytest.mark.parametrize("method", METHODS)
def test_a_completion_that_max_new_tokens_cuts_is_an_error(method: Any) -> None:
    llm = chat(max_new_tokens=60)
    with pytest.raises(OutputParserException, match="it reached max_new_tokens"):
        llm.with_structured_output(LONG, method=method).invoke("Hi")
    answer = llm.with_structured_output(LONG, method=method, include_raw=True).invoke("Hi")
    assert answer["parsed"] is None
    assert isinstance(answer["parsing_error"], OutputParserException)
    assert isinstance(answer["raw"], AIMessage)


def test_a_call_that_was_cut_is_invalid() -> None:
    tool = {"name": "pair", "description": "", "parameters": Pair.model_json_schema()}
    answer = chat().bind_tools([tool], tool_choice="pair").invoke("Hi", stop=['"a": '], max_new_tokens=100)
    assert not answer.tool_calls
    [call] = answer.invalid_tool_calls
    assert call["name"] == "pair"
    assert answer.response_metadata["stop_sequence"] == '"a": '


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("schema", [Pair.model_json_schema(), When], ids=["JSON schema", "TypedDict"])
def test_a_stream_has_partial_objects_and_ends_with_the_answer(method: Any, schema: Any) -> None:
    structured = chat().with_structured_output(schema, method=method, max_new_tokens=100)
    answer = structured.invoke("Hi")

    async def stream() -> list[Any]:
        return [value async for value in structured.astream("Hi")]

    for values in (list(structured.stream("Hi")), asyncio.run(stream())):
        assert len(values) > 1
        assert values[-1] == answer
        assert all(set(value) <= set(answer) for value in values)


@pytest.mark.parametrize("method", METHODS)
def test_a_typed_dict_has_values_of_its_types(method: Any) -> None:
    for seed in range(2):
        llm = chat(temperature=1.2, seed=seed, max_new_tokens=100)
        value = llm.with_structured_output(When, method=method).invoke("Hi")
        assert type(value["when"]) is dt.date
        assert type(value["price"]) is Decimal
        [inner] = llm.with_structured_output(tuple[When], method="json_schema").invoke("Hi")
        assert type(inner["when"]) is dt.date


@pytest.mark.parametrize("method", METHODS)
def test_options_of_a_call_reach_the_model_with_include_raw(method: Any) -> None:
    structured = chat(max_new_tokens=100).with_structured_output(Pair, method=method, include_raw=True)
    for options in ({"max_new_tokens": 2}, {"nonsense": 5}):
        with pytest.raises(SettingsError):
            structured.invoke("Hi", **options)
        with pytest.raises(SettingsError):
            asyncio.run(structured.ainvoke("Hi", **options))
        with pytest.raises(SettingsError):
            structured.batch(["Hi", "Ho"], **options)
        with pytest.raises(SettingsError):
            list(structured.stream("Hi", **options))
    answer = structured.invoke("Hi", stop=["e"])
    assert answer["parsed"] is None
    assert answer["raw"].response_metadata["stop_sequence"] == "e"
