"""The public classes on tiny models: structured output, tools, batches, streams, cancellation."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
import torch
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage

from llmkit import HuggingFaceChat, HuggingFaceLLM
from llmkit.errors import (
    ContextWindowExceeded,
    GenerationError,
    InputError,
)
from llmkit.models.langchain.call_options import CallOptions
from tests.support import tiny
from tests.support.schemas import Town

CHAT_MODELS = ["llama", "qwen3", "mistral", "gemma2"]


def chat(name: str, **options: Any) -> Any:
    made = tiny.make(name)
    return HuggingFaceChat(
        model=made.model,
        tokenizer=made.tokenizer,
        **{"temperature": 0, "max_new_tokens": 160, "context_window": 1024, **options},
    )


def text_of(answer: Any) -> str:
    return answer if isinstance(answer, str) else answer.text


@pytest.fixture
def llm() -> Any:
    return chat("llama", max_new_tokens=12)


@pytest.fixture
def pass_rows(llm):
    """Record the number of rows of each forward pass."""
    rows: list[int] = []
    hook = llm.engine.loaded.model.register_forward_pre_hook(
        lambda module, args, kwargs: rows.append(len(kwargs.get("input_ids", args[0] if args else [0]))),
        with_kwargs=True,
    )
    yield rows
    hook.remove()


@pytest.mark.parametrize("name", CHAT_MODELS)
@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_structured_output_is_valid_with_any_weights(name, method):
    structured = chat(name).with_structured_output(Town, method=method)
    assert isinstance(structured.invoke("Name a town."), Town)
    assert all(isinstance(town, Town) for town in structured.batch(["Name a town.", "And another, in the far north?"]))


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAT_MODELS)
def test_a_required_tool_is_called_with_every_template(name):
    answer = chat(name).bind_tools([Town], tool_choice="any").invoke([SystemMessage("Be brief."), HumanMessage("Go.")])
    [call] = answer.tool_calls
    assert call["name"] == "Town"
    assert isinstance(Town(**call["args"]), Town)
    conversation = [HumanMessage("Go."), answer, ToolMessage("Done.", tool_call_id=call["id"])]
    assert isinstance(chat(name).bind_tools([Town], tool_choice="none").invoke(conversation), AIMessage)
    message: Any = AIMessageChunk(content="")
    for piece in chat(name).bind_tools([Town], tool_choice="Town").stream("Go."):
        message += piece
    assert Town(**message.tool_calls[0]["args"]).people >= 0


@pytest.mark.slow
def test_structured_output_works_with_a_template_that_starts_reasoning():
    made = tiny.make("llama")
    tokenizer = made.tokenizer.__class__(tokenizer_object=made.tokenizer.backend_tokenizer, eos_token="<|im_end|>")
    tokenizer.chat_template = made.tokenizer.chat_template + "{{ '<think>\\n' }}"
    llm = HuggingFaceChat(model=made.model, tokenizer=tokenizer, temperature=0, max_new_tokens=160, context_window=1024)
    assert isinstance(llm.with_structured_output(Town).invoke("Name a town."), Town)
    assert llm.bind_tools([Town], tool_choice="any").invoke("Name a town.").tool_calls
    assert "reasoning_content" in llm.invoke("Name a town.").additional_kwargs


@pytest.mark.parametrize(
    ("response_format", "check"),
    [
        ({"type": "choice", "options": ["red", "green"]}, lambda text: text in ("red", "green")),
        ({"type": "regex", "pattern": "[0-9]{3}"}, lambda text: len(text) == 3 and text.isdigit()),
        ({"type": "json_object"}, lambda text: isinstance(json.loads(text), dict)),
    ],
)
def test_response_formats_constrain_the_answer(response_format, check):
    assert check(chat("llama").invoke("Say it.", response_format=response_format).text)


@pytest.mark.slow
def test_a_batch_is_computed_in_few_forward_passes(llm, pass_rows):
    texts = [f"Tell me about number {number}, {'please ' * (number % 4)}now." for number in range(12)]
    single = [llm.invoke(text).text for text in texts]
    pass_rows.clear()
    assert [answer.text for answer in llm.batch(texts)] == single
    assert len(pass_rows) < 40
    assert max(pass_rows) == 12
    assert [answer.text for answer in asyncio.run(llm.abatch(texts))] == single


def test_generate_with_repeated_prompts_equals_invoke(llm):
    conversations = [[HumanMessage("Hi")], [HumanMessage("Bye")], [HumanMessage("Hi")]]
    texts = [group[0].text for group in llm.generate(conversations).generations]
    assert texts == [llm.invoke(conversation).text for conversation in conversations]


def test_an_invalid_input_does_not_fail_the_rest_of_the_batch(llm):
    answer, empty_error, long_error = llm.batch(["Hi", [], "word " * 600], return_exceptions=True)
    assert answer.text == llm.invoke("Hi").text
    assert isinstance(empty_error, InputError)
    assert isinstance(long_error, ContextWindowExceeded)


def test_an_out_of_memory_error_halves_the_batch(llm):
    def allocate(module: Any, args: Any, kwargs: Any) -> None:
        rows = kwargs.get("input_ids", args[0] if args else torch.empty(0))
        if len(rows) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. (a test)")

    texts = [f"Number {number}" for number in range(8)]
    single = [llm.invoke(text).text for text in texts]
    hook = llm.engine.loaded.model.register_forward_pre_hook(allocate, with_kwargs=True)
    try:
        assert [answer.text for answer in llm.batch(texts)] == single
    finally:
        hook.remove()


def test_out_of_memory_with_one_row_raises_generation_error(llm):
    def allocate(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. (a test)")

    hook = llm.engine.loaded.model.register_forward_pre_hook(allocate)
    try:
        with pytest.raises(GenerationError, match="more memory"):
            llm.invoke("Hi")
    finally:
        hook.remove()


def test_an_error_inside_the_model_is_raised_by_every_method(llm):
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("a test")

    hook = llm.engine.loaded.model.register_forward_pre_hook(fail)
    try:
        for call in (llm.invoke, lambda text: list(llm.stream(text)), lambda text: llm.batch([text, text])):
            with pytest.raises(ZeroDivisionError):
                call("Hi")
        with pytest.raises(ZeroDivisionError):
            asyncio.run(llm.ainvoke("Hi"))
    finally:
        hook.remove()


def test_a_stream_joins_to_the_answer_and_closing_stops_it(llm, pass_rows):
    answer = llm.invoke("Hi")
    pieces = list(llm.stream("Hi"))
    assert "".join(piece.text for piece in pieces) == answer.text
    assert pieces[-1].usage_metadata == answer.usage_metadata
    pass_rows.clear()
    stream = llm.stream("Hello")
    next(stream)
    done = len(pass_rows)
    stream.close()
    assert len(pass_rows) == done < 12


def test_parallel_threads_get_the_same_answers(llm):
    texts = [f"Number {number}" for number in range(6)]
    single = [llm.invoke(text).text for text in texts]
    answers: dict[str, str] = {}
    threads = [threading.Thread(target=lambda t=text: answers.update({t: llm.invoke(t).text})) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answers[text] for text in texts] == single


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_encoder_decoder_models_answer_batches_and_score(name):
    made = tiny.make(name)
    for model_class in (HuggingFaceChat, HuggingFaceLLM):
        options: Any = {"temperature": 0, "max_new_tokens": 8, "num_beams": 1, "context_window": tiny.WINDOW}
        llm = model_class(model=made.model, tokenizer=made.tokenizer, **options)
        assert llm.layout == "flan"
        texts = ["What is it?", "Why is it so, and how long?"]
        single = [llm.invoke(text) for text in texts]
        assert list(map(text_of, llm.batch(texts))) == list(map(text_of, single))
        assert llm.score(["What is it?"], ["a", "b"]).shape == (1, 2)


def test_finish_reason_logprobs_and_timings_are_returned(llm):
    answer = llm.invoke("Hi", logprobs=True, top_logprobs=2)
    assert answer.response_metadata["finish_reason"] == "length"
    assert answer.usage_metadata["output_tokens"] == 12
    scores = answer.response_metadata["logprobs"]["content"]
    assert len(scores) == 12
    assert all(score["logprob"] == pytest.approx(score["top_logprobs"][0]["logprob"]) for score in scores)  # greedy
    times = answer.response_metadata["timings"]
    assert times["time_to_first_token"] > 0 < times["time_per_output_token"]
    beams = llm.invoke("Hi", num_beams=2)
    assert beams.response_metadata["timings"]["time_to_first_token"] > 0


def test_the_json_schema_is_part_of_the_prompt() -> None:
    llm = chat("llama")
    schema = {"title": "Town", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    options = CallOptions.parse(
        llm.settings, None, {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}
    )
    prompt = llm.engine.loaded.tokenizer.decode(options.encode([HumanMessage("Paris?")], llm.engine.encoder))
    assert "Answer with JSON that fits this schema, and nothing else:" in prompt
    assert '"required": ["name"]' in prompt or '"required":["name"]' in prompt
