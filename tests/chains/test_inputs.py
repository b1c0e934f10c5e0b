"""Texts that are too long are refused before a model counts or reads them; examples that contradict are noticed."""

from typing import Any

import pytest
from langchain_core.documents import Document

from llmkit.chains import NERChain, QAChain, SummarizationChain, ZeroShotClassificationChain
from llmkit.chains.inputs import MAX_CHARACTERS, parse_text, validate_length
from llmkit.errors import InputError, PromptError
from tests.support.classification import tiny_llm

LONG = "word " * (MAX_CHARACTERS // 5) + "x"


def test_a_text_may_have_the_most_characters() -> None:
    assert len(parse_text(LONG[:-1])) == MAX_CHARACTERS
    with pytest.raises(InputError, match=r"has 5,000,001 characters, more than 5,000,000: divide it, or give the part"):
        validate_length(LONG)


@pytest.mark.parametrize("chain", ["classification", "entities", "summary"])
@pytest.mark.parametrize("given", [LONG, Document(LONG), {"text": LONG}], ids=["text", "document", "dictionary"])
def test_no_chain_counts_a_text_that_is_too_long(monkeypatch: pytest.MonkeyPatch, chain: str, given: Any) -> None:
    llm = tiny_llm("llama")
    made: Any = {
        "classification": lambda: ZeroShotClassificationChain(llm, ["a", "b"]),
        "entities": lambda: NERChain(llm),
        "summary": lambda: SummarizationChain(llm, max_new_tokens=8),
    }[chain]()
    encoded: list[int] = []
    original = llm.engine.encoder._encoding

    def encode(text: str, **options: bool) -> Any:
        encoded.append(len(text))
        return original(text, **options)

    monkeypatch.setattr(llm.engine.encoder, "_encoding", encode)
    with pytest.raises(InputError, match="characters, more than"):
        made.invoke(given)
    assert max(encoded, default=0) < 1000


def _texts(*outputs: Any) -> list[dict[str, Any]]:
    texts = ["It  rains.", "It snows.", "It rains."]
    return [{"input": text, "output": output} for text, output in zip(texts, outputs, strict=True)]


def _named(label: str) -> list[dict[str, str]]:
    return [{"text": "rains", "label": label}]


@pytest.mark.parametrize(
    ("chain", "agree", "contradict"),
    [
        (ZeroShotClassificationChain, _texts("a", "b", "a"), _texts("a", "b", "b")),
        (NERChain, _texts(_named("a"), [], _named("a")), _texts(_named("a"), [], _named("b"))),
        (
            lambda llm, _, examples: QAChain(llm, None, examples=[{**one, "question": "What?"} for one in examples]),
            _texts("rain", "snow", "rain"),
            _texts("rain", "snow", "It rains"),
        ),
    ],
    ids=["classification", "entities", "answers"],
)
def test_examples_with_the_same_text_and_another_output_are_noticed(
    caplog: pytest.LogCaptureFixture, chain: Any, agree: Any, contradict: Any
) -> None:
    llm = tiny_llm("llama")
    chain(llm, ["a", "b"], examples=agree)
    assert not caplog.messages
    chain(llm, ["a", "b"], examples=contradict)
    [says] = caplog.messages
    assert says == "examples 1 and 3 have the same text, but not the same output: correct one, or leave it out"


@pytest.mark.parametrize(
    "chain",
    [
        lambda llm, examples: ZeroShotClassificationChain(llm, ["a", "b"], examples=examples),
        lambda llm, examples: NERChain(llm, examples=examples),
        lambda llm, examples: SummarizationChain(llm, examples=examples),
        lambda llm, examples: QAChain(llm, None, examples=[{**one, "question": "What?"} for one in examples]),
    ],
    ids=["classification", "entities", "summary", "answers"],
)
def test_an_example_without_an_output_is_the_same_error_in_every_chain(chain: Any) -> None:
    with pytest.raises(PromptError, match="example 1 has no 'output'; its keys are 'input'"):
        chain(tiny_llm("llama"), [{"input": "It rains."}])
