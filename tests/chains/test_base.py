"""Every chain is a tool for an agent, says what it accepts and returns, and needs a model, not a name."""

import asyncio
import json
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, ToolCall, ToolMessage

from llmkit.chains import (
    Classification,
    Entities,
    NERChain,
    QAChain,
    SummarizationChain,
    WebQAChain,
    ZeroShotClassificationChain,
)
from llmkit.errors import InputError
from tests.support.classification import tiny_llm
from tests.support.models import chat

LABELS = ["the dog", "Paris"]
TEXT = "The dog is in Paris."


def classification() -> ZeroShotClassificationChain:
    return ZeroShotClassificationChain(chat("llama"), LABELS)


def entities() -> NERChain:
    return NERChain(chat("llama", context_window=1024), ["person"], descriptions={"person": "a man"}, max_words=2)


CHAINS: dict[str, tuple[Any, set[str]]] = {
    "classification": (classification, {"text"}),
    "entities": (entities, {"text"}),
    "summary": (lambda: SummarizationChain(chat("llama")), {"text"}),
    "answer": (lambda: QAChain(chat("llama")), {"question", "context"}),
    "web answer": (lambda: WebQAChain(chat("llama")), {"question", "url"}),
}
every = pytest.mark.parametrize("name", CHAINS)


@every
def test_a_chain_as_a_tool_has_a_name_a_description_and_arguments(name: str) -> None:
    make, arguments = CHAINS[name]
    tool = make().as_tool()
    assert set(tool.args) == arguments
    assert all(argument.get("description") for argument in tool.args.values())
    assert tool.name.isidentifier()
    assert tool.description.endswith(".")
    renamed = make().as_tool(name="other", description="Does it.")
    assert (renamed.name, renamed.description) == ("other", "Does it.")


@every
def test_a_chain_has_input_and_output_types(name: str) -> None:
    make, arguments = CHAINS[name]
    chain = make()
    accepted = json.dumps(chain.get_input_schema().model_json_schema())
    assert all(f'"{argument}"' in accepted for argument in arguments)
    assert chain.get_output_schema() is chain.OutputType


@pytest.mark.parametrize(("make", "result"), [(classification, Classification), (entities, Entities)])
def test_a_tool_returns_the_result_as_json(make: Any, result: Any) -> None:
    chain = make()
    tool = chain.as_tool()
    wanted = chain.invoke(TEXT)
    for answer in (tool.invoke({"text": TEXT}), tool.invoke(TEXT), asyncio.run(tool.ainvoke(TEXT))):
        assert result.model_validate_json(answer).model_dump(exclude={"scores", "entities"}) == wanted.model_dump(
            exclude={"scores", "entities"}
        )
    message = tool.invoke(ToolCall(name=tool.name, args={"text": TEXT}, id="1", type="tool_call"))
    assert isinstance(message, ToolMessage)
    assert result.model_validate_json(message.text)


def test_a_text_can_be_in_a_dictionary_with_other_keys() -> None:
    chain = classification()
    wanted = chain.invoke(TEXT)
    for same in ({"text": TEXT}, {"text": Document(TEXT), "id": 3}, Document(TEXT)):
        assert chain.invoke(same).scores == pytest.approx(wanted.scores, abs=1e-6)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the input has the keys 'txt', but must have 'text'"):
        chain.invoke({"txt": TEXT})  # type: ignore[typeddict-item]


def test_a_model_message_as_input_raises_an_error_that_suggests_a_parser() -> None:
    with pytest.raises(InputError, match=r"the text is AIMessage, .*: put StrOutputParser\(\) between the two"):
        classification().invoke(AIMessage("The dog."))  # type: ignore[arg-type]


def test_a_subclass_has_the_same_input_and_output_types() -> None:
    class Own(NERChain):
        """A user's own."""

    assert Own(chat("llama", context_window=1024)).OutputType is Entities


@pytest.mark.parametrize("make", [lambda llm: ZeroShotClassificationChain(llm, LABELS), NERChain, QAChain, WebQAChain])
def test_a_model_name_instead_of_a_model_raises_an_error(make: Any) -> None:
    with pytest.raises(InputError, match=r"llm is the name 'tiny', but must be a model: HuggingFaceChat\('tiny'\)"):
        make("tiny")
    with pytest.raises(InputError, match="llm is a number, but must be a LangChain model"):
        make(3)


def test_repr_has_the_model_and_the_labels() -> None:
    llm = tiny_llm("llama")
    chain = ZeroShotClassificationChain(llm, labels=["a", "b"])
    assert repr(chain) == f"ZeroShotClassificationChain(llm={llm!r}, labels=('a', 'b'))"
