"""Texts that are longer than the window: passages that cover them, and results pooled by length."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from llmkit import HuggingFaceChat
from llmkit.chains import ZeroShotClassificationChain
from llmkit.chains.calibration import Calibration
from llmkit.chains.classification.long_texts import divide, pooled_labels, pooled_scores
from llmkit.errors import ContextWindowExceeded, GenerationError
from llmkit.prompts import LexicalExamples
from llmkit.text.segmentation import Passage
from tests.support.classification import tiny_llm
from tests.support.tiny import fast_and_slow
from tests.support.tool_formats import chat_with_format
from tests.support.without_scores import ChatWithoutScores

SPORTS = "The match ended 3 to 2 after a late goal. The striker scored twice for the team. "
POLITICS = "The senate voted on the budget bill. The minister defended the new law. "
LABELS = ["sports", "politics"]
EXAMPLES = [
    {"input": "A goal in the last minute.", "output": "sports"},
    {"input": "The election is in May.", "output": "politics"},
    {"input": "The coach was pleased with the team.", "output": "sports"},
    {"input": "The president signed the bill.", "output": "politics"},
]


def parts(*tokens: int) -> list[Passage]:
    return [Passage("x", 0, 1, count) for count in tokens]


def in_half(chain: ZeroShotClassificationChain, text: str) -> Any:
    """Return what the chain's scorers give for the passages of a text, pooled here."""
    found = chain._evidence.divide(text)
    rows = np.stack(
        [row for row in chain._evidence.try_scores([part.text for part in found]) if not isinstance(row, Exception)]
    )
    weights = [part.tokens for part in found]
    return len(found), np.average(Calibration().probabilities(rows), axis=0, weights=weights)


@pytest.mark.parametrize("name", fast_and_slow(["llama", "t5", "gpt2 completes"], {"llama"}))
@pytest.mark.parametrize("examples", [[], EXAMPLES], ids=["zero-shot", "few-shot"])
def test_a_long_text_has_the_mean_of_its_passages(name: str, examples: list[dict[str, str]]) -> None:
    chain = ZeroShotClassificationChain(tiny_llm(name), LABELS, examples=examples)
    text = SPORTS * 40 + POLITICS * 20
    found = chain.invoke(text)
    count, expected = in_half(chain, text)
    assert found.passages == count > 2
    assert list(found.scores.values()) == pytest.approx(expected, abs=1e-4)
    assert sum(found.scores.values()) == pytest.approx(1)


def test_a_text_that_fits_is_scored_in_one_passage() -> None:
    """Also beside a long one: its result is that of its one prompt."""
    chain = ZeroShotClassificationChain(tiny_llm("llama"), LABELS)
    short, _, again = chain.batch([SPORTS, SPORTS * 60, SPORTS])
    [row] = chain._evidence.try_scores([SPORTS])
    assert not isinstance(row, Exception)
    assert short.passages == again.passages == 1
    assert list(short.scores.values()) == pytest.approx(Calibration().probabilities(row[None])[0], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"multi_label": True}, {"selector": LexicalExamples(2), "examples": EXAMPLES}])
def test_other_scoring_methods(options: dict[str, Any]) -> None:
    found = ZeroShotClassificationChain(tiny_llm("llama"), LABELS, **options).invoke(SPORTS * 60)
    assert found.passages > 2
    assert all(0 < probability < 1 for probability in found.scores.values())


@pytest.mark.slow
def test_calibrate_takes_long_texts() -> None:
    chain = ZeroShotClassificationChain(tiny_llm("llama"), LABELS)
    assert chain.calibrate([SPORTS * 60, POLITICS]).rows == 2
    rows = [{"input": text * count, "output": label} for text, label in ((SPORTS, "sports"), (POLITICS, "politics"))
            for count in (1, 60)]  # fmt: skip
    assert chain.calibrate(rows).rows == 4
    assert chain.invoke(SPORTS * 60).calibrated


def test_a_context_window_without_space_for_a_passage_raises_an_error() -> None:
    chain = ZeroShotClassificationChain(tiny_llm("llama"), LABELS, contextual_calibration=False, context_window=20)
    with pytest.raises(ContextWindowExceeded, match="give shorter labels or descriptions"):
        chain.invoke(SPORTS * 10)


@pytest.mark.slow
def test_the_default_model_finds_what_most_of_a_text_is_about(default_llm: HuggingFaceChat) -> None:
    chain = ZeroShotClassificationChain(default_llm, LABELS, context_window=512)
    mostly = SPORTS * 25 + POLITICS * 8
    found = chain.batch([mostly, mostly.replace(SPORTS, POLITICS * 2), SPORTS])
    assert [each.label for each in found] == ["sports", "politics", "sports"]
    assert [each.passages > 1 for each in found] == [True, True, False]


class Chooser(ChatWithoutScores):
    """Chooses sports for a text that speaks of goals, politics for one of laws; and a wrong label for one of snow."""

    multi_label: bool = False

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.asked.append(messages)
        text = str(messages[1:])
        found = [
            label for label, word in (("sports", "goal"), ("politics", "law"), ("weather", "snow")) if word in text
        ]
        arguments = {"label": found if self.multi_label else [LABELS[1], *found][-1]}
        call = {"name": "Classification", "args": arguments, "id": "1"}
        return ChatResult(generations=[ChatGeneration(message=AIMessage("", tool_calls=[call]))])


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_model_without_log_likelihoods(multi_label: bool) -> None:
    llm = Chooser(
        llm=chat_with_format("hermes"),
        multi_label=multi_label,
        custom_get_token_ids=lambda text: list(range(len(text.split()))),
    )
    chain = ZeroShotClassificationChain(llm, LABELS, multi_label=multi_label, context_window=200)
    long, short, wrong = chain.batch(
        [SPORTS * 20 + POLITICS * 5, POLITICS, SPORTS * 20 + "snow " * 90], return_exceptions=True
    )
    assert (long.label, long.labels[:1], long.method) == ("sports", ("sports",), "structured output")
    assert (long.passages > 2, short.passages, short.label) == (True, 1, "politics")
    assert isinstance(wrong, GenerationError)
    assert len(llm.asked) > long.passages + 1


def test_a_model_with_an_unknown_context_window_gets_the_whole_text() -> None:
    llm = Chooser(llm=chat_with_format("hermes"))
    assert ZeroShotClassificationChain(llm, LABELS).invoke(SPORTS * 60).passages == 1
    assert len(llm.asked) == 1


@given(st.lists(st.text("ab .\n", min_size=1), min_size=1).map("".join).filter(str.strip), st.integers(8, 40))
def test_passages_cover_the_text(text: str, most: int) -> None:
    class Counter:
        def get_num_tokens(self, text: str) -> int:
            return len(text)

    def fit(part: str) -> None:
        if len(part) > most:
            raise ContextWindowExceeded(len(part), most)

    found = divide(text, fit, Counter(), 2 * most)
    assert all(len(part.text) <= most and text[part.start : part.end] == part.text for part in found)
    assert "".join("".join(part.text.split()) for part in found) == "".join(text.split())


def test_scores_are_pooled_by_length() -> None:
    rows = [np.log([0.9, 0.1]), np.log([0.3, 0.7])]
    pooled = pooled_scores(rows, parts(30, 10), independent=False)
    assert Calibration().probabilities(pooled[None])[0] == pytest.approx([0.75, 0.25])
    odds = [np.array([2.0, -800.0]), np.array([-1.0, -900.0])]
    pooled = pooled_scores(odds, parts(10, 10), independent=True)
    probabilities = Calibration(independent=True).probabilities(pooled[None])[0]
    assert probabilities[0] == pytest.approx((1 / (1 + np.exp(-2)) + 1 / (1 + np.exp(1))) / 2)
    assert 0 <= probabilities[1] < 1e-9


def test_chosen_labels_are_pooled_by_length() -> None:
    chosen = [("a",), ("b",), ("b", "c"), ()]
    assert pooled_labels(chosen, parts(10, 4, 5, 9), multi_label=False) == ("a",)
    assert pooled_labels(chosen, parts(10, 4, 5, 9), multi_label=True) == ("a", "b", "c")
    assert pooled_labels(chosen, parts(20, 4, 5, 9), multi_label=True) == ("a",)
    assert pooled_labels([(), ()], parts(1, 1), multi_label=True) == ()
