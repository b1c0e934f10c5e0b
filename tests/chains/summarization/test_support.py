"""How far the source supports the sentences of a summary, and what is left out."""

from functools import reduce
from operator import add
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import FakeListChatModel

from llmkit.chains import SummarizationChain, SummarizationTuning, Summary, SummarySentence
from llmkit.chains.summarization.results import without_sentences
from llmkit.chains.summarization.support import UNSUPPORTED, SupportCheck
from llmkit.errors import InputError
from llmkit.text.segmentation import sentences

LIFT = """Ann: The lift is broken again, I had to walk up nine floors with the shopping.
Bo: I called the landlord this morning. He says that it will be repaired on Thursday.
Ann: Thursday! Then let's eat at home until then."""
BAKER = """Cleo: Do you have any bread with nuts left?
Dan: No, the last loaf was sold an hour ago. I bake it on Mondays only.
Cleo: Then I take two rolls and some of the apple cake."""
SUPPORTED, UNSUPPORTED_SENTENCE = "The landlord repairs the lift on Thursday.", "Cleo buys rolls and cake from Dan."


class Answering(FakeListChatModel):
    """Answers every prompt with the same text, as any LangChain chat model; a token is a byte."""

    def get_token_ids(self, text: str) -> list[int]:
        return list(text.encode())


def make_chain(answer: str, **options: Any) -> SummarizationChain:
    options = {"tuning": SummarizationTuning(min_support=0.1), "context_window": 2000, **options}
    return SummarizationChain(Answering(responses=[answer]), **options)


def test_a_sentence_has_more_support_in_its_own_source(default_llm: Any) -> None:
    found = {}
    for name, source in (("lift", LIFT), ("baker", BAKER)):
        chain = SummarizationChain(default_llm, "summarize-dialogue")
        outcome = chain.prepare(source).unwrap()
        text = f"{SUPPORTED} {UNSUPPORTED_SENTENCE}"
        draft = Summary(text=text, strategy="stuff", passages=outcome.passages, model_calls=1, complete=True)
        check = SupportCheck(default_llm, chain.prompt, chain.tuning, 0.0)
        [summary] = check.apply([draft], [outcome])
        assert summary.text == text
        found[name] = summary.sentences
    for own, other in ((found["lift"][0], found["baker"][0]), (found["baker"][1], found["lift"][1])):
        assert own.text == other.text
        assert own.log_ratio is None  # its words decide
        assert other.log_ratio is not None
        assert own.source_words > other.source_words
        assert own.support > 0.5 > 0.1 > other.support


def test_a_sentence_without_support_is_left_out_and_shown() -> None:
    chain = make_chain(f"{SUPPORTED} {UNSUPPORTED_SENTENCE} Ann has to walk up nine floors.")
    summary = chain.invoke(LIFT)
    assert summary.text == f"{SUPPORTED} Ann has to walk up nine floors."
    assert [one.text for one in summary.sentences] == [span.of(summary.text) for span in sentences(summary.text)]
    assert [sentence.text for sentence in summary.left_out] == [UNSUPPORTED_SENTENCE]
    assert max(one.support for one in summary.left_out) < 0.1 <= min(one.support for one in summary.sentences)
    assert UNSUPPORTED_SENTENCE in summary._repr_html_()
    assert summary.notices == ()
    long = LIFT + "\n" + "Bo: The shopping is in the kitchen, and the landlord has the key. " * 12
    assert reduce(add, chain.stream(long)) == chain.invoke(long)


def test_a_summary_without_any_support_is_not_empty_and_has_a_notice() -> None:
    summary = make_chain(f"{UNSUPPORTED_SENTENCE} Paris welcomes many thousands of tourists.").invoke(LIFT)
    assert summary.text in (UNSUPPORTED_SENTENCE, "Paris welcomes many thousands of tourists.")
    assert len(summary.sentences) == len(summary.left_out) == 1
    assert summary.notices == (UNSUPPORTED,)


def test_the_check_is_optional_and_so_is_leaving_out() -> None:
    answer = f"{SUPPORTED} {UNSUPPORTED_SENTENCE}"
    neutral = make_chain(answer, tuning=None).invoke(LIFT)
    everything = make_chain(answer, min_support=0).invoke(LIFT)
    assert (neutral.text, neutral.left_out) == (everything.text, everything.left_out) == (answer, ())
    assert len(everything.sentences) == 2
    unchecked = make_chain(answer, check_support=False).invoke(LIFT)
    assert (unchecked.text, unchecked.sentences) == (answer, ())
    strict = make_chain(answer, min_support=0.99).invoke(LIFT)
    assert strict.text == SUPPORTED
    for wrong in (-0.1, 1.1, True, "high"):
        with pytest.raises(InputError, match=r"min_support is .*, but must be between 0 and 1"):
            make_chain(answer, min_support=wrong)


def test_a_long_source_supports_a_sentence_by_the_part_with_most_of_its_words() -> None:
    text = "\n\n".join([BAKER] * 3 + [LIFT] + [BAKER] * 3)
    chain = make_chain(SUPPORTED, strategy="map_reduce", max_passage_tokens=len(LIFT) + 20, max_new_tokens=200)
    summary = chain.invoke(text)
    assert summary.strategy == "map_reduce"
    [sentence] = summary.sentences
    assert sentence.source_words == 1.0


def test_likelihood_decides_where_words_leave_it_open(default_llm: Any) -> None:
    chain = SummarizationChain(default_llm, "summarize-dialogue")
    lift, baker = (chain.prepare(source).unwrap() for source in (LIFT, BAKER))
    text = "The elevator of the building has to be fixed on Thursday."
    draft = Summary(text=text, strategy="stuff", passages=lift.passages, model_calls=1, complete=True)
    check = SupportCheck(default_llm, chain.prompt, chain.tuning, 0.0)
    own, other = (summary.sentences[0] for summary in check.apply([draft, draft], [lift, baker]))
    assert own.log_ratio > other.log_ratio + 0.5
    assert own.support > other.support


def test_the_check_takes_two_more_passes_for_a_batch(default_llm: Any) -> None:
    counts = []
    for check in (False, True):
        chain = SummarizationChain(default_llm, "summarize-dialogue", max_new_tokens=12, check_support=check)
        passes: list[int] = []
        hook = default_llm.engine.loaded.model.register_forward_hook(lambda *_, seen=passes: seen.append(1))
        chain.batch([LIFT, BAKER])
        hook.remove()
        counts.append(len(passes))
    assert counts[0] < counts[1] <= counts[0] + 6


@given(st.lists(st.sampled_from(["It rains.", "Is it ten?", "Never.", "3.5 is it."]), unique=True), st.data())
def test_what_is_left_is_what_was_not_left_out(texts: list[str], data: st.DataObject) -> None:
    left_out = data.draw(st.lists(st.sampled_from(texts), unique=True)) if texts else []
    whole = " ".join(texts)
    marked = [SummarySentence(text=text, support=0.0, source_words=0.0) for text in left_out]
    assert without_sentences(whole, marked) == " ".join(text for text in texts if text not in left_out)
