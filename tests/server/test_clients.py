"""Clients that use the server as they use any other: LangChain's ChatOpenAI, and ServedChat of this package."""

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import BaseModel

from llmkit.models import ServedChat
from tests.support.api_server import NAME, api_server

TEXT = "Where is the fox?"


class Place(BaseModel):
    """A place."""

    far: bool


@pytest.fixture(scope="module")
def chat(server):
    return ChatOpenAI(base_url=f"{server.url}/v1", api_key="none", model=NAME, temperature=0, max_completion_tokens=12)


def test_chat_openai_answers_as_the_model_does(server, chat):
    expected = server.llm.invoke(TEXT, temperature=0)
    assert chat.invoke(TEXT).text == expected.text
    parts = list(chat.stream(TEXT, stream_usage=True))
    assert "".join(part.text for part in parts) == expected.text
    assert parts[-1].usage_metadata or any(part.usage_metadata for part in parts)
    assert [one.text for one in chat.batch([TEXT] * 3)] == [expected.text] * 3


def test_chat_openai_gets_structured_output_and_tool_calls(chat):
    found = chat.with_structured_output(Place).invoke(TEXT)
    assert isinstance(found, Place)
    [call] = chat.bind_tools([Place], tool_choice="Place").invoke(TEXT, max_tokens=60).tool_calls
    assert call["name"] == "Place"
    assert isinstance(call["args"]["far"], bool)


def test_openais_completion_model_continues_text(server):
    llm = OpenAI(base_url=f"{server.url}/v1", api_key="none", model=NAME, temperature=0, max_tokens=5)
    assert llm.invoke("The fox") == server.llm.as_completion().invoke("The fox", temperature=0, max_new_tokens=5)


@pytest.mark.slow
def test_served_chat_scores_as_the_model_does(default_llm):
    inputs = [
        [HumanMessage("The match ended 3 to 2. What is it about?"), AIMessage("It is about")],
        [HumanMessage("Taxes rise in May. What is it about?"), AIMessage("It is about")],
    ]
    options = [" sports", " politics", " the weather", " the news of business"]
    with api_server(default_llm, name="smollm2-135m") as server:
        served = ServedChat(server.url, "smollm2-135m")
        assert served.exactness == "exact"
        assert served.context_window == default_llm.context_window
        found, expected = served.score(inputs, options), default_llm.score(inputs, options)
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), atol=1e-4)  # float32 of other passes
