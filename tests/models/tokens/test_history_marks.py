"""Messages whose type or status no chat template renders: a removal, and the result of a tool that failed."""

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, RemoveMessage, ToolMessage

from llmkit.errors import InputError, PromptError
from tests.support.models import chat

CALL = AIMessage("", tool_calls=[{"name": "w", "args": {}, "id": "123456789"}])


@pytest.mark.parametrize("name", ["llama", "qwen3"])
def test_a_message_that_removes_another_is_refused(name: str) -> None:
    history: list[BaseMessage] = [HumanMessage("Hi"), RemoveMessage("1")]
    with pytest.raises(InputError, match="the messages have a RemoveMessage"):
        chat(name).invoke(history)
    with pytest.raises(InputError, match="the messages have a RemoveMessage"):
        chat(name).prompt_changes(history)


@pytest.mark.parametrize("name", ["llama", "qwen3"])
def test_the_result_of_a_tool_that_failed_says_so(name: str) -> None:
    def history(text: str, status: Any) -> list[BaseMessage]:
        return [HumanMessage("Hi"), CALL, ToolMessage(text, tool_call_id="123456789", status=status)]

    llm = chat(name)
    render = llm.engine.encoder.render
    assert "Error: no such city" in render(history("no such city", "error"))
    assert "Error" not in render(history("no such city", "success"))
    assert "Error: Error" not in render(history("Error: no such city", "error"))
    note = "results of tools that failed begin with 'Error: '"
    assert note in llm.prompt_changes(history("no such city", "error"))
    assert note not in llm.prompt_changes(history("error, no such city", "error"))


@pytest.mark.parametrize("name", ["llama", "qwen3"])
def test_half_a_surrogate_pair_is_refused_wherever_a_prompt_is_made(name: str) -> None:
    llm, message = chat(name), HumanMessage("a\ud800b")
    calls: list[Callable[[list[HumanMessage]], object]] = [llm.invoke, llm.prompt_changes, llm.engine.encoder.render]
    for call in calls:
        with pytest.raises(PromptError, match="half a surrogate pair"):
            call([message])
