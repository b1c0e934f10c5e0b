"""Models that tell no likelihoods choose, held to the list by LangChain's structured output, and the result says so."""

import asyncio
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import FakeListChatModel, FakeListLLM
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable

from llmkit import HuggingFaceChat
from llmkit.chains import Classification, ZeroShotClassificationChain
from llmkit.errors import GenerationError, InputError, PromptError
from llmkit.prompts import LexicalExamples
from tests.support.without_scores import ChatWithoutScores, chat_without_scores

LABELS = ["sports", "politics", "日本", "a label of five words"]
TEXTS = ["The match ended 3 to 2.", "The law was passed.", "東京", "x"]
EXAMPLES = [{"input": "A goal in the last minute", "output": "sports"}, {"input": "An election", "output": "politics"}]


class Rambling(ChatWithoutScores):
    """Calls its tool with a label that is not on the list."""

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        call = {"name": "Classification", "args": {"label": "weather"}, "id": "1"}
        answer = AIMessage("", tool_calls=[call] if "3 to 2" in str(messages) else [])
        return ChatResult(generations=[ChatGeneration(message=answer)])


def test_one_of_the_labels_is_chosen() -> None:
    chain = ZeroShotClassificationChain(chat_without_scores(), LABELS)
    results = chain.batch(TEXTS)
    for found in results:
        assert found.label in LABELS
        assert found == Classification(label=found.label, labels=(found.label,), scores={}, method="structured output")
    assert asyncio.run(chain.ainvoke(TEXTS[0])).label == results[0].label
    assert chain.invoke(TEXTS[1]) == results[1]


def test_any_number_of_the_labels_is_chosen() -> None:
    chain = ZeroShotClassificationChain(chat_without_scores(), LABELS, multi_label=True)
    for found in chain.batch(TEXTS):
        assert set(found.labels) <= set(LABELS)
        assert len(set(found.labels)) == len(found.labels)
        assert found.label == (found.labels[0] if found.labels else None)
        assert (found.scores, found.method) == ({}, "structured output")


@pytest.mark.slow
def test_the_default_model(default_llm: HuggingFaceChat) -> None:
    llm = ChatWithoutScores(llm=HuggingFaceChat(model=default_llm.engine, temperature=0, max_new_tokens=64))
    found = ZeroShotClassificationChain(llm, LABELS[:2]).invoke(TEXTS[0])
    assert found.label in LABELS[:2]
    assert found.method == "structured output"


def test_the_prompt_and_schema_of_a_request() -> None:
    llm = chat_without_scores()
    words = {"sports": "games and matches"}
    ZeroShotClassificationChain(llm, LABELS[:2], words, examples=EXAMPLES).invoke(TEXTS[0])
    [asked] = llm.asked
    assert [each.type for each in asked] == ["system", "human", "ai", "human", "ai", "human", "ai"]
    assert [each.content for each in asked] == [
        "Classify the text into one of these labels: sports (games and matches), politics.",
        "Text: An election",
        "Label: politics",
        "Text: A goal in the last minute",
        "Label: sports",
        "Text: The match ended 3 to 2.",
        "Label:",
    ]


def test_examples_are_chosen_for_each_text() -> None:
    llm = chat_without_scores()
    ZeroShotClassificationChain(llm, LABELS[:2], selector=LexicalExamples(1, examples=EXAMPLES)).invoke("An election")
    ZeroShotClassificationChain(llm, LABELS[:2], examples=EXAMPLES, selector=LexicalExamples(1)).invoke("A goal")
    assert [[each.content for each in asked[1:-1]] for asked in llm.asked] == [
        ["Text: A goal in the last minute", "Label: sports", "Text: An election"],
        ["Text: A goal in the last minute", "Label: sports", "Text: A goal"],
    ]


def test_an_invalid_text_or_answer_does_not_fail_the_rest_of_the_batch() -> None:
    chain = ZeroShotClassificationChain(chat_without_scores(Rambling), LABELS)
    results: list[Any] = chain.batch(["", TEXTS[0], TEXTS[1], "\ud800"], return_exceptions=True)
    assert isinstance(results[0], InputError)
    assert "the model answered {'label': 'weather'}, but the labels are 'sports'" in str(results[1])
    assert "the model answered None" in str(results[2])
    assert isinstance(results[1], GenerationError)
    assert isinstance(results[3], PromptError)
    with pytest.raises(GenerationError, match="weather"):
        chain.invoke(TEXTS[0])


def test_callbacks_see_the_chain_and_the_model() -> None:
    names: list[str] = []

    class Seen(BaseCallbackHandler):
        def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
            names.append(kwargs["name"])

        def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
            names.append("a model")

    ZeroShotClassificationChain(chat_without_scores(), LABELS).invoke(TEXTS[0], {"callbacks": [Seen()]})
    assert names[0] == "ZeroShotClassificationChain"
    assert names.count("a model") == 1


def test_features_that_need_log_likelihoods_raise_an_error() -> None:
    chain = ZeroShotClassificationChain(chat_without_scores(), LABELS)
    for rows in (TEXTS, [{"input": text, "output": label} for text, label in zip(TEXTS, LABELS, strict=True)]):
        with pytest.raises(InputError, match="this model returns no log-likelihoods"):
            chain.calibrate(rows)
    with pytest.raises(
        InputError, match="ChatWithoutScores returns no log-likelihoods, which a threshold needs: leave it out"
    ):
        ZeroShotClassificationChain(chat_without_scores(), LABELS, threshold=0.5)
    with pytest.raises(InputError, match="example 1 has the label 'x'"):
        ZeroShotClassificationChain(chat_without_scores(), LABELS, examples=[{"input": "a", "output": "x"}])


@pytest.mark.parametrize("llm", [FakeListChatModel(responses=["sports"]), FakeListLLM(responses=["sports"])])
def test_a_model_without_structured_output_raises_an_error(llm: Runnable[Any, Any]) -> None:
    says = f"{type(llm).__name__} returns no log-likelihoods and has no structured output: choose another model"
    with pytest.raises(InputError, match=says):
        ZeroShotClassificationChain(llm, LABELS)
