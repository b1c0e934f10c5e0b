"""What a chat model and a completion model tell about themselves, and how they are made."""

import pytest

from llmkit.models import HuggingFaceChat, HuggingFaceLLM
from tests.support.tiny import Tiny, make


@pytest.fixture(scope="module")
def model() -> Tiny:
    return make("llama")


def test_facts(model):
    llm = HuggingFaceChat(model=model.model, tokenizer=model.tokenizer)
    assert llm.num_parameters == sum(weight.numel() for weight in model.model.parameters())
    assert llm.model_name == "LlamaForCausalLM"


def test_the_catalogs_model_has_its_name_however_it_is_loaded(default_model_folder):
    by_name = HuggingFaceChat(model="smollm2-135m")
    loaded = by_name.engine.loaded
    assert by_name.model_name == by_name.as_completion().model_name == "smollm2-135m"
    assert loaded.model.name_or_path == str(default_model_folder)
    assert HuggingFaceLLM(model=loaded.model, tokenizer=loaded.tokenizer).model_name == "smollm2-135m"


def test_the_completion_view_shares_weights_and_settings(model):
    llm = HuggingFaceChat(model=model.model, tokenizer=model.tokenizer, max_new_tokens=3, temperature=0)
    completion = llm.as_completion()
    assert isinstance(completion, HuggingFaceLLM)
    assert completion.engine is llm.engine
    assert completion.settings == llm.settings
    assert completion.context_window == llm.context_window
    assert completion.as_completion() is completion
