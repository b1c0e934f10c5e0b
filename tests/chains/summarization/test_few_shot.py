"""Examples of summaries: whether they are shown is measured on them, and their length is taken."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from llmkit.chains import ExamplesReport, SummarizationChain, SummarizationTuning
from llmkit.chains.postprocess import OutputForm, clean_completion
from llmkit.chains.summarization.few_shot import MAX_MEASURED, MIN_MEASURED, rouge_1
from llmkit.prompts import FirstExamples
from tests.support.counting import CountingChat

SUMMARY = "Tom tells the time."
EXAMPLES = [{"input": f"Tom: It is {number} now, and the close is near.", "output": SUMMARY} for number in range(20)]
TEXT = "Tom: It is ten now. The watch is by the station, and the station is close to it. " * 3


class Student(CountingChat):
    """Answers with one text where it sees examples, and with another where it sees none."""

    with_examples: str = SUMMARY
    without: str = SUMMARY
    context_window: int = 2000
    seen: list[int] = Field(default_factory=list)

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        shown = sum(message.type == "human" for message in messages) - 1
        self.seen.append(shown)
        answer = AIMessage(self.with_examples if shown else self.without)
        return ChatResult(generations=[ChatGeneration(message=answer)])


def make_chain(llm: Student, count: int, *, prefers: bool, **options: Any) -> SummarizationChain:
    tuning = SummarizationTuning(shows_examples=prefers)
    return SummarizationChain(llm, examples=EXAMPLES[:count], max_new_tokens=24, tuning=tuning, **options)


@pytest.mark.parametrize("prefers", [True, False])
@pytest.mark.parametrize("helps", [True, False])
def test_examples_are_shown_where_that_helps(helps: bool, prefers: bool) -> None:
    other = {"without" if helps else "with_examples": "The dog is in Paris."}
    llm = Student(**other)
    chain = make_chain(llm, 8, prefers=prefers)
    assert not llm.seen
    summary = chain.invoke(TEXT)
    assert summary.text == SUMMARY
    assert (sorted(llm.seen[:-1]), llm.seen[-1]) == ([0] * 8 + [4] * 8, 8 if helps else 0)
    report = chain.examples_report()
    assert report is not None
    assert (report.use, report.measure) == ("prompt" if helps else "length", "ROUGE-1")
    assert (report.with_examples, report.without_examples) == (
        (1.0, rouge_1(llm.without, SUMMARY)) if helps else (rouge_1(llm.with_examples, SUMMARY), 1.0)
    )
    assert chain.examples_report() == report
    assert len(llm.seen) == 17  # it is measured once


@pytest.mark.parametrize("prefers", [True, False])
@pytest.mark.parametrize("count", [MIN_MEASURED - 1, MIN_MEASURED, 20])
def test_without_a_difference_the_tuning_decides(count: int, prefers: bool) -> None:
    llm = Student()
    chain = make_chain(llm, count, prefers=prefers)
    report = chain.examples_report()
    assert report is not None
    assert report.use == ("prompt" if prefers and count < MIN_MEASURED else "length" if not prefers else report.use)
    assert len(llm.seen) == (0 if count < MIN_MEASURED else 2 * min(count, MAX_MEASURED))
    assert (report.measure is None) == (count < MIN_MEASURED)


@pytest.mark.parametrize("show", [True, False])
def test_a_person_may_decide(show: bool) -> None:
    llm = Student()
    chain = make_chain(llm, 8, prefers=not show, show_examples=show)
    chain.invoke(TEXT)
    assert llm.seen == [8 if show else 0]
    assert chain.examples_report() == ExamplesReport(8, "prompt" if show else "length")


def test_the_examples_of_a_selector_are_measured_as_it_ranks_them() -> None:
    llm = Student(without="The dog is in Paris.")
    chain = SummarizationChain(llm, selector=FirstExamples(2, examples=EXAMPLES[:8]), max_new_tokens=24)
    chain.invoke(TEXT)
    assert (sorted(llm.seen[:-1]), llm.seen[-1]) == ([0] * 8 + [2] * 8, 2)


class Foreign(BaseExampleSelector):
    def add_example(self, example: dict[str, str]) -> None: ...

    def select_examples(self, input_variables: dict[str, str]) -> list[dict[str, str]]:
        return EXAMPLES[:3]


def test_examples_of_a_selector_of_langchain_are_shown() -> None:
    llm = Student()
    chain = SummarizationChain(llm, selector=Foreign(), max_new_tokens=24)
    chain.invoke(TEXT)
    assert llm.seen == [3]
    assert chain.examples_report() is None


def test_no_examples_no_report() -> None:
    assert SummarizationChain(Student(), max_new_tokens=24).examples_report() is None


def test_the_length_of_the_examples_is_taken() -> None:
    llm = Student(without="Tom tells the time. It is ten. The station is close.")
    chain = SummarizationChain(llm, examples=EXAMPLES, max_new_tokens=24, show_examples=False)
    assert chain.invoke(TEXT).text == SUMMARY
    assert "".join(chunk.text for chunk in chain.stream(TEXT * 9)) == SUMMARY
    assert chain.invoke(TEXT).complete


def test_the_default_model_does_not_see_a_few_examples(default_llm: Any) -> None:
    chain = SummarizationChain(default_llm, examples=EXAMPLES[:3])
    assert [message.type for message in chain.plan(TEXT)[0].messages] == ["system", "human", "ai"]


@given(
    st.lists(st.sampled_from(["It rains today.", "Is it ten?", "Never.", "The dog is in Paris now."]), max_size=4),
    st.integers(1, 12),
    st.integers(1, 3),
)
def test_a_form_leaves_out_only_later_sentences(texts: list[str], words: int, count: int) -> None:
    whole, _ = clean_completion(" ".join(texts), complete=True)
    text, truncated = clean_completion(" ".join(texts), complete=True, form=OutputForm(words, count))
    assert whole.startswith(text)
    assert not truncated
    assert bool(text) == bool(texts)
    assert len(text.split()) <= max(words, len(texts[0].split()) if texts else 0)


def test_rouge_1_counts_stems() -> None:
    assert rouge_1("Tom repairs two watches.", "Tom repaired a watch.") == pytest.approx(2 * 3 / 8)
    assert rouge_1("", "Tom") == 0
    assert rouge_1("the dog", "the the dog") == pytest.approx(2 * 2 / 5)
