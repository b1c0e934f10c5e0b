"""Many calls are computed together in batches; each keeps its order, options, callbacks and errors."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.runnables import Runnable, RunnableLambda

from llmkit import HuggingFaceChat
from llmkit.errors import ContextWindowExceeded, InputError
from llmkit.models import batch_sizes
from llmkit.models.generation.completion import GenerationRequest
from llmkit.models.generation.settings import GenerationSettings
from tests.support import tiny
from tests.support.generation import forward_shapes
from tests.support.models import architectures, chat, comparable, completion, each_pass, threads_are_done

PROMPTS = ["Hi", "What is the capital of France?", "The dog " * 9, "東京", "def add(a, b):", "The quick brown fox", "x"]


request_lists = st.lists(
    st.tuples(st.integers(1, 300), st.sampled_from([1, 20, 200]), st.booleans()), min_size=1, max_size=40
)


@given(request_lists)
def test_batches_have_one_setting_and_a_bounded_size(drawn_requests: list[tuple[int, int, bool]]) -> None:
    engine = tiny.make("llama").engine()
    requests = [
        GenerationRequest(
            (5,) * length, GenerationSettings(max_new_tokens=max_new_tokens, temperature=0.5, n=3 if multiple else 1)
        )
        for length, max_new_tokens, multiple in drawn_requests
    ]
    found = list(engine.split_batches(requests))
    assert sorted(index for batch in found for index in batch) == list(range(len(requests)))
    for batch in found:
        assert len({requests[index].settings for index in batch}) == 1
        lengths = [len(requests[index].prompt) for index in batch]
        assert lengths == sorted(lengths, reverse=True)
        settings = requests[batch[0]].settings
        size = len(batch) * settings.n * (lengths[0] + (settings.max_new_tokens or 0))
        assert size <= batch_sizes.BATCH_TOKENS or len(batch) == 1


@pytest.mark.slow
@architectures
def test_a_batch_keeps_the_order_of_its_inputs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    llm = chat(name, max_new_tokens=8)
    expected = [comparable(llm.invoke(prompt)) for prompt in PROMPTS]
    with forward_shapes(llm.engine) as shapes:
        answers = llm.batch(PROMPTS)
    assert [comparable(answer) for answer in answers] == expected
    assert max(rows for rows, _ in shapes) == len(PROMPTS)
    assert len(shapes) <= 8 + 2
    assert [comparable(answer) for answer in asyncio.run(llm.abatch(PROMPTS))] == expected
    monkeypatch.setattr(batch_sizes, "BATCH_TOKENS", 150)
    with forward_shapes(llm.engine) as shapes:
        assert [comparable(answer) for answer in llm.batch(PROMPTS * 2)] == expected * 2
    assert 1 < max(rows for rows, _ in shapes) < 2 * len(PROMPTS)


async def collect_as_completed(llm: Any, inputs: list[Any], **options: Any) -> list[tuple[int, Any]]:
    return [item async for item in llm.abatch_as_completed(inputs, **options)]


BATCH_METHODS: dict[str, Callable[[Any, list[str]], list[Any]]] = {
    "batch": lambda llm, prompts: llm.batch(prompts, stop=["zz"]),
    "abatch": lambda llm, prompts: asyncio.run(llm.abatch(prompts, stop=["zz"])),
    "batch_as_completed": lambda llm, prompts: in_order(llm.batch_as_completed(prompts, stop=["zz"])),
    "abatch_as_completed": lambda llm, prompts: in_order(asyncio.run(collect_as_completed(llm, prompts, stop=["zz"]))),
    "generate": lambda llm, prompts: answers_of(llm.generate(conversations(llm, prompts), ["zz"])),
    "agenerate": lambda llm, prompts: answers_of(
        asyncio.run(llm.agenerate(conversations(llm, prompts), stop=["zz"], tags=["a"]))
    ),
}


def in_order(items: Iterable[tuple[int, Any]]) -> list[Any]:
    return [answer for _, answer in sorted(items, key=lambda item: item[0])]


def conversations(llm: Any, prompts: list[str]) -> list[Any]:
    return [[HumanMessage(prompt)] for prompt in prompts] if isinstance(llm, HuggingFaceChat) else prompts


def answers_of(result: Any) -> list[Any]:
    return [getattr(one, "message", one.text) for [one] in result.generations]


def text_of(answer: Any) -> str:
    return answer if isinstance(answer, str) else str(answer.content)


@pytest.mark.parametrize("make", [chat, completion])
@pytest.mark.parametrize("method", BATCH_METHODS)
def test_every_batch_method_computes_one_batch(make: Callable[..., Any], method: str) -> None:
    llm = make("llama", max_new_tokens=6)
    expected = [text_of(llm.invoke(prompt)) for prompt in PROMPTS]
    with forward_shapes(llm.engine) as shapes:
        assert [text_of(answer) for answer in BATCH_METHODS[method](llm, PROMPTS)] == expected
    assert max(rows for rows, _ in shapes) == len(PROMPTS)
    assert len(shapes) <= 6 + 2
    assert BATCH_METHODS[method](llm, []) == []
    assert [text_of(answer) for answer in BATCH_METHODS[method](llm, PROMPTS[:1])] == expected[:1]


@pytest.mark.parametrize("make", [chat, completion])
@pytest.mark.parametrize("method", BATCH_METHODS)
def test_every_batch_method_encodes_each_prompt_once(
    make: Callable[..., Any], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = make("llama", max_new_tokens=2)
    encode: Any = type(llm)._encode
    encoded: list[Any] = []

    def count(self: Any, prompt: Any, *rest: Any) -> Any:
        encoded.append(prompt)
        return encode(self, prompt, *rest)

    monkeypatch.setattr(type(llm), "_encode", count)
    BATCH_METHODS[method](llm, PROMPTS)
    assert len(encoded) == len(PROMPTS)


def test_a_call_in_a_callback_keeps_its_options() -> None:
    """Check a callback that calls the model with messages of the batch and other options."""
    llm, message = chat("llama", max_new_tokens=6), HumanMessage("Hi")
    expected = llm.invoke([message], max_new_tokens=1).content

    class Ask(BaseCallbackHandler):
        def on_chat_model_start(self, serialized: Any, messages: list[list[Any]], **_: Any) -> None:
            answers.append(llm.invoke(messages[0], max_new_tokens=1).content)

    answers: list[Any] = []
    llm.batch([[message], "The dog"], [{"callbacks": [Ask()]}, {}])
    assert answers == [expected]


async def test_batch_as_completed_yields_every_answer_and_error() -> None:
    llm = chat("llama", max_new_tokens=6)
    inputs: list[Any] = ["Hi", [], "The dog"]
    for items in (
        list(llm.batch_as_completed(inputs, return_exceptions=True)),
        await collect_as_completed(llm, inputs, return_exceptions=True),
    ):
        assert sorted(index for index, _ in items) == [0, 1, 2]
        assert isinstance(dict(items)[1], InputError)
        assert dict(items)[2].content == llm.invoke("The dog").content
    with pytest.raises(InputError):
        list(llm.batch_as_completed(inputs))
    with pytest.raises(InputError):
        await collect_as_completed(llm, inputs)


@pytest.mark.slow
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_leaving_batch_as_completed_stops_the_computation(
    asynchronous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_sizes, "BATCH_TOKENS", 500)
    llm = chat("llama", max_new_tokens=200, min_new_tokens=200)
    prompts = [f"Number {number}" for number in range(12)]
    with each_pass(llm) as passes:
        if asynchronous:
            answers = llm.abatch_as_completed(prompts)
            async for _, answer in answers:
                assert answer.content
                break
            await answers.aclose()  # type: ignore[attr-defined]
            await threads_are_done()
        else:
            for _, answer in llm.batch_as_completed(prompts):
                assert answer.content
                assert llm.invoke("Hi", min_new_tokens=2, max_new_tokens=2).content, "a call in between is independent"
                break
    assert len(passes) < 200 * 3


@pytest.mark.slow
def test_a_seeded_batch_equals_single_calls() -> None:
    llm = chat("llama", max_new_tokens=8, temperature=1.0, seed=6)
    expected = [comparable(llm.invoke(prompt)) for prompt in PROMPTS]
    assert [comparable(answer) for answer in llm.batch(PROMPTS)] == expected
    beams = [llm.invoke(prompt, num_beams=2, temperature=0).content for prompt in PROMPTS]
    assert [answer.content for answer in llm.batch(PROMPTS, num_beams=2, temperature=0)] == beams


def test_empty_single_and_repeated_inputs() -> None:
    llm = chat("llama", max_new_tokens=4)
    assert llm.batch([]) == []
    assert asyncio.run(llm.abatch([])) == []
    assert [answer.content for answer in llm.batch(["Hi"])] == [llm.invoke("Hi").content]
    assert len({answer.content for answer in llm.batch(["Hi"] * 5)}) == 1


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_invalid_input_does_not_fail_the_rest_of_the_batch(asynchronous: bool) -> None:
    llm = chat("llama", max_new_tokens=6)
    inputs: list[Any] = ["Hi", [], "the dog " * 600, [HumanMessage([{"type": "image"}])], "The dog", 5]

    def batch(**options: Any) -> Any:
        return asyncio.run(llm.abatch(inputs, **options)) if asynchronous else llm.batch(inputs, **options)

    with forward_shapes(llm.engine) as shapes:
        answers = batch(return_exceptions=True)
    assert [type(one) for one in answers[1:4]] == [InputError, ContextWindowExceeded, InputError]
    assert isinstance(answers[5], ValueError)
    assert [answers[0].content, answers[4].content] == [llm.invoke("Hi").content, llm.invoke("The dog").content]
    assert max(rows for rows, _ in shapes) == 2
    with pytest.raises((InputError, ValueError)):
        batch()


def test_each_call_keeps_its_callbacks() -> None:
    class Note(BaseCallbackHandler):
        def __init__(self) -> None:
            self.texts: list[str] = []

        def on_llm_end(self, response: Any, **kwargs: Any) -> None:
            self.texts.append(response.generations[0][0].text)

    llm = chat("llama", max_new_tokens=4)
    notes = [Note() for _ in PROMPTS]
    answers = llm.batch(PROMPTS, [{"callbacks": [note]} for note in notes])
    assert [note.texts for note in notes] == [[answer.content] for answer in answers]


def texts_of(results: Sequence[Any]) -> list[str]:
    return [str(one.content) for one in results]


def test_batches_of_chains_and_nested_batches_equal_single_calls() -> None:
    """Check a chain's batch, which calls the model from several threads, and a batch inside another batch."""
    llm = chat("llama", max_new_tokens=4)
    expected = texts_of([llm.invoke(prompt) for prompt in PROMPTS])
    inner: Runnable[str, list[str]] = RunnableLambda(lambda prompt: texts_of(llm.batch([prompt, "Hi"])))
    assert inner.batch(PROMPTS) == [[one, expected[0]] for one in expected]
    chain = RunnableLambda(lambda prompt: prompt) | llm
    assert texts_of(chain.batch(PROMPTS)) == expected
    assert texts_of(asyncio.run(chain.abatch(PROMPTS))) == expected
