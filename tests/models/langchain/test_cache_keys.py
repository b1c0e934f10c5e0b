"""LangChain's cache gives an answer again only to the same call of a model with the same content."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.tools import tool

from llmkit import HuggingFaceChat, HuggingFaceLLM
from tests.support import tiny
from tests.support.models import PROMPT, each_pass


class CountingCache(InMemoryCache):
    def __init__(self):
        super().__init__()
        self.hits = 0

    def lookup(self, prompt, llm_string):
        found = super().lookup(prompt, llm_string)
        self.hits += found is not None
        return found


@pytest.fixture
def cache():
    cache = CountingCache()
    set_llm_cache(cache)
    yield cache
    set_llm_cache(None)


def llama():
    return copy.deepcopy(tiny.make("llama").model)


def changed(model):
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight[3, 5] += 1e-3
    return model


def other_template(tokenizer):
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.chat_template = "{% for m in messages %}Q: {{ m.content }}\nA:{% endfor %}"
    return tokenizer


def with_token(tokenizer):
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.add_tokens(["zzz"])
    return tokenizer


def scaled_rope(model):
    model = type(model)(copy.deepcopy(model.config))
    model.config.rope_parameters = {"rope_type": "default", "rope_theta": 500.0}
    return model.eval()


def make(cls, model=None, tokenizer=None, **options):
    options = {"temperature": 0, "max_new_tokens": 4, "context_window": tiny.WINDOW, **options}
    one = tiny.make("llama")
    return cls(model=one.model if model is None else model, tokenizer=tokenizer or one.tokenizer, **options)


classes = pytest.mark.parametrize("cls", [HuggingFaceChat, HuggingFaceLLM])


@classes
def test_equal_content_shares_answers(cls, cache):
    first = make(cls).invoke(PROMPT)
    again = make(cls, llama(), copy.deepcopy(tiny.make("llama").tokenizer)).invoke(PROMPT)
    assert cache.hits == 1
    assert getattr(again, "text", again) == getattr(first, "text", first)


@classes
def test_other_content_shares_none(cls, cache):
    one = tiny.make("llama")
    configured = one.configured(repetition_penalty=1.5).model
    models = [one.model, changed(llama()), llama().to(torch.bfloat16), configured, scaled_rope(one.model)]
    tokenizers = [other_template(one.tokenizer), with_token(one.tokenizer)]
    llms = [make(cls, model) for model in models] + [make(cls, tokenizer=tokenizer) for tokenizer in tokenizers]
    llms.append(make(cls, context_window=64))
    for llm in llms:
        llm.invoke(PROMPT)
    assert cache.hits == 0
    for llm in llms:
        llm.invoke(PROMPT)
    assert cache.hits == len(llms)


@classes
def test_other_options_of_a_call_share_none(cls, cache):
    llm = make(cls)
    calls = [{}, {"max_new_tokens": 2}, {"stop": ["a"]}, {"repetition_penalty": 2.0}, {"logprobs": True}]
    calls += [{"temperature": 1.0, "seed": 3}, {"temperature": 1.0, "seed": 4}]
    if cls is HuggingFaceChat:
        calls += [{"response_format": {"type": "choice", "options": ["a", word]}} for word in ("b", "c")]
    calls.append({"model": make(cls, changed(llama())).engine})
    for options in calls:
        llm.invoke(PROMPT, **options)
    assert cache.hits == 0
    for options in calls:
        llm.bind(**options).invoke(PROMPT, timeout=60)
    assert cache.hits == len(calls), "a timeout does not change the answer"


def test_tools_are_part_of_the_key(cache):
    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return city

    @tool
    def time(city: str) -> str:
        """Tell the time."""
        return city

    llm = make(HuggingFaceChat, max_new_tokens=64)
    for bound in (llm, llm.bind_tools([weather], tool_choice="none"), llm.bind_tools([time], tool_choice="none")):
        bound.invoke("Hi")
    assert cache.hits == 0
    llm.bind_tools([weather], tool_choice="none").invoke("Hi")
    assert cache.hits == 1


@classes
def test_weights_that_change_later_get_their_own_answers(cls, cache):
    llm = make(cls, llama())
    llm.invoke(PROMPT)
    changed(llm.model)
    llm.invoke(PROMPT)
    assert cache.hits == 0


@classes
async def test_asynchronous_calls_and_batches_use_the_same_keys(cls, cache):
    llm = make(cls)
    llm.invoke(PROMPT, max_new_tokens=2)
    await llm.ainvoke(PROMPT, max_new_tokens=2)
    llm.batch([PROMPT, PROMPT], max_new_tokens=2)
    assert cache.hits == 3
    await llm.ainvoke(PROMPT)
    assert cache.hits == 3


def test_without_a_cache_nothing_is_hashed(monkeypatch):
    llm = make(HuggingFaceChat)
    monkeypatch.setattr(llm.engine, "digest", lambda: pytest.fail("hashed"))
    assert "digest" not in llm._identifying_params
    llm.invoke(PROMPT)
    set_llm_cache(InMemoryCache())
    try:
        make(HuggingFaceChat, cache=False).invoke(PROMPT)
    finally:
        set_llm_cache(None)


def test_a_sampled_answer_is_given_again(cache):
    llm = make(HuggingFaceChat, temperature=1.0)
    first = llm.invoke(PROMPT)
    with each_pass(llm) as passes:
        assert llm.invoke(PROMPT).text == first.text
    assert not passes


SCRIPT = """
import sys
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from tests.models.langchain.test_cache_keys import make, changed, llama
from llmkit import HuggingFaceChat
set_llm_cache(InMemoryCache())
for llm in (make(HuggingFaceChat), make(HuggingFaceChat, changed(llama())), HuggingFaceChat(max_new_tokens=4)):
    print(llm._get_llm_string(stop=["a"], temperature=0))
"""


@pytest.mark.slow
def test_keys_are_the_same_in_another_process(default_model_folder):
    run = [sys.executable, "-c", SCRIPT]
    root = Path(__file__).parents[3]
    first, second = (subprocess.run(run, capture_output=True, text=True, check=True, cwd=root).stdout for _ in range(2))
    assert first == second
    assert len(set(first.split("\n"))) == 4
