"""A text is scored from its beginning, behind the token that begins a text."""

import math

import pytest
import torch
from langchain_core.messages import HumanMessage

from llmkit.errors import InputError
from tests.support import tiny
from tests.support.models import chat, completion

TEXT = "The dog sleeps on."


@pytest.mark.parametrize("name", ["gpt2", "mistral", "opt", "mamba"])
def test_the_score_behind_an_empty_prompt_is_that_of_the_whole_text(name: str) -> None:
    llm, (model, tokenizer) = completion(name), tiny.make(name)
    ids = tokenizer(TEXT, add_special_tokens=False).input_ids
    whole = [tokenizer.bos_token_id, *ids]
    with torch.inference_mode():
        logits = model(torch.tensor([whole])).logits[0, :-1]
    expected = float(logits.log_softmax(-1)[range(len(ids)), ids].sum())
    [[score], [again]] = llm.score(["", ""], [TEXT])
    assert score == again == pytest.approx(expected, abs=1e-4)
    assert llm.get_num_tokens(TEXT) == len(ids)


@pytest.mark.parametrize("name", ["gpt2", "mistral"])
def test_the_perplexity_of_a_text_is_that_of_transformers(name: str) -> None:
    llm, (model, tokenizer) = completion(name), tiny.make(name)
    whole = torch.tensor([[tokenizer.bos_token_id, *tokenizer(TEXT, add_special_tokens=False).input_ids]])
    with torch.inference_mode():
        loss = float(model(whole, labels=whole).loss)
    [[score]] = llm.score([""], [TEXT])
    assert math.exp(-score / llm.get_num_tokens(TEXT)) == pytest.approx(math.exp(loss), rel=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "mistral"])
def test_an_empty_prompt_is_the_token_that_begins_a_text(name: str) -> None:
    llm, one = completion(name, max_new_tokens=6), tiny.make(name)
    assert llm.engine.encoder.encode_text("") == [one.tokenizer.bos_token_id]
    assert llm.engine.encoder.encode_text("", special=False) == []
    [expected] = one.reference([one.tokenizer.bos_token_id], max_new_tokens=6)
    assert llm.invoke("") == one.tokenizer.decode(expected, skip_special_tokens=True)
    assert "".join(llm.stream("")) == llm.invoke("")
    assert llm.batch(["", "The dog", ""])[::2] == [llm.invoke("")] * 2
    assert llm.invoke([HumanMessage("")]) == llm.invoke("")
    assert llm.get_num_tokens_from_messages("") == 1


def test_the_token_of_the_configuration_begins_a_text_where_the_tokenizer_has_none() -> None:
    llm = completion("qwen3")
    assert tiny.make("qwen3").tokenizer.bos_token_id is None
    for call in (lambda: llm.invoke(""), lambda: llm.score([""], [TEXT])):
        with pytest.raises(InputError, match="the prompt is empty, but needs at least one token"):
            call()
    model, tokenizer = tiny.make("qwen3").configured(bos_token_id=0)
    other = type(llm)(model=model, tokenizer=tokenizer, context_window=tiny.WINDOW, temperature=0, max_new_tokens=4)
    assert other.engine.encoder.encode_text("") == [0]
    assert other.score([""], [TEXT]).shape == (1, 1)  # type: ignore[union-attr]


def test_an_empty_continuation_and_an_empty_message_are_as_before() -> None:
    with pytest.raises(InputError, match="an empty continuation"):
        completion("gpt2").score(["The"], [""])
    assert chat("llama").score([""], [TEXT]).shape == (1, 1)  # type: ignore[union-attr]
