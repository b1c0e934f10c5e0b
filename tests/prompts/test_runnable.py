"""`prompt.fitted_to(llm) | llm` fits the context window and passes the prompt's stop strings and limit to the model."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableLambda

from llmkit.errors import ContextWindowExceeded, PromptError
from llmkit.models.generation.settings import GenerationSettings
from llmkit.prompts import TaskPrompt
from tests.support.counting import CountingChat, example_of_words


class Recorder(CountingChat):
    """A chat model that records the arguments of each call, and answers with its number of tokens."""

    settings: GenerationSettings = GenerationSettings()
    calls: list[dict[str, Any]] = []  # noqa: RUF012

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        self.calls.append({"stop": stop, **kwargs})
        answer = AIMessage(str(self.get_num_tokens_from_messages(messages)))
        return ChatResult(generations=[ChatGeneration(message=answer)])


def recorder(**fields: Any) -> Recorder:
    return Recorder(calls=[], **fields)


LABELLED = TaskPrompt("Say it.", input_label="{kind}", fields=["kind"], layout="completion")


def test_a_prompt_is_fitted_to_each_input():
    llm = recorder(context_window=120)
    prompt = TaskPrompt("Say the time.", examples=[example_of_words(30), example_of_words(60), example_of_words(20)])
    chain = prompt.fitted_to(llm, max_new_tokens=20) | llm
    for text in ("When?", "When? " * 20):
        fitted = prompt.fit(text, model=llm, max_new_tokens=20)
        assert chain.invoke(text).content == str(fitted.tokens)
        assert chain.invoke({"input": text, "more": "is ignored"}).content == str(fitted.tokens)
        assert prompt.fitted_to(llm, max_new_tokens=20).invoke(text) == fitted
    with pytest.raises(ContextWindowExceeded):
        chain.invoke("When? " * 200)
    assert chain.batch(["When?", "When? " * 200], return_exceptions=True)[0].content == chain.invoke("When?").content


@pytest.mark.parametrize(
    ("bound", "max_new_tokens", "expected", "passed"),
    [
        ({}, None, 33, {}),
        ({"max_new_tokens": 7}, None, 7, {"max_new_tokens": 7}),
        ({"max_tokens": 8}, None, 8, {"max_tokens": 8}),
        ({}, 9, 9, {"max_tokens": 9}),
        ({"max_new_tokens": 7}, 9, 9, {"max_new_tokens": 7}),
    ],
)
def test_the_reserved_tokens_come_from_the_argument_or_the_model(bound, max_new_tokens, expected, passed):
    llm = recorder(settings=GenerationSettings(max_new_tokens=33))
    model = llm.bind(**bound) if bound else llm
    fitter = TaskPrompt("Say it.").fitted_to(model, max_new_tokens=max_new_tokens)
    reserved = {part.name: part.tokens for part in fitter.invoke("x").report.parts}["reserved for the completion"]
    assert reserved == expected
    (fitter | model).invoke("x")
    assert llm.calls == [{"stop": None, **passed}]


def test_a_model_without_max_new_tokens_reserves_at_most_half_its_context_window():
    parts = TaskPrompt("x").fit("x", model=recorder(context_window=100)).report.parts
    assert {part.name: part.tokens for part in parts}["reserved for the completion"] == 50
    parts = TaskPrompt("x").fit("x", model=recorder(context_window=10_000)).report.parts
    assert {part.name: part.tokens for part in parts}["reserved for the completion"] == 512
    with pytest.raises(PromptError, match="CountingChat does not say how long its completions are"):
        TaskPrompt("x").fit("x", model=CountingChat())


def test_stop_strings_are_added_to_those_of_the_model():
    llm = recorder(settings=GenerationSettings(max_new_tokens=5, stop=["END"]))
    (LABELLED.fitted_to(llm) | llm).invoke({"input": "x", "kind": "Text"})
    (LABELLED.fitted_to(llm) | llm.bind(stop=["."])).invoke({"input": "x", "kind": "Text"})
    (TaskPrompt("x").fitted_to(llm) | llm).invoke("x")
    assert [call["stop"] for call in llm.calls] == [["END", "\nText:"], [".", "\nText:"], None]


async def test_every_call_has_the_stop_strings_of_its_input():
    llm = recorder(settings=GenerationSettings(max_new_tokens=5))
    chain = LABELLED.fitted_to(llm) | llm | (lambda answer: answer.content)
    inputs = [{"input": "one", "kind": label} for label in ("A", "B", "A")]
    answers = [chain.invoke(values) for values in inputs]
    assert [call["stop"] for call in llm.calls] == [["\nA:"], ["\nB:"], ["\nA:"]]
    llm.calls.clear()
    assert chain.batch(inputs) == await chain.abatch(inputs) == answers
    assert sorted(call["stop"][0] for call in llm.calls) == ["\nA:"] * 4 + ["\nB:"] * 2
    llm.calls.clear()
    assert "".join(chain.stream(inputs[0])) == answers[0]
    assert [piece async for piece in chain.astream(inputs[0])] == answers[:1]
    assert await chain.ainvoke(inputs[0]) == answers[0]
    assert [call["stop"] for call in llm.calls] == [["\nA:"]] * 3
    assert chain.batch([]) == []


def test_a_runnable_that_is_not_a_model_gets_the_fitted_prompt():
    llm = recorder(settings=GenerationSettings(max_new_tokens=5))
    assert (LABELLED.fitted_to(llm) | RunnableLambda(lambda fitted: fitted.stop)).invoke(
        {"input": "x", "kind": "A"}
    ) == ("\nA:",)


def test_a_completion_model_gets_the_text():
    llm = FakeListLLM(responses=["done"], custom_get_token_ids=lambda text: list(range(len(text.split()))))
    chain = LABELLED.fitted_to(llm, max_new_tokens=5, context_window=99) | llm
    assert chain.invoke({"input": "x", "kind": "A"}) == "done"


def test_invalid_arguments_fail_before_the_first_input():
    with pytest.raises(PromptError, match="does not say how long its context window is"):
        TaskPrompt("x").fitted_to(FakeListLLM(responses=["x"]), max_new_tokens=5)
    with pytest.raises(PromptError, match="max_new_tokens is -1"):
        TaskPrompt("x").fitted_to(recorder(), max_new_tokens=-1)
    with pytest.raises(PromptError, match="model is TaskPrompt"):
        TaskPrompt("x").fitted_to(TaskPrompt("x"), max_new_tokens=5)
    with pytest.raises(PromptError, match="'kind' has no value"):
        LABELLED.fitted_to(recorder()).invoke("x")
    with pytest.raises(PromptError, match="input is missing"):
        LABELLED.fitted_to(recorder()).invoke({"kind": "A"})
