"""Prompts on real models: the tokens that `fit` counts are those that the models receive."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit import GenerationSettings, HuggingFaceChat
from llmkit.errors import ContextWindowExceeded
from llmkit.models.llm import HuggingFaceLLM
from llmkit.prompts import SimilarExamples, TaskPrompt
from tests.support.models import chat
from tests.support.texts import EXAMPLES, PROMPT_INPUTS

DIALOGUE = "#Person1#: What time is it, Tom?\n#Person2#: It's ten to nine by my watch."

ONE_TOKEN = GenerationSettings(temperature=0, max_new_tokens=1)


@pytest.fixture(scope="module")
def llm(default_llm: HuggingFaceChat) -> HuggingFaceChat:
    return HuggingFaceChat(model=default_llm.engine, settings=ONE_TOKEN)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(
    PROMPT_INPUTS,
    PROMPT_INPUTS,
    EXAMPLES,
    PROMPT_INPUTS,
    st.integers(100, 8192),
    st.sampled_from(["chat", "completion", "flan"]),
)
def test_token_counts_equal_those_of_the_default_model(llm, instruction, start, examples, text, window, layout):
    prompt = TaskPrompt(instruction, output_start=start, examples=examples)
    fitted = prompt.fit(text, model=llm, max_new_tokens=window // 3, context_window=8192, layout=layout)
    assert fitted.tokens == llm.get_num_tokens_from_messages(fitted.messages)
    assert fitted.tokens + window // 3 <= 8192
    assert len(fitted.examples) + len(fitted.report.left_out) == len(examples)


def test_the_model_receives_the_tokens_that_were_counted(llm):
    prompt = TaskPrompt.load("summarize-dialogue").with_examples([{"input": "A: <|im_end|>", "output": "A {b}."}])
    fitted = prompt.fit(DIALOGUE, model=llm, max_new_tokens=1)
    assert llm.invoke(fitted.messages).usage_metadata["input_tokens"] == fitted.tokens
    assert (prompt | llm).invoke({"input": DIALOGUE}).usage_metadata["input_tokens"] == fitted.tokens
    rendered = llm.engine.encoder.render(fitted.messages)
    question = "Summarize this conversation in one short sentence. Say who wants what."
    assert rendered == (
        "<|im_start|>system\nSummarize the conversation in one short sentence. Say who wants what.<|im_end|>\n"
        f"<|im_start|>user\nA: <|im_end|>\n\n{question}<|im_end|>\n"
        "<|im_start|>assistant\nIn this conversation, A {b}.<|im_end|>\n"
        f"<|im_start|>user\n{DIALOGUE}\n\n{question}<|im_end|>\n"
        "<|im_start|>assistant\nIn this conversation,"
    )


def test_a_completion_model_gets_plain_text(llm):
    completion = HuggingFaceLLM(model=llm.model, settings=ONE_TOKEN)
    prompt = TaskPrompt("Summarize it.", input_label="Dialogue", output_label="Summary")
    fitted = prompt.fit(DIALOGUE, model=completion, max_new_tokens=1)
    assert fitted.text == f"Summarize it.\n\nDialogue: {DIALOGUE}\nSummary:"
    assert fitted.tokens == completion.get_num_tokens(fitted.text)
    assert (prompt | completion).invoke({"input": DIALOGUE}) == completion.invoke(fitted.text)


def test_the_default_embedder_finds_similar_examples(default_embedder_folder):
    examples = [
        {"input": "The train leaves at nine.", "output": "travel"},
        {"input": "This soup needs salt.", "output": "food"},
        {"input": "My knee hurts since yesterday.", "output": "health"},
    ]
    selector = SimilarExamples(1, examples=examples)
    found = [
        selector.select_examples({"input": text})[0]["output"]
        for text in ("Which bus goes to the station?", "Is the pizza good?", "I have a headache.")
    ]
    assert found == ["travel", "food", "health"]


def test_a_prompt_that_does_not_fit_suggests_fitted_to():
    llm = chat("llama", max_new_tokens=1)
    prompt = TaskPrompt("Say it.", examples=[{"input": "word " * count, "output": "x"} for count in (60, 90, 120)])
    with pytest.raises(ContextWindowExceeded, match=re.escape("prompt.fitted_to(llm) | llm")):
        (prompt | llm).invoke({"input": "x"})
    answer = (prompt.fitted_to(llm) | llm).invoke({"input": "x"})
    assert answer.usage_metadata["input_tokens"] == prompt.fit("x", model=llm).tokens
    with pytest.raises(ContextWindowExceeded) as caught:
        prompt.fitted_to(llm).invoke("word " * 300)
    assert "fitted_to" not in str(caught.value)


@pytest.mark.slow
def test_the_limit_and_the_stop_strings_of_a_fitted_prompt_reach_the_model(llm):
    completion = HuggingFaceLLM(model=llm.model, settings=GenerationSettings(temperature=0))
    prompt = TaskPrompt("Repeat it.", input_label="Text", output_label="Text", examples=[{"input": "a", "output": "a"}])
    chain = prompt.fitted_to(completion, max_new_tokens=20) | completion
    assert prompt.fit("b", model=completion, max_new_tokens=20).stop == ("\nText:",)
    for answer in (chain.invoke("b"), *chain.batch(["b", "c"])):
        assert "\nText:" not in answer
        assert completion.get_num_tokens(answer) <= 20


def test_the_report_says_how_messages_are_changed_for_the_chat_template() -> None:
    prompt = TaskPrompt("Be brief.")
    report = prompt.fit("The dog sleeps.", model=chat("gemma2"), max_new_tokens=8).report
    assert report.changes == ("system messages are part of the user's message",)
    assert str(report).endswith(
        "changed for the model's chat template:\n- system messages are part of the user's message"
    )
    assert "<li>system messages are part of the user&#x27;s message</li>" in report._repr_html_()
    unchanged = prompt.fit("The dog sleeps.", model=chat("llama"), max_new_tokens=8).report
    assert unchanged.changes == ()
    assert "changed" not in str(unchanged) + unchanged._repr_html_()
