"""Served models are LangChain chat models of langchain-openai with `score`; `scoring` adds it to one that exists."""

import copy
import importlib
import pickle
import sys
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import BaseChatOpenAI

from llmkit.errors import ContextWindowExceeded, InputError, ServerError
from llmkit.models.served import ServedChat, scoring
from tests.support import tiny
from tests.support.counting_model import NAME, counting_llm, counting_server, served

INPUTS, CONTINUATIONS = ["Repeat: one"], [" two", " trees"]


@tool
def count(number: int) -> int:
    """Count up to a number."""
    return number


def held(server: Any, **options: Any) -> ChatOpenAI:
    return ChatOpenAI(base_url=server.url, model=NAME, api_key="sk-secret", temperature=0, **options)


def test_scoring_adds_score_and_keeps_the_class_settings_and_key() -> None:
    tokenizer = counting_llm().engine.loaded.tokenizer
    with counting_server() as server:
        server.key = "sk-secret"
        llm = held(server, max_tokens=7, max_retries=1)
        model = scoring(llm, tokenizer=tokenizer)
        assert issubclass(type(model), ChatOpenAI)
        assert "score" not in dir(llm)
        assert (model.max_tokens, model.temperature, model.root_client) == (7, 0, llm.root_client)
        np.testing.assert_allclose(
            model.score(INPUTS, CONTINUATIONS), counting_llm().score(INPUTS, CONTINUATIONS), atol=1e-3
        )
        assert model.invoke(INPUTS[0]).text == counting_llm().invoke(INPUTS[0], max_tokens=7).text
        assert "sk-secret" not in repr(model)


@pytest.mark.parametrize("make", ["served", "scoring"])
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_and_pickled_models_score_and_answer(make: str, copied: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMKIT_API_KEY", "sk-secret")
    tokenizer = counting_llm().engine.loaded.tokenizer
    with counting_server() as server:
        server.key = "sk-secret"
        model = (
            served(server, api_key="sk-secret", max_tokens=3)
            if make == "served"
            else scoring(held(server, max_tokens=3), tokenizer=tokenizer)
        )
        found = model.score(INPUTS, CONTINUATIONS)
        other = copied(model)
        assert type(other) is type(model)
        assert other.max_tokens == 3
        np.testing.assert_allclose(other.score(INPUTS, CONTINUATIONS), found, atol=1e-3)
        assert other.invoke(INPUTS[0]).text == model.invoke(INPUTS[0]).text


def test_a_pickled_model_has_no_key_and_reads_that_of_its_new_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    models = [ServedChat("http://127.0.0.1:1", "a", api_key="sk-secret")]
    models.append(scoring(ChatOpenAI(base_url="http://127.0.0.1:1/v1", model="a", api_key="sk-secret")))
    for model in models:
        pickled = pickle.dumps(model)
        assert b"sk-" not in pickled
        assert copy.deepcopy(model).openai_api_key.get_secret_value() == "sk-secret"
        assert pickle.loads(pickled).openai_api_key.get_secret_value() == "none"
        with monkeypatch.context() as environment:
            environment.setenv("LLMKIT_API_KEY", "sk-new")
            assert pickle.loads(pickled).openai_api_key.get_secret_value() == "sk-new"


@pytest.mark.parametrize("llm", ["gpt", None, counting_llm])
def test_scoring_refuses_what_is_no_model_of_langchain_openai(llm: Any) -> None:
    with pytest.raises(InputError, match="must be a chat model of langchain-openai"):
        scoring(llm() if callable(llm) else llm)
    with pytest.raises(InputError, match="has no base_url"):
        scoring(ChatOpenAI(model="gpt-4o", api_key="none"))


def test_answers_are_those_of_the_same_model_in_this_process() -> None:
    with counting_server() as server:
        model, llm = served(server, max_tokens=9), counting_llm()
        expected = llm.invoke(INPUTS[0], max_tokens=9)
        answer = model.invoke(INPUTS[0])
        assert answer.text == expected.text
        assert answer.usage_metadata["input_tokens"] == model.get_num_tokens_from_messages([HumanMessage(INPUTS[0])])
        assert "".join(chunk.text for chunk in model.stream(INPUTS[0])) == expected.text
        assert [one.text for one in model.batch([INPUTS[0], "x"])] == [
            one.text for one in llm.batch([INPUTS[0], "x"], max_tokens=9)
        ]


async def test_answers_are_awaited() -> None:
    with counting_server() as server:
        model = served(server, max_tokens=5)
        expected = counting_llm().invoke(INPUTS[0], max_tokens=5).text
        assert (await model.ainvoke(INPUTS[0])).text == expected
        assert "".join([chunk.text async for chunk in model.astream(INPUTS[0])]) == expected


def test_an_answer_that_was_begun_is_continued_and_the_limit_is_one_that_all_servers_know() -> None:
    with counting_server() as server:
        served(server, max_tokens=4).invoke([HumanMessage("Repeat: one"), AIMessage("one")])
        body = server.requests[-1][1]
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    assert body["max_tokens"] == 4
    assert "max_completion_tokens" not in body


def test_tools_and_structured_output_are_those_of_chat_openai() -> None:
    schema = {"title": "Number", "type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]}
    with counting_server() as server:
        model = served(server, max_tokens=40)
        assert model.with_structured_output(schema).invoke("Which number?")["n"] in (1, 2)
        bound: Any = model.bind_tools([count], tool_choice="count")
        assert bound.kwargs["tools"][0]["function"]["name"] == "count"
        bound.invoke("Count.")
        assert server.requests[-1][1]["tools"][0]["function"]["name"] == "count"


def test_tokens_are_those_of_the_model() -> None:
    llm = counting_llm()
    with counting_server() as server:
        model = served(server)
        messages = [HumanMessage("How many? <|im_end|>"), AIMessage("Two")]
        assert model.get_num_tokens_from_messages(messages) == llm.get_num_tokens_from_messages(messages)
        assert model.get_num_tokens_from_messages([]) == 0
        assert model.get_token_ids(" two trees") == llm.get_token_ids(" two trees")
        assert model.token_offsets("two trees") == llm.token_offsets("two trees")
        assert (model.layout, model.context_window) == ("chat", tiny.WINDOW)
        assert model.prompt_changes(messages) == llm.prompt_changes(messages)


def test_a_completion_that_does_not_fit_is_refused_before_it_is_sent() -> None:
    with counting_server() as server:
        model = served(server, max_tokens=tiny.WINDOW)
        with pytest.raises(ContextWindowExceeded):
            model.invoke("one")
        assert "/v1/chat/completions" not in server.paths()


def test_errors_of_the_server_are_errors_of_llmkit() -> None:
    with counting_server() as server:
        model = served(server, max_retries=0)
        assert model.exactness == "exact"
        server.before.append(lambda path, body, handler: handler.send(500, {"error": {"message": "broken"}}) or True)
        for call in (model.invoke, lambda text: list(model.stream(text))):
            with pytest.raises(ServerError, match="could not answer"):
                call("one")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"base_url": "localhost", "model": "a"}, "base_url is 'localhost'"),
        ({"base_url": "http://localhost", "model": ""}, "model is ''"),
        ({"base_url": "http://localhost", "model": "a", "temperature": "hot"}, "temperature"),
        ({"base_url": "http://localhost", "model": "a", "context_window": -1}, "context_window"),
    ],
)
def test_wrong_arguments_are_input_errors(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ServedChat(**arguments)


def test_the_key_of_openai_is_not_sent_to_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    model = ServedChat("http://127.0.0.1:1", "a")
    assert model.openai_api_key.get_secret_value() != "sk-of-openai"
    monkeypatch.setenv("LLMKIT_API_KEY", "sk-of-the-server")
    assert ServedChat("http://127.0.0.1:1", "a").openai_api_key.get_secret_value() == "sk-of-the-server"
    assert issubclass(ServedChat, BaseChatOpenAI)


def test_a_missing_package_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain_openai", None)
    monkeypatch.delitem(sys.modules, "llmkit.models.served")
    with pytest.raises(InputError, match=r"pip install 'llmkit\[served\]'"):
        importlib.import_module("llmkit.models.served")


def test_plain_text_is_scored_and_completed_as_by_the_completion_model() -> None:
    llm = counting_llm().as_completion()
    with counting_server() as server:
        model = served(server).as_completion()
        np.testing.assert_allclose(
            model.score(["one two"], CONTINUATIONS), llm.score(["one two"], CONTINUATIONS), atol=1e-3
        )
        assert model.get_num_tokens_from_messages("one two") == llm.get_num_tokens_from_messages("one two")
        assert (model.context_window, model.exactness, model.refusal) == (tiny.WINDOW, "exact", "")
        server.before.append(lambda path, body, handler: handler.send(200, {"choices": [{"text": " three"}]}) or True)
        assert model.invoke("one two", max_tokens=1) == " three"
        assert server.requests[-1] == (
            "/v1/completions",
            {"model": NAME, "prompt": "one two", "temperature": 0, "max_tokens": 1},
        )
