"""A tokenizer that was changed after the model object was made is used as it is now."""

import copy

import pytest

from llmkit import HuggingFaceChat
from llmkit.prompts import TaskPrompt
from llmkit.prompts.context_budget import ContextBudget
from tests.support import tiny

TEXT = "The dog is a fox"
SCHEMA = {"title": "n", "type": "object", "properties": {"n": {"type": "boolean"}}, "required": ["n"]}
TEMPLATE = "{% for m in messages %}Q: {{ m.content }}\nA:{% endfor %}"


def chat_of(model, tokenizer):
    return HuggingFaceChat(
        model=model, tokenizer=tokenizer, temperature=0, max_new_tokens=8, context_window=tiny.WINDOW
    )


def results(llm):
    return [
        llm.layout,
        llm.get_num_tokens(TEXT),
        llm.get_num_tokens_from_messages([("user", TEXT)]),
        llm.invoke(TEXT).text,
        llm.with_structured_output(SCHEMA, max_new_tokens=20).invoke(TEXT),
        llm.score([TEXT], ["dog"]).round(3).tolist(),
        TaskPrompt("Sum up.", layout="completion").fit(TEXT, model=llm.as_completion(), max_new_tokens=8).tokens,
    ]


CHANGES = {
    "template": lambda tokenizer: setattr(tokenizer, "chat_template", TEMPLATE),
    "no-template": lambda tokenizer: setattr(tokenizer, "chat_template", None),
    "tokens": lambda tokenizer: tokenizer.add_tokens(["dog"]),
    "special-tokens": lambda tokenizer: tokenizer.add_special_tokens({"additional_special_tokens": ["<x>", "dog"]}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_tokenizer_is_noticed(name):
    tokenizer, model = copy.deepcopy(tiny.make("llama").tokenizer), copy.deepcopy(tiny.make("llama").model)
    llm = chat_of(model, tokenizer)
    before, digest = results(llm), llm.engine.digest()
    CHANGES[name](tokenizer)
    if len(tokenizer) > model.config.vocab_size:
        model.resize_token_embeddings(len(tokenizer))
    assert results(llm) == results(chat_of(model, tokenizer)) != before
    assert llm.engine.digest() != digest


def test_cached_counts_end_with_the_tokenizer_that_counted():
    tokenizer, model = copy.deepcopy(tiny.make("llama").tokenizer), copy.deepcopy(tiny.make("llama").model)
    llm = chat_of(model, tokenizer)
    ContextBudget(llm).count_cached(TEXT)
    assert ContextBudget(llm)._cached == {TEXT: llm.get_num_tokens(TEXT)}
    tokenizer.add_tokens(["fox"])
    assert ContextBudget(llm)._cached == {}


def test_the_end_token_that_is_set_later_ends_structured_output():
    model = copy.deepcopy(tiny.make("llama").model)
    llm = chat_of(model, tiny.make("llama").tokenizer)
    factory = llm.engine.constraints
    model.generation_config.eos_token_id = [*llm.engine.loaded.eos_token_ids, 7]
    assert llm.engine.constraints is not factory
