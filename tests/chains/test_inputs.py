"""Texts that are too long are refused before a model counts or reads them."""

from typing import Any

import pytest
from langchain_core.documents import Document

from llmkit.chains import NERChain, SummarizationChain, ZeroShotClassificationChain
from llmkit.chains.inputs import MAX_CHARACTERS, parse_text, validate_length
from llmkit.errors import InputError
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
