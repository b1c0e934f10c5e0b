"""Input that is invalid or exceeds the context window raises a clear error before any computation."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from llmkit import HuggingFaceChat
from llmkit.errors import (
    ConstraintError,
    ContextWindowExceeded,
    InputError,
    PromptError,
    SettingsError,
)
from llmkit.models.kv_cache import prefix_cache
from tests.support import tiny
from tests.support.models import PROMPT, attention_architectures, chat, completion, each_pass, prompt_ids
from tests.support.schemas import Town


@pytest.fixture
def llm() -> HuggingFaceChat:
    return chat("llama", max_new_tokens=12)


@attention_architectures
def test_input_beyond_the_context_window_fails_before_any_computation(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(prefix_cache.BLOCK_TOKENS, "cpu", tiny.WINDOW)  # each prompt is one pass
    llm = chat(name)
    long = "the dog " * 600
    with each_pass(llm) as passes:
        for call in (
            lambda: llm.invoke(long),
            lambda: list(llm.stream(long)),
            lambda: llm.batch(["Hi", long]),
            lambda: asyncio.run(llm.ainvoke(long)),
            lambda: llm.score([long], ["yes"]),
        ):
            with pytest.raises(ContextWindowExceeded) as caught:
                call()
            assert caught.value.available == tiny.WINDOW
            assert caught.value.needed > tiny.WINDOW
        if name not in ("t5", "bart"):
            with pytest.raises(ContextWindowExceeded):
                llm.invoke(PROMPT, max_new_tokens=tiny.WINDOW)
    assert len(passes) <= 24, "only the prompt that fits is computed"


@pytest.mark.slow
def test_an_answer_can_fill_the_context_window_to_the_last_token() -> None:
    llm = chat("llama")
    limit = tiny.WINDOW - len(prompt_ids(llm, PROMPT))
    assert llm.invoke(PROMPT, max_new_tokens=limit).usage_metadata == {
        "input_tokens": tiny.WINDOW - limit,
        "output_tokens": limit,
        "total_tokens": tiny.WINDOW,
    }
    with pytest.raises(ContextWindowExceeded) as caught:
        llm.invoke(PROMPT, max_new_tokens=limit + 1)
    assert (caught.value.needed, caught.value.available) == (tiny.WINDOW + 1, tiny.WINDOW)
    assert llm.bind(max_new_tokens=None).invoke(PROMPT).usage_metadata["total_tokens"] == tiny.WINDOW


def test_invalid_messages_raise_an_error_that_names_the_cause() -> None:
    with pytest.raises(InputError, match="at least one message"):
        chat("llama").invoke([])
    image_message = HumanMessage([{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}])
    with pytest.raises(InputError, match="image"):
        chat("llama").invoke([image_message])


@pytest.mark.parametrize("make", [chat, completion])
def test_a_lone_surrogate_raises_prompt_error(make):
    llm, broken = make("llama"), "a\ud800b"
    calls = (llm.invoke, llm.get_num_tokens, llm.token_offsets, lambda text: llm.score(["a"], [text]))
    for call in calls:
        with pytest.raises(PromptError, match=r"'\\ud800', half a surrogate pair"):
            call(broken)


def test_an_empty_prompt_needs_a_bos_token():
    llm = completion("qwen3")
    with pytest.raises(InputError, match="the prompt is empty"):
        llm.invoke("")
    failed, answer = llm.batch(["", PROMPT], return_exceptions=True)
    assert isinstance(failed, InputError)
    assert answer == llm.invoke(PROMPT)
    assert isinstance(completion("gpt2").invoke(""), str)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": -3}, "top_k is -3"),
        ({"num_beams": 0}, "num_beams is 0"),
        ({"temperatur": 1}, "did you mean temperature"),
        ({"device_map": "auto"}, r"did you mean device\?"),
        ({"load_in_8bit": True}, 'did you mean quantization="int8"'),
        ({"stop": ["x"] * 100}, "100"),
        ({"stop": 5}, "stop is 5"),
        ({"n": 2}, "greedy"),
        ({"num_beams": 2, "temperature": 1.0}, "num_beams=2"),
        ({"top_logprobs": 1000}, "1000"),
        ({"temperature": 1e-40}, "temperature is 1e-40"),
        ({"chat_template_kwargs": 3}, "chat_template_kwargs is 3"),
        ({"chat_template_kwargs": {"messages": []}}, "chat_template_kwargs has 'messages'"),
    ],
)
def test_invalid_settings_raise_settings_error(llm, options, message):
    with pytest.raises(SettingsError, match=message):
        llm.invoke("Hi", **options)


@pytest.mark.parametrize(
    "options",
    [
        {"response_format": {"type": "regex"}},
        {"response_format": {"type": "regex", "pattern": "("}},
        {"response_format": "json"},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "nothing"}}}},
        {"response_format": {"type": "choice", "options": []}},
        {"response_format": {"type": "choice", "options": ["yes", 2]}},
        {"response_format": {"type": "choice", "options": "yes"}},
        {"response_format": {"type": "json_object", "schema": 5}},
        {"response_format": {"type": ["json_schema"]}},
        {"tools": 5},
        {"tools": [3]},
        {"tools": ["search"]},
        {"tools": [{"type": "web_search"}]},
        {"tools": [{"name": 'a"b'}]},
        {"tools": [{"name": "f", "parameters": 5}]},
        {"tools": [{"name": "f"}], "tool_choice": 5},
        {"tools": [{"name": "f"}], "tool_choice": {"function": "f"}, "response_format": {"type": "text"}},
    ],
)
def test_invalid_formats_and_tools_raise_constraint_error(llm, options):
    with pytest.raises(ConstraintError):
        llm.invoke("Hi", **options)


def test_other_invalid_input_raises_a_clear_error(llm):
    with pytest.raises(SettingsError, match="beams cannot be streamed"):
        list(llm.stream("Hi", num_beams=2))
    with pytest.raises(SettingsError, match="tokens are enough"):
        llm.with_structured_output(Town).invoke("Hi", max_new_tokens=3)
    with pytest.raises(InputError, match="image"):
        llm.invoke([HumanMessage([{"type": "image", "url": "x"}])])
    with pytest.raises(InputError, match="empty"):
        llm.bind_tools([Town], tool_choice="any").invoke([])
    with pytest.raises(ConstraintError, match="tool_choice"):
        llm.bind_tools([Town], tool_choice="Country").invoke("Hi")
    with pytest.raises(InputError, match="tokenizer"):
        HuggingFaceChat(model=llm.engine.loaded.model)


@pytest.mark.parametrize("invalid_prompt", [None, 5, [object()], [("nobody", "Hi")]])
def test_an_invalid_prompt_does_not_fail_the_rest_of_its_batch(llm, invalid_prompt):
    answer, failed = llm.batch(["Hi", invalid_prompt], return_exceptions=True)
    assert isinstance(answer, AIMessage)
    assert isinstance(failed, (ValueError, NotImplementedError))
