"""Many calls are one computation, in good batches; each has its own place, its own settings, its own failure."""

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
from llmkit.models.generation import engine as engines
from llmkit.models.generation.completion import GenerationRequest
from llmkit.models.generation.settings import GenerationSettings
from tests.support import tiny
from tests.support.generation import forward_shapes
from tests.support.models import architectures, chat, comparable, completion, each_pass, threads_are_done

PROMPTS = ["Hi", "What is the capital of France?", "The dog " * 9, "東京", "def add(a, b):", "The quick brown fox", "x"]


lists = st.lists(st.tuples(st.integers(1, 300), st.sampled_from([1, 20, 200]), st.booleans()), min_size=1, max_size=40)


@given(lists)
def test_batches_are_bounded_alike_and_of_one_kind(asked: list[tuple[int, int, bool]]) -> None:
    engine = tiny.make("llama").engine()
    requests = [
        GenerationRequest(
            (5,) * length, GenerationSettings(max_new_tokens=most, temperature=0.5, n=3 if several else 1)
        )
        for length, most, several in asked
    ]
    batches = list(engine.split_batches(requests))
    assert sorted(index for batch in batches for index in batch) == list(range(len(requests)))
    for batch in batches:
        assert len({requests[index].settings for index in batch}) == 1
        lengths = [len(requests[index].prompt) for index in batch]
        assert lengths == sorted(lengths, reverse=True)
        settings = requests[batch[0]].settings
        size = len(batch) * settings.n * (lengths[0] + (settings.max_new_tokens or 0))
        assert size <= engines.BATCH_TOKENS or len(batch) == 1


@architectures
def test_answers_come_in_the_callers_order(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    llm = chat(name, max_new_tokens=8)
    want = [comparable(llm.invoke(prompt)) for prompt in PROMPTS]
    with forward_shapes(llm.engine) as shapes:
        got = llm.batch(PROMPTS)
    assert [comparable(answer) for answer in got] == want
    assert max(rows for rows, _ in shapes) == len(PROMPTS)
    assert len(shapes) <= 8 + 2
    assert [comparable(answer) for answer in asyncio.run(llm.abatch(PROMPTS))] == want
    monkeypatch.setattr(engines, "BATCH_TOKENS", 150)
    with forward_shapes(llm.engine) as shapes:
        assert [comparable(answer) for answer in llm.batch(PROMPTS * 2)] == want * 2
    assert 1 < max(rows for rows, _ in shapes) < 2 * len(PROMPTS)


async def each_as_completed(llm: Any, inputs: list[Any], **options: Any) -> list[tuple[int, Any]]:
    return [item async for item in llm.abatch_as_completed(inputs, **options)]


MANY: dict[str, Callable[[Any, list[str]], list[Any]]] = {
    "batch": lambda llm, prompts: llm.batch(prompts, stop=["zz"]),
    "abatch": lambda llm, prompts: asyncio.run(llm.abatch(prompts, stop=["zz"])),
    "batch_as_completed": lambda llm, prompts: in_order(llm.batch_as_completed(prompts, stop=["zz"])),
    "abatch_as_completed": lambda llm, prompts: in_order(asyncio.run(each_as_completed(llm, prompts, stop=["zz"]))),
    "generate": lambda llm, prompts: generated(llm.generate(talks(llm, prompts), ["zz"])),
    "agenerate": lambda llm, prompts: generated(
        asyncio.run(llm.agenerate(talks(llm, prompts), stop=["zz"], tags=["a"]))
    ),
}


def in_order(items: Iterable[tuple[int, Any]]) -> list[Any]:
    return [answer for _, answer in sorted(items, key=lambda item: item[0])]


def talks(llm: Any, prompts: list[str]) -> list[Any]:
    return [[HumanMessage(prompt)] for prompt in prompts] if isinstance(llm, HuggingFaceChat) else prompts


def generated(result: Any) -> list[Any]:
    return [getattr(one, "message", one.text) for [one] in result.generations]


def text_of(answer: Any) -> str:
    return answer if isinstance(answer, str) else str(answer.content)


@pytest.mark.parametrize("make", [chat, completion])
@pytest.mark.parametrize("way", MANY)
def test_every_way_of_many_calls_is_a_batch(make: Callable[..., Any], way: str) -> None:
    llm = make("llama", max_new_tokens=6)
    want = [text_of(llm.invoke(prompt)) for prompt in PROMPTS]
    with forward_shapes(llm.engine) as shapes:
        assert [text_of(answer) for answer in MANY[way](llm, PROMPTS)] == want
    assert max(rows for rows, _ in shapes) == len(PROMPTS)
    assert len(shapes) <= 6 + 2
    assert MANY[way](llm, []) == []
    assert [text_of(answer) for answer in MANY[way](llm, PROMPTS[:1])] == want[:1]


@pytest.mark.parametrize("make", [chat, completion])
@pytest.mark.parametrize("way", MANY)
def test_each_text_is_encoded_once(make: Callable[..., Any], way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    llm = make("llama", max_new_tokens=2)
    encode: Any = type(llm)._encode
    encoded: list[Any] = []

    def count(self: Any, prompt: Any, *rest: Any) -> Any:
        encoded.append(prompt)
        return encode(self, prompt, *rest)

    monkeypatch.setattr(type(llm), "_encode", count)
    MANY[way](llm, PROMPTS)
    assert len(encoded) == len(PROMPTS)


def test_other_options_are_another_call() -> None:
    """A callback may call the model with the very messages of a batch, and other options."""
    llm, message = chat("llama", max_new_tokens=6), HumanMessage("Hi")
    want = llm.invoke([message], max_new_tokens=1).content

    class Ask(BaseCallbackHandler):
        def on_chat_model_start(self, serialized: Any, messages: list[list[Any]], **_: Any) -> None:
            answers.append(llm.invoke(messages[0], max_new_tokens=1).content)

    answers: list[Any] = []
    llm.batch([[message], "The dog"], [{"callbacks": [Ask()]}, {}])
    assert answers == [want]


async def test_answers_as_they_are_done() -> None:
    llm = chat("llama", max_new_tokens=6)
    inputs: list[Any] = ["Hi", [], "The dog"]
    for items in (
        list(llm.batch_as_completed(inputs, return_exceptions=True)),
        await each_as_completed(llm, inputs, return_exceptions=True),
    ):
        assert sorted(index for index, _ in items) == [0, 1, 2]
        assert isinstance(dict(items)[1], InputError)
        assert dict(items)[2].content == llm.invoke("The dog").content
    with pytest.raises(InputError):
        list(llm.batch_as_completed(inputs))
    with pytest.raises(InputError):
        await each_as_completed(llm, inputs)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_whoever_leaves_early_stops_the_rest(asynchronous: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "BATCH_TOKENS", 500)
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
                assert llm.invoke("Hi", min_new_tokens=2, max_new_tokens=2).content, (
                    "a call between is a call of its own"
                )
                break
    assert len(passes) < 200 * 3


def test_a_drawn_batch_is_what_each_call_gives() -> None:
    llm = chat("llama", max_new_tokens=8, temperature=1.0, seed=6)
    want = [comparable(llm.invoke(prompt)) for prompt in PROMPTS]
    assert [comparable(answer) for answer in llm.batch(PROMPTS)] == want
    beams = [llm.invoke(prompt, num_beams=2, temperature=0).content for prompt in PROMPTS]
    assert [answer.content for answer in llm.batch(PROMPTS, num_beams=2, temperature=0)] == beams


def test_a_few_inputs() -> None:
    llm = chat("llama", max_new_tokens=4)
    assert llm.batch([]) == []
    assert asyncio.run(llm.abatch([])) == []
    assert [answer.content for answer in llm.batch(["Hi"])] == [llm.invoke("Hi").content]
    assert len({answer.content for answer in llm.batch(["Hi"] * 5)}) == 1


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_bad_input_fails_alone(asynchronous: bool) -> None:
    llm = chat("llama", max_new_tokens=6)
    inputs: list[Any] = ["Hi", [], "the dog " * 600, [HumanMessage([{"type": "image"}])], "The dog", 5]

    def batch(**options: Any) -> Any:
        return asyncio.run(llm.abatch(inputs, **options)) if asynchronous else llm.batch(inputs, **options)

    with forward_shapes(llm.engine) as shapes:
        got = batch(return_exceptions=True)
    assert [type(one) for one in got[1:4]] == [InputError, ContextWindowExceeded, InputError]
    assert isinstance(got[5], ValueError)
    assert [got[0].content, got[4].content] == [llm.invoke("Hi").content, llm.invoke("The dog").content]
    assert max(rows for rows, _ in shapes) == 2
    with pytest.raises((InputError, ValueError)):
        batch()


def test_each_call_keeps_its_own_callbacks_and_names() -> None:
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


def test_calls_within_calls() -> None:
    """A chain's batch calls the model from many threads; another batch may run inside of one."""
    llm = chat("llama", max_new_tokens=4)
    want = texts_of([llm.invoke(prompt) for prompt in PROMPTS])
    inner: Runnable[str, list[str]] = RunnableLambda(lambda prompt: texts_of(llm.batch([prompt, "Hi"])))
    assert inner.batch(PROMPTS) == [[one, want[0]] for one in want]
    chain = RunnableLambda(lambda prompt: prompt) | llm
    assert texts_of(chain.batch(PROMPTS)) == want
    assert texts_of(asyncio.run(chain.abatch(PROMPTS))) == want
