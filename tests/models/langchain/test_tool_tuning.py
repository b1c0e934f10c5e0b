"""When a model whose chat template has no tools is made to call one."""

import math
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from pydantic import BaseModel

from llmkit import HuggingFaceChat
from llmkit.errors import InputError
from llmkit.models.langchain.tool_tuning import NEUTRAL, SMOLLM2_135M, ToolTuning, tuning_for
from tests.support.models import chat


class Town(BaseModel):
    """A town."""

    name: str


def choice(llm: HuggingFaceChat, messages: list[HumanMessage | ToolMessage]) -> object:
    bound: Any = llm.bind_tools([Town], tool_choice="auto")
    return llm.prepare_call(list(messages), None, dict(bound.kwargs)).options.tool_choice


def test_the_margin_decides_about_calls() -> None:
    ask = [HumanMessage("Which town?")]
    assert choice(chat("llama", max_new_tokens=64, tool_tuning=ToolTuning(call_margin=-math.inf)), ask) == "required"
    assert choice(chat("llama", max_new_tokens=64, tool_tuning=ToolTuning(call_margin=math.inf)), ask) == "none"


def test_after_a_result_no_tool_is_called() -> None:
    llm = chat("llama", max_new_tokens=64, tool_tuning=ToolTuning(call_margin=-math.inf))
    assert choice(llm, [HumanMessage("Which town?"), ToolMessage("Lille", tool_call_id="1")]) == "none"


def test_a_greeting_is_no_likelier_than_itself() -> None:
    """The neutral margin is contextual calibration alone: a greeting calls no tool, under any weights."""
    assert choice(chat("llama"), [HumanMessage("Hello!")]) == "none"


def test_the_numbers_of_the_default_model_are_for_it_alone(default_llm: HuggingFaceChat) -> None:
    assert tuning_for(default_llm.model_name, None) is SMOLLM2_135M
    assert tuning_for(chat("llama").model_name, None) is NEUTRAL
    other = ToolTuning(call_margin=1.0)
    assert tuning_for(default_llm.model_name, other) is other


@pytest.mark.parametrize("bad", [2.2, "default"])
def test_another_object_is_refused(bad: object) -> None:
    with pytest.raises(InputError, match="tool_tuning"):
        chat("llama", tool_tuning=bad)
