"""A text is rendered and encoded once, many texts in few calls, and the tokens are those of each alone."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from llmkit import HuggingFaceChat
from llmkit.chains import NERChain, ZeroShotClassificationChain
from llmkit.errors import ContextWindowExceeded
from llmkit.models.tokens import chat_template, template_renderer
from llmkit.models.tokens.chat_template import PromptEncoder
from llmkit.models.tokens.recent import Recent
from llmkit.models.tokens.special_tokens import encode, encode_batch
from llmkit.models.tokens.template_process import TEMPLATES
from llmkit.prompts import FittedPrompt, TaskPrompt
from tests.support.models import chat
from tests.support.tokenizers import chatml_tokenizer, gpt2_tokenizer, inst_tokenizer, t5_tokenizer

TEXTS = ["The dog sleeps on.", "What is the capital of France?", "東京 is", " the", "\n", "a </s> b", "x"]


def encoder_of(tokenizer: object) -> PromptEncoder:
    return PromptEncoder(tokenizer, is_encoder_decoder=False)  # type: ignore[arg-type]


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count how often each text is encoded, and how many requests render templates."""
    found: Counter[str] = Counter()
    render_all = TEMPLATES.render_all

    def one(backend: object, text: str, **options: bool) -> object:
        found[text] += 1
        return encode(backend, text, **options)  # type: ignore[arg-type]

    def many(backend: object, texts: list[str]) -> object:
        found.update(texts)
        return encode_batch(backend, texts)  # type: ignore[arg-type]

    def render(arguments: object) -> object:
        found["requests"] += 1
        return render_all(arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(chat_template, "encode", one)
        patch.setattr(chat_template, "encode_batch", many)
        patch.setattr(TEMPLATES, "render_all", render)
        yield found


@pytest.mark.parametrize("make", [chatml_tokenizer, gpt2_tokenizer, inst_tokenizer, t5_tokenizer])
def test_continuations_together_have_the_tokens_of_each_alone(make: object) -> None:
    encoder = encoder_of(make())  # type: ignore[operator]
    for texts in (TEXTS, [text for text in TEXTS if "<" not in text], []):
        assert encoder.encode_continuations(texts) == [encoder.encode_continuation(text) for text in texts]


@pytest.mark.parametrize("make", [chatml_tokenizer, gpt2_tokenizer, inst_tokenizer])
def test_conversations_encoded_ahead_have_the_tokens_of_each_alone(make: object) -> None:
    conversations = [
        *([HumanMessage(text)] for text in TEXTS),
        [HumanMessage("Hello."), AIMessage("The answer is")],
        [SystemMessage("Be brief."), HumanMessage("Hello."), AIMessage("Yes."), HumanMessage("Why?")],
        [AIMessage("refused by some templates"), AIMessage("twice")],
        [HumanMessage("half a pair \ud800")],
        [],
    ]
    ahead, alone = encoder_of(make()), encoder_of(make())  # type: ignore[operator]
    ahead.encode_ahead(conversations, {})
    for messages in conversations[:-2]:
        assert ahead.encode_messages(messages) == alone.encode_messages(messages)


def test_conversations_encoded_ahead_are_rendered_in_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = encoder_of(chatml_tokenizer())
    conversations = [[HumanMessage(f"Question number {number}, is it?")] for number in range(20)]
    with counted(monkeypatch) as found:
        encoder.encode_ahead(conversations, {})
        for messages in conversations:
            encoder.encode_messages(messages)
            encoder.changes(messages)
    assert found.pop("requests") == 1
    assert sorted(found.values()) == [1] * 20


def test_templates_that_write_the_time_are_rendered_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = copy.deepcopy(chatml_tokenizer())  # other tests have it too
    tokenizer.chat_template = "{{ strftime_now('%Y') }}" + str(tokenizer.chat_template)
    encoder = encoder_of(tokenizer)
    with counted(monkeypatch) as found:
        encoder.encode_ahead([[HumanMessage("Which year is it now?")]], {})
        for _ in range(2):
            encoder.encode_messages([HumanMessage("Which year is it now?")])
    assert found["requests"] >= 2
    assert template_renderer._IS_NOT_CONSTANT.search("{{ items | random }}")


def test_recent_results_are_kept_up_to_a_size() -> None:
    recent: Recent[str] = Recent(10)
    for key in "abc":
        recent.put(key, key.upper(), 4)
    assert [recent.get(key) for key in "abc"] == [None, "B", "C"]
    recent.get("b")
    recent.put("d", "D", 4)
    assert [recent.get(key) for key in "bcd"] == ["B", None, "D"]
    recent.put("large", "L", 11)
    assert recent.get("large") is None
    assert recent.get("d") == "D"


@pytest.mark.slow
@pytest.mark.parametrize("shown", [False, True])
def test_each_prompt_of_a_classification_is_rendered_and_encoded_once(
    default_llm: HuggingFaceChat, monkeypatch: pytest.MonkeyPatch, shown: bool
) -> None:
    examples = [{"input": f"Example {n} of a match.", "output": "sports"} for n in range(4)] if shown else []
    chain = ZeroShotClassificationChain(
        default_llm, ["sports", "politics"], examples=examples, show_examples=shown or None
    )
    chain.invoke("The first text measures the prior.")
    texts = [f"The match number {number} ended 3 to 2 after extra time." for number in range(6)]
    with counted(monkeypatch) as found:
        chain.batch(texts)
    assert found.pop("requests") == 1
    assert all(sum(text in encoded and encoded.startswith("<|im_start|>") for encoded in found) == 1 for text in texts)
    assert max(found.values()) == 1


@pytest.mark.slow
def test_each_text_of_an_entity_chain_is_encoded_once(
    default_llm: HuggingFaceChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = NERChain(default_llm)
    chain.invoke("It was cold.")
    with counted(monkeypatch) as found:
        chain.batch(["Ada Lovelace was born in London.", "Maria Holm works for Acme in Lisbon."])
    assert found.pop("requests") == 1
    prompts = [text for text in found if text.startswith("<|im_start|>") and ("Ada" in text or "Maria" in text)]
    assert {found[text] for text in prompts} == {1}


def test_a_text_that_is_far_too_long_is_not_encoded_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    llm, long = chat("llama"), "The dog sleeps on. " * 20_000
    with counted(monkeypatch) as found:
        failed, fitted = TaskPrompt("Which animal?").fit_all([long, "The dog sleeps on."], model=llm, max_new_tokens=1)
    assert isinstance(failed, ContextWindowExceeded)
    assert isinstance(fitted, FittedPrompt)
    assert max(map(len, found)) < len(long) / 2
