"""Texts of any length: what is asked, what fits, where it stands, and that it ends."""

import asyncio
import random
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.runnables import RunnableLambda
from pydantic import Field

from llmkit import HuggingFaceChat
from llmkit.chains import Progress, SummarizationChain, SummarizationTuning
from llmkit.errors import ContextWindowExceeded, GenerationError, InputError, PromptError, ReductionError
from llmkit.prompts import TaskPrompt
from llmkit.text.segmentation import passages
from tests.support import tiny
from tests.support.counting import TOKENIZER_NAMES
from tests.support.summary_models import Reader

WORDS = ["station", "Tom", "time", "is", "the", "close", "watch", "by", "it", "今天天气", "שלום", "😀", "ten", "to"]
STRATEGIES = ["auto", "map_reduce"]
SHORT = "Tom has the time, and it is close to ten. " * 4


def make_text(count: int, seed: int = 0) -> str:
    draw = random.Random(seed)
    ends = [". ", ".\n", " ", " ", " ", " ", "\n\n", "? "]
    return "".join(draw.choice(WORDS) + draw.choice(ends) for _ in range(count)) + "end."


@pytest.mark.parametrize("tokenizer_name", TOKENIZER_NAMES)
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("window", [260, 333])
def test_every_prompt_fits_and_every_character_is_read(tokenizer_name, strategy, window):
    text = make_text(250)
    llm = Reader(tokenizer_name=tokenizer_name, context_window=window)
    summary = SummarizationChain(llm, strategy=strategy, max_new_tokens=24).invoke(text)
    assert summary.strategy == ("map_reduce" if strategy == "auto" else strategy)
    assert summary.model_calls == len(llm.asked) > 2
    for messages, room in llm.asked:
        assert llm.get_num_tokens_from_messages(messages) + room <= window
        assert 8 <= room <= 24
    assert "".join(passage.text for passage in summary.passages) == text
    for passage in summary.passages:
        assert text[passage.start : passage.end] == passage.text
        assert sum(passage.text.strip() in asked for asked in llm.texts()) == 1
    assert all(passage.summary for passage in summary.passages[:-1])
    assert [messages for messages, room in llm.asked if room == 24][-1] is llm.asked[-1][0]


def test_a_text_that_fits_takes_one_model_call():
    for strategy in ("auto", "stuff", "map_reduce"):
        llm = Reader()
        summary = SummarizationChain(llm, strategy=strategy, max_new_tokens=24).invoke(SHORT)
        assert (summary.strategy, summary.model_calls, len(llm.asked)) == ("stuff", 1, 1)
        [passage] = summary.passages
        assert (passage.start, passage.end, passage.summary) == (0, len(SHORT), "")


def test_each_level_has_fewer_parts_than_the_one_before():
    llm = Reader(context_window=220)
    summary = SummarizationChain(llm, max_new_tokens=24).invoke(make_text(1500))
    first = len(summary.passages)
    combined = [text for text in llm.texts() if text.startswith("These are summaries")]
    assert first + len(combined) == summary.model_calls == len(llm.asked)
    assert 5 < len(combined) < first


@pytest.mark.slow
def test_output_that_exceeds_its_limit_or_is_empty_raises_an_error():
    for factor in (9, 40):
        for strategy in STRATEGIES:
            with pytest.raises(ReductionError, match="respects max_tokens"):
                SummarizationChain(Reader(factor=factor), strategy=strategy, max_new_tokens=24).invoke(make_text(250))
    with pytest.raises(GenerationError, match="empty"):
        SummarizationChain(Reader(words=""), max_new_tokens=24).invoke(make_text(250))


def test_a_context_window_that_is_too_small_fails_before_any_model_call():
    for window in (30, 60, 90):
        for strategy in ("auto", "stuff", "map_reduce"):
            llm = Reader(context_window=window)
            with pytest.raises(ContextWindowExceeded) as error:
                SummarizationChain(llm, strategy=strategy, max_new_tokens=24).invoke(make_text(100))
            assert error.value.needed > error.value.available == window
            assert not llm.asked


def test_the_context_window_can_be_reduced_but_not_increased():
    for given, used in ((200, 200), (10**6, 300)):
        llm = Reader()
        SummarizationChain(llm, max_new_tokens=24, context_window=given).invoke(make_text(250))
        sizes = [llm.get_num_tokens_from_messages(messages) + room for messages, room in llm.asked]
        assert used * 0.7 < max(sizes) <= used


def test_passages_can_be_kept_short():
    llm = Reader(context_window=2000)
    summary = SummarizationChain(llm, strategy="map_reduce", max_passage_tokens=50).invoke(make_text(200))
    assert max(passage.tokens for passage in summary.passages) <= 50
    sizes = [passage.tokens for passage in summary.passages]
    assert min(sizes) > 10  # the last is no remnant


@pytest.mark.parametrize(("size", "strategy"), [(40, "stuff"), (95, "stuff"), (250, "map_reduce")])
def test_a_text_up_to_twice_the_passage_size_is_not_split(size, strategy):
    """Though the window would hold all of it."""
    llm, tuning = Reader(context_window=5000), SummarizationTuning(max_passage_tokens=60)
    text = passages(make_text(400), llm, size)[0].text
    summary = SummarizationChain(llm, max_new_tokens=8, tuning=tuning).invoke(text)
    assert summary.strategy == strategy
    assert max(passage.tokens for passage in summary.passages) <= (120 if strategy == "stuff" else 60)


def test_documents_keep_their_offsets_and_metadata():
    documents = [
        Document("Tom has the time.", metadata={"source": "secret-a"}),
        Document(" \n"),
        Document(make_text(300), metadata={"source": "secret-b"}),
        Document("It is close.", metadata={"source": "secret-c"}),
    ]
    for strategy in STRATEGIES:
        llm = Reader()
        summary = SummarizationChain(llm, strategy=strategy, max_new_tokens=24).invoke(documents)
        for passage in summary.passages:
            document = documents[passage.document]
            assert document.page_content[passage.start : passage.end] == passage.text
            assert passage.metadata == document.metadata
        assert [passage.document for passage in summary.passages] == sorted(p.document for p in summary.passages)
        assert {passage.document for passage in summary.passages} == {0, 2, 3}
        assert not any("secret" in text for text in llm.texts())


def test_short_documents_share_a_prompt():
    llm = Reader()
    documents = [Document(f"Tom has {number} watches.") for number in range(60)]
    summary = SummarizationChain(llm, max_new_tokens=24).invoke(documents)
    assert len(summary.passages) == 60
    assert summary.model_calls == len(llm.asked) < 15
    neighbours = [each for each in summary.passages if each.summary == summary.passages[0].summary]
    assert len(neighbours) > 3


def test_examples_leave_half_of_the_context_window_to_the_text():
    examples = [{"input": "Tom: It is ten. " * 4, "output": "Tom tells the time."}] * 20
    llm = Reader(context_window=400)
    chain = SummarizationChain(llm, examples=examples, max_new_tokens=24, show_examples=True)
    summary = chain.invoke(make_text(300))
    assert max(passage.tokens for passage in summary.passages) > 100
    assert sum(type(message).__name__ == "HumanMessage" for message in llm.asked[0][0]) > 1


def test_max_words_is_in_the_prompt_and_limits_the_summary():
    llm = Reader(context_window=400)
    summary = SummarizationChain(llm, max_words=9).invoke(make_text(300))
    assert summary.text == "It is the time it is the time it"
    assert not summary.complete
    told = ["Use at most 9 words." in text for text in llm.texts()]
    assert told == [False] * (len(told) - 1) + [True]
    prompt = TaskPrompt("Summarize in {max_words} words.", fields=["max_words"])
    assert "in 7 words." in SummarizationChain(llm, prompt, max_words=7).plan(SHORT)[0].text
    assert "in 20 words." in SummarizationChain(llm, prompt, max_new_tokens=40).plan(SHORT)[0].text


def test_invalid_arguments_raise_an_error():
    with pytest.raises(PromptError, match=r"fields that this chain cannot fill: a, b; fill them with prompt.partial"):
        SummarizationChain(Reader(), TaskPrompt("{a} {b}", fields=["a", "b"]))
    llm = Reader()
    chain = SummarizationChain(llm)
    for source in ("", " \n", [], [Document("")], Document(" ")):
        with pytest.raises(InputError, match="the text to summarize is empty"):
            chain.invoke(source)
    for wrong in (None, 3, {"text": 3}, [3]):
        with pytest.raises(InputError, match="must be text, a Document or a list of Documents"):
            chain.invoke(wrong)
    assert not llm.asked


def test_progress_counts_every_model_call():
    for strategy in STRATEGIES:
        seen: list[Progress] = []
        chain = SummarizationChain(Reader(), strategy=strategy, max_new_tokens=24, progress=seen.append)
        summary = chain.invoke(make_text(300))
        assert [each.done for each in seen] == list(range(1, summary.model_calls + 1))
        assert seen[-1].total == summary.model_calls
        assert all(each.done < each.total for each in seen[:-1])
        assert all(a.total <= b.total for a, b in pairwise(seen))
        seen.clear()
        list(chain.stream(make_text(300)))
        assert seen[-1].done == seen[-1].total == summary.model_calls


@pytest.mark.slow
def test_a_batch_equals_single_calls_and_an_invalid_input_does_not_fail_the_rest():
    chain = SummarizationChain(Reader(), max_new_tokens=24)
    texts = [make_text(300), "", SHORT, make_text(500, seed=1)]
    first, empty, *rest = chain.batch(texts, return_exceptions=True)
    assert isinstance(empty, InputError)
    assert [first, *rest] == [chain.invoke(texts[index]) for index in (0, 2, 3)]
    with pytest.raises(InputError, match="empty"):
        chain.batch(texts)


@pytest.fixture(scope="module")
def small() -> HuggingFaceChat:
    made = tiny.make("llama")
    return HuggingFaceChat(model=made.model, tokenizer=made.tokenizer, temperature=0, context_window=512)


class TestTinyModel:
    """A real model with random weights: it writes nonsense, up to its limit."""

    @pytest.mark.slow
    @pytest.mark.parametrize("strategy", STRATEGIES)
    def test_a_stream_joins_to_the_result_of_invoke(self, small, strategy):
        for words in (None, 5):
            chain = SummarizationChain(small, strategy=strategy, max_new_tokens=20, max_words=words)
            text = make_text(260)
            whole = chain.invoke(text)
            assert whole.model_calls > 3
            assert reduce(add, chain.stream(text)) == whole

            async def chunks(chain: Any = chain, text: str = text) -> list[Any]:
                return [chunk async for chunk in chain.astream(text)]

            assert reduce(add, asyncio.run(chunks())) == whole
            assert asyncio.run(chain.ainvoke(text)) == whole

    def test_parts_are_summarized_in_one_batch(self, small):
        chain = SummarizationChain(small, max_new_tokens=20)
        text = make_text(260)
        passes = []
        hook = small.engine.loaded.model.register_forward_hook(lambda *_: passes.append(1))
        summary = chain.invoke(text)
        hook.remove()
        assert len(passes) <= 2 * 22 < 20 * summary.model_calls  # for all parts, and for the end

    def test_a_summary_in_a_runnable_sequence_is_one_chunk(self, small):
        chain = SummarizationChain(small, max_new_tokens=8)
        sequence = RunnableLambda(lambda text: text + "!") | chain | RunnableLambda(lambda summary: summary.strategy)
        assert list(sequence.stream(SHORT)) == ["stuff"]

        async def pieces() -> list[str]:
            return [piece async for piece in sequence.astream(SHORT)]

        assert asyncio.run(pieces()) == ["stuff"]


class Streaming(Reader):
    """Says when its stream was closed."""

    closed: list[int] = Field(default_factory=list)

    def _stream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Any:
        try:
            for number in range(10):
                yield ChatGenerationChunk(message=AIMessageChunk(content=f"word{number} "))
        finally:
            self.closed.append(1)


def test_leaving_a_stream_closes_it():
    llm = Streaming()
    stream: Any = SummarizationChain(llm, max_new_tokens=24).stream(SHORT)
    assert next(stream).text == "Word0"
    assert not llm.closed
    stream.close()
    assert llm.closed == [1]
