"""A model that tells no likelihoods names entities by structured output; what does not stand in the text is dropped."""

import asyncio
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from llmkit.chains import NERChain, ZeroShotClassificationChain
from llmkit.errors import GenerationError, InputError, PromptError
from llmkit.prompts import TaskPrompt
from tests.support.models import chat
from tests.support.without_scores import ChatWithoutScores, chat_without_scores

TEXT = "Ada Lovelace met Ada in New York, near the New York Times, and 安倍晋三は東京で."
NAMED: list[Any] = [
    {"text": "Ada", "label": "person"},
    {"text": "Ada Lovelace", "label": "person"},
    {"text": "New York", "label": "location"},
    {"text": "New  York Times", "label": "organization"},
    {"text": "Charles Babbage", "label": "person"},
    {"text": "York", "label": "location"},
    {"text": "ork", "label": "location"},
    {"text": "", "label": "location"},
    {"text": "東京", "label": "location"},
]
ANSWERS: dict[str, Any] = {
    "Ada Lovelace met": {"entities": NAMED},
    "nothing": {"entities": []},
    "a ship": {"entities": [{"text": "a ship", "label": "ship"}]},
    "no list": {"entities": "Ada"},
    "no words": {"entities": [{"text": 3, "label": "person"}]},
    "other": {"names": []},
}


class Naming(ChatWithoutScores):
    """Calls its tool with what it was told to answer to each text."""

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.asked.append(messages)
        last = str([each.content for each in messages if each.type == "human"][-1])
        known = [answer for begin, answer in ANSWERS.items() if begin in last]
        calls = [{"name": "Entities", "args": answer, "id": "1"} for answer in known]
        return ChatResult(generations=[ChatGeneration(message=AIMessage("", tool_calls=calls))])


def chain(**options: Any) -> NERChain:
    return NERChain(chat_without_scores(Naming), **options)


def test_each_name_is_located_and_the_longest_is_kept() -> None:
    found = chain().invoke(TEXT)
    assert [(each.text, each.label) for each in found] == [
        ("Ada Lovelace", "person"),
        ("Ada", "person"),
        ("New York", "location"),
        ("New York Times", "organization"),
        ("東京", "location"),
    ]
    assert all(TEXT[each.start : each.end] == each.text and each.score is None for each in found)
    assert [each.start for each in found] == sorted(each.start for each in found)
    assert (found.method, found.calibrated) == ("structured output", False)
    assert chain().invoke("It names nothing.").entities == ()
    assert NERChain(chat("llama")).invoke("The dog is in Paris.").method == "likelihood"


def test_an_invalid_text_or_answer_does_not_fail_the_rest_of_the_batch() -> None:
    texts = ["", TEXT, "It is a ship", "It is no list", "It has no words", "some other", "silent", "\ud800"]
    results: list[Any] = chain().batch(texts, return_exceptions=True)
    assert isinstance(results[0], InputError)
    assert results[1] == chain().invoke(TEXT)
    for each in results[2:7]:
        assert isinstance(each, GenerationError)
        assert "which is no list of names with labels" in str(each)
    assert isinstance(results[7], PromptError)
    with pytest.raises(GenerationError, match="the model answered None"):
        chain().invoke("silent")


def test_the_prompt_and_schema_of_a_request() -> None:
    llm = chat_without_scores(Naming)
    examples = [{"input": "Bob sat.", "output": [{"text": "Bob", "label": "person"}]}]
    words = {"place": "a city, a country"}
    NERChain(llm, ["person", "place"], descriptions=words, examples=examples).invoke("It names nothing.")
    [asked] = llm.asked
    assert [each.type for each in asked] == ["system", "human", "ai", "human", "ai"]
    assert [each.content for each in asked] == [
        "Find every name in the text that is one of these: person, place (a city, a country). Copy each name exactly "
        "as it stands in the text, and say which of them it is.",
        "Text: Bob sat.",
        'Entities: {"entities": [{"text": "Bob", "label": "person"}]}',
        "Text: It names nothing.",
        "Entities:",
    ]


def test_a_custom_prompt_is_used() -> None:
    llm = chat_without_scores(Naming)
    NERChain(llm, structured_prompt=TaskPrompt("Names?", output_label="Found")).invoke("nothing")
    assert llm.asked[0][0].content == "Names?"
    with pytest.raises(PromptError, match="fields that this chain cannot fill: tone"):
        NERChain(llm, structured_prompt=TaskPrompt("Names, {tone}?", fields=["tone"]))


def test_a_random_model_is_constrained_to_the_schema() -> None:
    """Whatever it writes is dropped if it does not stand in the text, and is a list of names with labels."""
    ner = NERChain(chat_without_scores(), ["person", "location"])
    texts = ["The dog is in Paris.", "a b c d e f g"]
    results: list[Any] = ner.batch(texts, return_exceptions=True)
    for text, found in zip(texts, results, strict=True):
        assert isinstance(found, GenerationError) or all(
            text[each.start : each.end] == each.text and each.label in ner.labels for each in found
        )
    assert list(map(repr, asyncio.run(ner.abatch(texts, return_exceptions=True)))) == list(map(repr, results))


def test_a_model_without_structured_output_raises_an_error() -> None:
    with pytest.raises(InputError, match="FakeListChatModel returns no log-likelihoods and has no structured output"):
        NERChain(FakeListChatModel(responses=["Ada"]))
    with pytest.raises(InputError, match="example 1 has the label 'ship'"):
        chain(examples=[{"input": "Ada", "output": [{"text": "Ada", "label": "ship"}]}])


@pytest.mark.parametrize("make", [lambda llm, **given: ZeroShotClassificationChain(llm, ["a", "b"], **given), NERChain])
def test_each_prompt_requires_its_type_of_model(make: Any) -> None:
    with pytest.raises(InputError, match="structured_prompt is given, but HuggingFaceChat returns log-likelihoods"):
        make(chat("llama"), structured_prompt="entities")
    with pytest.raises(InputError, match="prompt is given, but Naming returns no log-likelihoods: give structured_pro"):
        make(chat_without_scores(Naming), prompt="mentions")
