"""What chat and completion models share: construction, properties, token counts and timeouts."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import SimpleNamespace

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue

from llmkit.errors import GenerationTimeout, InputError, ModelNotFound
from llmkit.models import HuggingFaceChat, HuggingFaceLLM, batch_sizes
from llmkit.models.langchain import batching
from tests.support.models import chat, completion, each_pass, prompt_ids
from tests.support.tiny import Tiny, make


@pytest.fixture(scope="module")
def model() -> Tiny:
    return make("llama")


def test_model_properties(model):
    llm = HuggingFaceChat(model=model.model, tokenizer=model.tokenizer)
    assert llm.num_parameters == sum(weight.numel() for weight in model.model.parameters())
    assert llm.model_name == "LlamaForCausalLM"


def test_a_catalog_model_has_its_catalog_name_however_it_is_loaded(default_model_folder):
    by_name = HuggingFaceChat(model="smollm2-135m")
    loaded = by_name.engine.loaded
    assert by_name.model_name == by_name.as_completion().model_name == "smollm2-135m"
    assert loaded.model.name_or_path == str(default_model_folder)
    assert HuggingFaceLLM(model=loaded.model, tokenizer=loaded.tokenizer).model_name == "smollm2-135m"
    assert HuggingFaceLLM(str(default_model_folder)).model_name == "smollm2-135m"


def test_as_completion_shares_weights_and_settings(model):
    llm = HuggingFaceChat(model=model.model, tokenizer=model.tokenizer, max_new_tokens=3, temperature=0)
    completion = llm.as_completion()
    assert isinstance(completion, HuggingFaceLLM)
    assert completion.engine is llm.engine
    assert completion.settings == llm.settings
    assert completion.context_window == llm.context_window
    assert completion.as_completion() is completion


def test_the_model_is_the_first_argument(default_model_folder):
    assert HuggingFaceChat("smollm2-135m").engine is HuggingFaceLLM(model="smollm2-135m").engine
    with pytest.raises(ModelNotFound, match="no model is called 'smollm'"):
        HuggingFaceChat("smollm")


def test_langchain_standard_parameters_are_accepted():
    model, tokenizer = make("llama")
    standard = {"temperature": 0, "max_tokens": 7, "timeout": 60, "stop": ["x"], "max_retries": 2, "api_key": "secret"}
    llm = HuggingFaceChat(model, tokenizer=tokenizer, **standard)
    assert (llm.settings.max_new_tokens, llm.settings.stop, llm.timeout, llm.max_retries) == (7, ("x",), 60, 2)
    assert "secret" not in repr(llm)
    assert llm.invoke("Hi", max_tokens=1, timeout=30, max_retries=1).usage_metadata["output_tokens"] == 1
    for invalid in ({"timeout": 0}, {"timeout": "soon"}, {"max_retries": -1}, {"base_url": "http://localhost"}):
        with pytest.raises(InputError, match=next(iter(invalid))):
            chat("llama", **invalid)


@pytest.fixture
def advance_clock(monkeypatch):
    """Replace the clock by one on which each forward pass takes a second; return the callback for `each_pass`."""
    now = [0.0]
    monkeypatch.setattr(batching, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def tick(_: int) -> None:
        now[0] += 1

    return tick


@pytest.mark.parametrize("make_llm", [chat, completion])
@pytest.mark.parametrize(
    "call",
    [
        lambda llm, **options: llm.invoke("Hi", **options),
        lambda llm, **options: list(llm.stream("Hi", **options)),
        lambda llm, **options: llm.batch(["Hi", "The dog"], **options),
        lambda llm, **options: asyncio.run(llm.ainvoke("Hi", **options)),
        lambda llm, **options: asyncio.run(llm.abatch(["Hi", "The dog"], **options)),
        lambda llm, **options: llm.invoke("Hi", num_beams=2, **options),
    ],
)
def test_a_call_stops_at_its_timeout(make_llm, call, advance_clock):
    llm = make_llm("llama", max_new_tokens=200)
    with (
        each_pass(llm, advance_clock) as passes,
        pytest.raises(GenerationTimeout, match=r"timeout=3\.5 seconds") as caught,
    ):
        call(llm, timeout=3.5)
    assert len(passes) == 4
    assert isinstance(caught.value, TimeoutError)
    assert call(make_llm("llama", max_new_tokens=2), timeout=3.5)


def test_a_batch_keeps_the_answers_that_finish_before_the_timeout(monkeypatch, advance_clock):
    monkeypatch.setattr(batch_sizes, "BATCH_TOKENS", 1)  # each prompt is a separate batch, the longest first
    llm = chat("llama", max_new_tokens=4)
    prompts = ["The quick brown fox", "The dog", "Hi"]
    expected = llm.invoke(prompts[0]).content
    with each_pass(llm, advance_clock):
        results = llm.batch(prompts, timeout=4.5, return_exceptions=True)
    assert results[0].content == expected
    assert [type(result) for result in results[1:]] == [GenerationTimeout] * 2


@pytest.mark.parametrize("make_llm", [chat, completion])
def test_tokens_are_counted_for_every_input_type_of_invoke(make_llm):
    llm = make_llm("llama")
    count = llm.get_num_tokens_from_messages("The dog")
    assert count == len(prompt_ids(llm, "The dog"))
    for prompt in (
        StringPromptValue(text="The dog"),
        [HumanMessage("The dog")],
        [("user", "The dog")],
        [{"role": "user", "content": "The dog"}],
        ChatPromptValue(messages=[HumanMessage("The dog")]),
    ):
        assert llm.get_num_tokens_from_messages(prompt) == count


def test_tokens_of_tools_are_counted():
    llm, tool = chat("llama"), {"name": "look", "description": "Look.", "parameters": {}}
    assert llm.get_num_tokens_from_messages("The dog", [tool]) > llm.get_num_tokens_from_messages("The dog") + 20
    with pytest.raises(InputError, match="use HuggingFaceChat"):
        completion("llama").get_num_tokens_from_messages("The dog", [tool])


def test_do_sample_sets_the_temperature():
    assert chat("llama", temperature=None, do_sample=False).settings.temperature == 0
    assert chat("llama", temperature=None, do_sample=True).settings.temperature == 1
    assert chat("llama", temperature=0.3, do_sample=True).settings.temperature == 0.3
    for invalid in ({"temperature": 0, "do_sample": True}, {"temperature": 0.5, "do_sample": False}, {"do_sample": 1}):
        with pytest.raises(InputError, match="do_sample is"):
            chat("llama", **{"temperature": None, **invalid})


def test_threads_that_load_the_same_model_share_it(default_model_folder):
    llm, barrier = chat("llama"), Barrier(4)

    def find(_: int) -> object:
        barrier.wait()
        return llm.engine_for("smollm2-135m")

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(find, range(4)))) == 1


def test_repr_has_the_model_and_the_settings_that_differ_from_the_defaults() -> None:
    made = make("llama")
    llm = HuggingFaceChat(model=made.model, tokenizer=made.tokenizer, temperature=0.5)
    assert repr(llm) == f"HuggingFaceChat(model={llm.model_name!r}, temperature=0.5)"


@pytest.mark.parametrize("window", [True, False])
def test_a_context_window_is_a_number(model, window):
    with pytest.raises(InputError, match=f"context_window is {window}, but must be a whole number of tokens"):
        HuggingFaceChat(model=model.model, tokenizer=model.tokenizer, context_window=window)
