"""A required call is not repeated right after its result, whatever the model finds likely."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool as as_tool
from pydantic import BaseModel

from llmkit import HuggingFaceChat
from llmkit.models.langchain.tool_tuning import ToolTuning
from tests.support.tool_formats import chat_with_format, every_format

NO_ARGUMENTS = {"type": "object", "properties": {}, "additionalProperties": False}
LETTER = {"type": "object", "properties": {"x": {"enum": ["Q", "z"]}}, "required": ["x"], "additionalProperties": False}


def tool(name: str, parameters: Any = NO_ARGUMENTS) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": "", "parameters": parameters}}


def after_results(*calls: tuple[str, dict[str, Any]]) -> list[BaseMessage]:
    """Return a conversation that ends with the results of these calls, made by one message."""
    made: Any = [{"name": name, "args": args, "id": f"12345678{at}"} for at, (name, args) in enumerate(calls)]
    results = [ToolMessage("done", tool_call_id=call["id"]) for call in made]
    return [HumanMessage("Go."), AIMessage("", tool_calls=made), *results]


@contextmanager
def preferring(llm: HuggingFaceChat, letters: str) -> Iterator[None]:
    """Make tokens with a letter far likelier than any other, the earlier letters most, wherever they are allowed."""
    vocabulary = llm.engine.loaded.tokenizer.get_vocab()
    tokens = [
        [number for text, number in vocabulary.items() if letter in text or text == f"<0x{ord(letter):02X}>"]
        for letter in letters
    ]

    def raise_logits(module: Any, args: Any, output: Any) -> None:
        for weight, numbers in enumerate(reversed(tokens), 1):
            output.logits[..., numbers] += 1000 * weight

    hook = llm.engine.loaded.model.register_forward_hook(raise_logits)
    llm.reset_caches()  # a hook is no change that is noticed
    try:
        yield
    finally:
        hook.remove()
        llm.reset_caches()


def called(llm: HuggingFaceChat, messages: list[BaseMessage], *tools: dict[str, Any], **options: Any) -> Any:
    options = {"tool_choice": "any", **options}
    answer = llm.bind_tools(tools, **options).invoke(messages)
    return [(call["name"], call["args"]) for call in answer.tool_calls]


def model(format_name: str = "hermes", **options: Any) -> HuggingFaceChat:
    return chat_with_format(format_name, **{"temperature": 0, "max_new_tokens": 60, **options})


@every_format
def test_a_call_is_not_repeated_right_after_its_result(format_name: str) -> None:
    llm = model(format_name)
    with preferring(llm, "Q"):
        assert called(llm, [HumanMessage("Go.")], tool("Q"), tool("z")) == [("Q", {})]
        assert called(llm, after_results(("Q", {})), tool("Q"), tool("z")) == [("z", {})]
        assert called(llm, after_results(("z", {})), tool("Q"), tool("z")) == [("Q", {})]
        later = [*after_results(("Q", {})), AIMessage("Yes."), HumanMessage("Again.")]
        assert called(llm, later, tool("Q"), tool("z")) == [("Q", {})], "a new question"


def test_the_same_tool_is_called_with_other_arguments() -> None:
    llm = model()
    with preferring(llm, "Q"):
        assert called(llm, after_results(("Q", {"x": "z"})), tool("Q", LETTER), tool("y")) == [("Q", {"x": "Q"})]
        assert called(llm, after_results(("Q", {"x": "Q"})), tool("Q", LETTER), tool("y")) == [("y", {})]


def test_several_answered_calls_are_not_repeated() -> None:
    llm = model()
    with preferring(llm, "QX"):
        calls = after_results(("Q", {}), ("X", {}))
        assert called(llm, calls, tool("Q"), tool("X"), tool("z")) == [("z", {})]
        assert called(llm, after_results(("Q", {})), tool("Q"), tool("X"), tool("z")) == [("X", {})]


def test_a_call_is_repeated_if_nothing_else_is_left_or_the_caller_wants_it() -> None:
    llm = model()
    with preferring(llm, "Q"):
        answered = after_results(("Q", {}))
        assert called(llm, answered, tool("Q")) == [("Q", {})]
        assert called(llm, answered, tool("Q"), tool("z"), tool_choice="Q") == [("Q", {})]
    polling = model(tool_tuning=ToolTuning(repeats_calls=True))
    with preferring(polling, "Q"):
        assert called(polling, answered, tool("Q"), tool("z")) == [("Q", {})]


@pytest.mark.parametrize("format_name", ["hermes", "llama", "mistral"])
def test_with_a_response_format_the_answer_follows_the_result(format_name: str) -> None:
    llm = model(format_name)
    schema = {"type": "object", "properties": {"name": {"enum": ["Q"]}}, "required": ["name"]}
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    bound = llm.bind_tools([tool("Q")], response_format=form)
    with preferring(llm, "[<pQ"):  # what opens a call, and comes behind its name
        answer = bound.invoke(after_results(("Q", {})))
    polling = model(format_name, tool_tuning=ToolTuning(repeats_calls=True))
    with preferring(polling, "[<pQ"):
        repeated = polling.bind_tools([tool("Q")], response_format=form).invoke(after_results(("Q", {})))
    assert [call["name"] for call in repeated.tool_calls] == ["Q"], "the likeliest"
    assert answer.tool_calls == []
    assert answer.content == '{"name": "Q"}'


def test_the_cache_tells_the_tunings_apart() -> None:
    keys = {model(tool_tuning=tuning)._get_llm_string() for tuning in (None, ToolTuning(repeats_calls=True))}
    assert len(keys) == 2


class Report(BaseModel):
    """The weather."""

    name: str
    sunny: bool


@as_tool
def weather(city: str) -> str:
    """Return the weather of a city."""
    return "sunny"


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [ProviderStrategy, ToolStrategy, None])
def test_an_agent_with_tools_and_a_response_format_ends(default_llm: HuggingFaceChat, strategy: Any) -> None:
    agent = create_agent(
        default_llm.model_copy(update={"max_new_tokens": 80}),
        tools=[weather],
        response_format=strategy(Report) if strategy else Report,
    )
    for question in ("What is the weather in Paris?", "Is it sunny in Oslo?"):
        done = agent.invoke({"messages": [HumanMessage(question)]}, {"recursion_limit": 10})
        assert isinstance(done["structured_response"], Report)
