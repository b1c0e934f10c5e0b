"""`fit` accepts any LangChain model that can count tokens, and refuses all others."""

import pytest
from langchain_core.language_models import FakeListChatModel, FakeListLLM

from llmkit.errors import ContextWindowExceeded, PromptError
from llmkit.prompts import TaskPrompt
from tests.support.counting import CountingChat, example_of_words


class Served(FakeListChatModel):
    """A LangChain chat model that counts words."""

    responses: list[str] = ["x"]  # noqa: RUF012


def test_any_langchain_model_that_counts_tokens_is_accepted():
    model = Served(custom_get_token_ids=lambda text: list(range(len(text.split()))))
    prompt = TaskPrompt("Say it.", examples=[example_of_words(5), example_of_words(20)])
    with pytest.raises(PromptError, match="Served does not say how long its context window is: pass context_window="):
        prompt.fit("x", model=model, max_new_tokens=10)
    fitted = prompt.fit("x", model=model, max_new_tokens=10, context_window=30)
    assert fitted.tokens == model.get_num_tokens_from_messages(fitted.messages) == 13
    model.profile = {"max_input_tokens": 30}
    assert prompt.fit("x", model=model, max_new_tokens=10) == fitted


def test_a_bound_model_is_fitted_like_the_model():
    prompt = TaskPrompt("Say it.", examples=[example_of_words(5)])
    bound = CountingChat().bind(temperature=0).bind(stop=["x"])
    assert prompt.fit("x", model=bound, max_new_tokens=9) == prompt.fit("x", model=CountingChat(), max_new_tokens=9)


def test_an_object_that_is_not_a_model_is_refused():
    with pytest.raises(PromptError, match="model is TaskPrompt, but must be"):
        TaskPrompt("x").fit("x", model=TaskPrompt("x"), max_new_tokens=1)


def test_a_completion_model_gets_plain_text():
    model = FakeListLLM(responses=["x"], custom_get_token_ids=lambda text: list(range(len(text.split()))))
    prompt = TaskPrompt("Say it.", output_label="It")
    fitted = prompt.fit("x", model=model, max_new_tokens=9, context_window=99)
    assert (fitted.text, fitted.tokens, fitted.layout) == ("Say it.\n\nx\nIt:", 4, "completion")
    with pytest.raises(PromptError, match="FakeListLLM completes text"):
        prompt.fit("x", model=model, max_new_tokens=9, context_window=99, layout="chat")
    with pytest.raises(PromptError, match="layout is 'poem'"):
        prompt.fit("x", model=model, max_new_tokens=9, context_window=9, layout="poem")  # type: ignore[arg-type]


def test_a_model_without_a_tokenizer_is_refused():
    with pytest.raises(PromptError, match="custom_get_token_ids"):
        TaskPrompt("x").fit("x", model=Served(), max_new_tokens=1, context_window=10)


def test_a_model_that_only_counts_messages_is_accepted():
    class Remote(Served):
        def get_num_tokens_from_messages(self, messages, tools=None):
            return sum(len(message.content.split()) + 3 for message in messages)

    prompt = TaskPrompt("Say it.", examples=[example_of_words(5), example_of_words(25)])
    assert prompt.fit("x", model=Remote(), max_new_tokens=10, context_window=40).tokens == 21


def test_a_text_that_is_far_too_long_is_not_encoded_as_a_whole(monkeypatch):
    model, sizes = CountingChat(tokenizer_name="chatml", context_window=100), []
    original = CountingChat.get_num_tokens

    def count(self, text):
        sizes.append(len(text))
        return original(self, text)

    monkeypatch.setattr(CountingChat, "get_num_tokens", count)
    with pytest.raises(ContextWindowExceeded) as raised:
        TaskPrompt("Shorten it.").fit("word " * 100_000, model=model, max_new_tokens=8)
    assert 50_000 < raised.value.needed < 1_000_000
    assert max(sizes) <= 100_000


def test_a_long_text_of_few_tokens_fits():
    class FewTokens(CountingChat):
        def get_num_tokens(self, text):
            return 1 + len(text) // 1000

        def get_num_tokens_from_messages(self, messages, tools=None):
            return 1 + sum(len(message.content) for message in messages) // 1000

    model = FewTokens(tokenizer_name="chatml", context_window=100)
    assert TaskPrompt("Shorten it.").fit("word " * 10_000, model=model, max_new_tokens=8).tokens < 100
