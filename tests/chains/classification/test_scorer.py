"""Labels are scored as plain teacher forcing scores them, all labels of a text in one pass."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage

from llmkit import HuggingFaceChat
from llmkit.chains import ZeroShotClassificationChain
from llmkit.chains.classification.contextual_calibration import NEUTRAL
from llmkit.chains.classification.scorer import LabelScorer
from llmkit.chains.labels import Labels
from llmkit.chains.same_labels import find_twins, without_invisible
from llmkit.errors import ContextWindowExceeded, InputError
from llmkit.models.scoring import tree_passes
from llmkit.prompts import TaskPrompt
from tests.support import tiny
from tests.support.classification import LABELS, MODELS, label_scorer, tiny_llm
from tests.support.generation import forward_shapes
from tests.support.reference import teacher_forcing

TEXT = "The dog sleeps on."

every = pytest.mark.parametrize("name", MODELS)


def forced(name: str, labels: Sequence[str], text: str, lead: str = " ") -> list[float]:
    """The log-likelihood of each label behind the prompt, from one pass for each, without anything of llmkit's."""
    made = tiny.make(MODELS[name][1])
    encoder = tiny_llm(name).engine.encoder
    asked, answer = f"Text: {text}\n\nWhat is the category of this text?", "The category of this text is"
    if name in ("llama", "gpt_neox"):
        prompt = encoder.encode_messages([HumanMessage(asked), AIMessage(answer)])
    elif name in ("t5", "bart"):
        flan = f"Text:\n\n{text}\n\nWhat is the category of this text?\n{answer}"
        prompt = encoder.encode_messages([HumanMessage(flan)])
    else:
        prompt = encoder.encode_text(asked.replace("\n\n", "\n") + f"\n{answer}")
    return [teacher_forcing(made, prompt, encoder.encode_continuation(lead + label)) for label in labels]


@every
@pytest.mark.parametrize("text", [TEXT, "東京 <|im_end|>\n{labels} 😀", "x"])
def test_scores_equal_teacher_forcing(name: str, text: str) -> None:
    scores = label_scorer(tiny_llm(name), LABELS).scores([text, "The"])
    np.testing.assert_allclose(scores[0], forced(name, LABELS, text), atol=1e-4)
    np.testing.assert_allclose(scores[1], forced(name, LABELS, "The"), atol=1e-4)


@every
def test_uncalibrated_probabilities_are_a_softmax_of_the_scores(name: str) -> None:
    chain = ZeroShotClassificationChain(tiny_llm(name), LABELS, contextual_calibration=False)
    wanted = np.exp(forced(name, LABELS, TEXT))
    found = chain.invoke(TEXT)
    np.testing.assert_allclose(list(found.scores.values()), wanted / wanted.sum(), atol=1e-4)
    assert list(found.scores) == LABELS
    assert found.label == LABELS[int(np.argmax(wanted))]
    assert found.labels == (found.label,)
    assert found.method == "likelihood"


WORDS = st.one_of(
    st.sampled_from(LABELS),
    st.text("ab é", min_size=1, max_size=4),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6),
    st.sampled_from(["<|im_start|>user", "<|im_end|>", "</s>", "<pad>", "\u200b", "\u202e", "\x1b[31m", "a" * 60]),
)
LISTS = st.lists(WORDS.filter(without_invisible), min_size=2, max_size=8).filter(lambda labels: not find_twins(labels))


@pytest.mark.slow
@given(LISTS, st.sampled_from(["llama", "t5", "gpt2 completes"]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_probabilities_of_any_labels_sum_to_one(labels: list[str], name: str, calibrate: bool) -> None:
    found = ZeroShotClassificationChain(tiny_llm(name), labels, contextual_calibration=calibrate).invoke(TEXT)
    assert list(found.scores) == labels
    assert sum(found.scores.values()) == pytest.approx(1)
    assert all(0 <= chance <= 1 for chance in found.scores.values())
    assert found.scores[found.label or ""] == max(found.scores.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama", "bart"])
def test_a_hundred_labels_are_scored(name: str) -> None:
    labels = [f"label {number}" for number in range(100)]
    scores = label_scorer(tiny_llm(name), labels).scores([TEXT])[0]
    np.testing.assert_allclose(scores[::9], forced(name, labels[::9], TEXT), atol=1e-4)
    found = ZeroShotClassificationChain(tiny_llm(name), labels).invoke(TEXT)
    assert list(found.scores) == labels
    assert sum(found.scores.values()) == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 100])
def test_all_labels_of_a_text_share_a_forward_pass(count: int) -> None:
    llm = tiny_llm("llama")
    llm.engine.prefix_cache.block_tokens = tiny.WINDOW  # each prompt is one block
    chain = ZeroShotClassificationChain(llm, [f"label {number}" for number in range(count)])
    chain.invoke(TEXT)
    with forward_shapes(llm.engine) as shapes:
        chain.invoke("The quick brown fox jumps.")
    assert len(shapes) <= 2  # the text, and behind it the tree of labels; or both at once


def test_texts_share_a_forward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_passes, "GROUP_TOKENS", 2048)
    llm = tiny_llm("llama")
    chain = ZeroShotClassificationChain(llm, LABELS)
    chain.invoke(TEXT)
    with forward_shapes(llm.engine) as shapes:
        chain.batch([f"The dog {number}" for number in range(12)])
    assert len(shapes) <= 2


def test_with_multi_label_a_label_is_scored_against_the_rest() -> None:
    labels = ["the dog", "Paris"]
    scorer = label_scorer(tiny_llm("llama"), labels, multi_label=True)
    [row] = scorer.scores([TEXT])
    everything = forced("llama", [*labels, *NEUTRAL.alternatives], TEXT)
    np.testing.assert_allclose(row, everything, atol=1e-4)
    for place, score in enumerate(scorer.label_scores(row[None])[0]):
        rest = [math.exp(each) for index, each in enumerate(everything) if index != place]
        assert score == pytest.approx(everything[place] - math.log(sum(rest) / len(rest)), abs=1e-3)


def test_an_answer_without_output_start_has_no_leading_space() -> None:
    scorer = LabelScorer.from_labels(
        tiny_llm("llama"), TaskPrompt("Classify."), Labels.validate(LABELS[:3], None, multi_label=False)
    )
    assert scorer.continuations == LABELS[:3]
    assert label_scorer(tiny_llm("llama"), LABELS[:3]).continuations == [f" {label}" for label in LABELS[:3]]


@pytest.mark.parametrize("name", tiny.fast_and_slow(["llama", "gpt_neox", "t5", "bart", "gpt2 completes"], {"llama"}))
def test_a_text_at_the_limit_of_the_context_window_fits_or_is_split(name: str) -> None:
    """A text that is too long by any number of tokens is read in passages; one that fits is not."""
    labels = ["<|im_end|>", "日本 " * 5, "x"]
    chain = ZeroShotClassificationChain(tiny_llm(name), labels, contextual_calibration=False, context_window=120)
    texts = ["x " * count for count in range(1, 120)]
    divided = [len(chain._evidence.divide(text)) > 1 for text in texts]
    assert divided == sorted(divided)
    first = divided.index(True)
    results = chain.batch([*texts[first - 3 : first + 3], texts[-1]])
    assert [each.passages > 1 for each in results] == [False] * 3 + [True] * 4
    alone = chain.invoke(texts[first - 1]).scores
    assert results[2].scores == pytest.approx(alone, abs=1e-4)


def test_the_context_window_can_be_reduced_but_not_increased() -> None:
    labels = Labels.validate(LABELS, None, multi_label=False)
    scorer = LabelScorer.from_labels(tiny_llm("llama"), TaskPrompt.load("classify"), labels, context_window=10**6)
    assert scorer.context_window == tiny.WINDOW
    with pytest.raises(ContextWindowExceeded) as caught:
        scorer.fit("The " * 600)
    assert caught.value.available == tiny.WINDOW
    assert str(caught.value).endswith("give shorter labels or descriptions, or choose a model with a larger window")


@pytest.mark.parametrize("several", [False, True])
def test_a_label_longer_than_the_context_window_raises_an_error(several: bool) -> None:
    llm = tiny_llm("llama")
    for window, label in ((None, "word " * 600), (40, "word " * 60), (1, "a")):
        with (
            forward_shapes(llm.engine) as shapes,
            pytest.raises(InputError, match="more than the model's context window"),
        ):
            ZeroShotClassificationChain(llm, ["b", label], multi_label=several, context_window=window)
        assert not shapes
    with pytest.raises(InputError, match=r"'word word .*'… has \d{4} tokens, more than 1000: give it a shorter name"):
        LabelScorer.from_labels(
            HuggingFaceChat(),
            TaskPrompt.load("classify"),
            Labels.validate(["a", "word " * 1001], {}, multi_label=False),
        )
    with pytest.raises(InputError, match="context_window is -1"):
        ZeroShotClassificationChain(llm, ["a", "b"], context_window=-1)


@pytest.mark.slow
def test_bound_arguments_do_not_hide_the_scores() -> None:
    llm = tiny_llm("llama")
    plain_one = ZeroShotClassificationChain(llm, LABELS).invoke(TEXT)
    assert ZeroShotClassificationChain(llm.bind(temperature=1), LABELS).invoke(TEXT).method == plain_one.method


@pytest.mark.slow
def test_the_complete_prompt_of_the_default_model(default_llm: HuggingFaceChat) -> None:
    llm = default_llm
    scorer = label_scorer(llm, ["sports", "politics"])
    assert llm.engine.encoder.render(scorer.fit("The match ended 3 to 2.").messages) == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nText: The match ended 3 to 2.\n\nWhat is the category of this text?<|im_end|>\n"
        "<|im_start|>assistant\nThe category of this text is"
    )
    chain = ZeroShotClassificationChain(llm, ["sports", "politics"])
    assert chain.invoke("The match ended 3 to 2.").label == "sports"
    assert chain.invoke("The parliament passed the law by twelve votes.").label == "politics"
