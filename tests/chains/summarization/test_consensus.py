"""The answer that the other candidates agree with most, and what the model is asked for to find it."""

from functools import reduce
from operator import add
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from llmkit.chains import Progress, SummarizationChain
from llmkit.chains.summarization.consensus import BEAMS, SEED, TEMPERATURE, most_agreed
from llmkit.errors import InputError
from tests.support.counting import CountingChat
from tests.support.models import chat
from tests.support.summary_models import Brief

TEXT = "Tom: It is ten now. The watch is by the station, and the station is close to it. " * 9


class Drafts(CountingChat):
    """Has one usual answer, and samples; keeps the options of each call."""

    usual: str = "Seven close stations."
    samples: list[str] = Field(default_factory=lambda: ["Tom has a watch.", "It is ten.", "Tom has the watch."])
    temperature: float = 0.0
    seed: int | None = None
    context_window: int = 900
    asked: list[dict[str, Any]] = Field(default_factory=list)

    def _generate(self, messages: list[BaseMessage], *args: Any, **options: Any) -> ChatResult:
        self.asked.append({name: options[name] for name in ("n", "temperature", "seed") if name in options})
        answers = self.samples if "n" in options else [self.usual]
        return ChatResult(generations=[ChatGeneration(message=AIMessage(answer)) for answer in answers])


@settings(max_examples=50)
@given(
    st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5, unique=True),
    st.integers(0, 3),
    st.sampled_from("abcdef"),
)
def test_two_of_a_kind_win_over_others_that_share_nothing(others: list[str], place: int, twice: str) -> None:
    texts = [f"{word}{word} {word}w" for word in others]
    texts.insert(place, f"{twice}x {twice}y")
    texts.append(f"{twice}x {twice}y")
    assert texts[most_agreed(texts)] == f"{twice}x {twice}y"
    assert most_agreed(texts) == texts.index(f"{twice}x {twice}y")


def test_among_equals_the_usual_answer_is_taken() -> None:
    assert most_agreed(["Tom has it.", "The dog is in Paris.", "Seven close stations."]) == 0
    assert most_agreed(["", ""]) == 0


def test_the_answer_that_the_others_agree_with_is_the_summary() -> None:
    llm, steps = Drafts(), list[Progress]()
    chain = SummarizationChain(llm, candidates=4, max_new_tokens=24, progress=steps.append)
    summary = chain.invoke(TEXT)
    assert (summary.text, summary.model_calls, summary.strategy) == ("Tom has a watch.", 2, "stuff")
    assert llm.asked == [{}, {"n": 3, "temperature": TEMPERATURE, "seed": SEED}]
    assert steps[-1] == Progress(2, 2)
    chunks = list(chain.stream(TEXT))
    assert [chunk.text for chunk in chunks] == ["Tom has a watch."]
    assert reduce(add, chunks) == summary
    assert [one.text for one in chain.batch([TEXT, TEXT])] == [summary.text] * 2


def test_every_part_of_a_long_text_has_candidates() -> None:
    llm = Drafts()
    chain = SummarizationChain(llm, candidates=4, strategy="map_reduce", max_new_tokens=24, max_passage_tokens=90)
    summary = chain.invoke(TEXT)
    assert {passage.summary for passage in summary.passages} == {"Tom has a watch."}
    assert summary.model_calls == len(llm.asked) == 2 * (len(summary.passages) + 1)


def test_samples_have_the_temperature_and_the_seed_of_a_model_that_has_them() -> None:
    llm = Drafts(temperature=0.7, seed=3)
    SummarizationChain(llm, candidates=4, max_new_tokens=24).invoke(TEXT)
    assert llm.asked[1] == {"n": 3, "temperature": 0.7, "seed": 3}
    SummarizationChain(llm.bind(temperature=0.2), candidates=4, max_new_tokens=24).invoke(TEXT)
    assert llm.asked[3] == {"n": 3, "temperature": 0.2, "seed": 3}


def test_what_cannot_be_compared_is_an_error() -> None:
    with pytest.raises(InputError, match="Brief gives only 2"):
        SummarizationChain(Brief(), candidates=4, max_new_tokens=24).invoke(TEXT)
    for value in (0, True, 2.5):
        with pytest.raises(InputError, match=f"candidates is {value!r}, but must be a whole number"):
            SummarizationChain(Brief(), candidates=value)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least 3"):
        SummarizationChain(Brief(), candidates=2)


def test_a_local_model_searches_with_beams_too_and_gives_the_same_summary_again() -> None:
    asked: list[dict[str, Any]] = []
    llm = chat("llama", temperature=0)
    original = type(llm)._generate

    def noted(self: Any, messages: Any, *args: Any, **options: Any) -> Any:
        asked.append({name: options.get(name) for name in ("num_beams", "n", "temperature")})
        return original(self, messages, *args, **options)

    chain = SummarizationChain(llm, candidates=4, strategy="stuff", max_new_tokens=8, check_support=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(llm), "_generate", noted)
        first = chain.invoke(TEXT[:90])
    usual, search, samples = asked
    assert usual == {"num_beams": None, "n": None, "temperature": None}
    assert search == {"num_beams": BEAMS, "n": None, "temperature": 0}
    assert samples == {"num_beams": 1, "n": 2, "temperature": TEMPERATURE}
    assert chain.invoke(TEXT[:90]) == first
    assert first.model_calls == 3


def test_a_model_that_searches_anyway_has_a_greedy_answer_too() -> None:
    llm = chat("llama", num_beams=2)
    summary = SummarizationChain(llm, candidates=3, strategy="stuff", max_new_tokens=8, check_support=False).invoke(
        TEXT[:90]
    )
    assert summary.model_calls == 3
