"""`fit` never returns a prompt that exceeds the context window, and its token counts are those of the model."""

from __future__ import annotations

import gc
from typing import Literal

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from llmkit.errors import ContextWindowExceeded, PromptError
from llmkit.prompts import FirstExamples, TaskPrompt
from llmkit.prompts import context_budget as counting
from tests.support.counting import TOKENIZER_NAMES, CountingChat, encoder, example_of_words
from tests.support.texts import EXAMPLES, PROMPT_INPUTS


@pytest.mark.slow
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    tokenizer_name=st.sampled_from(TOKENIZER_NAMES),
    layout=st.sampled_from(["chat", "completion", "flan", None]),
    texts=st.tuples(PROMPT_INPUTS, PROMPT_INPUTS, PROMPT_INPUTS, PROMPT_INPUTS),
    examples=EXAMPLES,
    value=PROMPT_INPUTS,
    text=PROMPT_INPUTS,
    window=st.integers(1, 700),
    reserve=st.integers(0, 300),
    max_examples=st.none() | st.integers(0, 4),
    order=st.sampled_from(["best_last", "best_first"]),
)
def test_a_fitted_prompt_fits_and_counts_what_the_model_receives(
    tokenizer_name, layout, texts, examples, value, text, window, reserve, max_examples, order
):
    instruction, label, question, start = texts
    assume(layout != "chat" or encoder(tokenizer_name).layout == "chat")
    prompt = TaskPrompt(
        instruction + " {labels}",
        input_label=label,
        question=question,
        output_start=start,
        fields=["labels"],
        examples=examples,
        selector=FirstExamples(max_examples),
        example_order=order,
    )
    model = CountingChat(tokenizer_name=tokenizer_name, context_window=window)
    fitted, error = _fit(prompt, text, model=model, max_new_tokens=reserve, layout=layout, labels=value)
    if isinstance(error, ContextWindowExceeded):
        without_examples = prompt.with_examples([])
        large = CountingChat(tokenizer_name=tokenizer_name, context_window=10**6)
        fitted_alone = without_examples.fit(text, model=large, max_new_tokens=0, layout=layout, labels=value)
        assert error.available == window
        assert error.needed == fitted_alone.tokens + reserve > window
        return
    if error is not None:
        assert "more than the model's context window" in str(error)
        return
    token_count = len(encoder(tokenizer_name).encode_messages(fitted.messages))
    assert fitted.tokens == token_count
    assert token_count + reserve <= window
    model_layout = encoder(tokenizer_name).layout
    assert fitted.layout == (
        model_layout if model_layout == "flan" and layout == "completion" else layout or model_layout
    )
    _check_contents(fitted, prompt, text, value, max_examples)


def _fit(prompt, text, **options):
    try:
        return prompt.fit(text, **options), None
    except (ContextWindowExceeded, PromptError) as error:
        return None, error


def _check_contents(fitted, prompt, text, value, max_examples):
    content = "\0".join(message.content for message in fitted.messages)
    assert text in content
    assert value in content
    for example in fitted.examples:
        assert example["input"] in content
        assert example["output"] in content
        assert example["input"].split() != text.split()
    assert max_examples is None or len(fitted.examples) <= max_examples
    report = fitted.report
    assert sum(part.tokens for part in report.parts) == report.context_window
    assert len(fitted.examples) + len(report.left_out) == len(prompt.examples)
    assert str(report).count("\n") >= len(report.parts)


@pytest.mark.slow
@pytest.mark.parametrize("tokenizer_name", TOKENIZER_NAMES)
def test_examples_left_out_would_exceed_the_budget(tokenizer_name):
    """Check that adding any example that was left out as too long would exceed the budget."""
    examples = [example_of_words(count) for count in (30, 3, 80, 1, 12, 50, 2, 40, 7)]
    prompt = TaskPrompt("Say the time.", examples=examples, output_label="Time", selector=FirstExamples())
    large = CountingChat(tokenizer_name=tokenizer_name, context_window=10**6)
    for window in range(100, 400, 7):
        model = CountingChat(tokenizer_name=tokenizer_name, context_window=window)
        fitted = prompt.fit("time?", model=model, max_new_tokens=5)
        included = [example for example in examples if example in fitted.examples]
        for left_out in fitted.report.left_out:
            with_example = prompt.with_examples([*included, left_out.candidate.example])
            fitted_in_full = with_example.fit("time?", model=large, max_new_tokens=5)
            assert len(fitted_in_full.examples) == len(included) + 1
            assert fitted_in_full.tokens + 5 > window, (window, left_out)


def test_a_shorter_example_fits_after_a_longer_one_did_not():
    examples = [example_of_words(20), example_of_words(200), example_of_words(10)]
    model = CountingChat(context_window=260)
    fitted = TaskPrompt("Say.", examples=examples).fit("When?", model=model, max_new_tokens=10)
    assert fitted.examples == (example_of_words(10), example_of_words(20)), "the best example is last"
    (left_out,) = fitted.report.left_out
    assert (left_out.candidate.number, left_out.reason) == (2, "does not fit")


def test_the_best_example_is_last_or_first():
    examples = [example_of_words(1), example_of_words(2), example_of_words(3)]
    orders: dict[Literal["best_last", "best_first"], tuple[int, int]] = {"best_last": (2, 1), "best_first": (1, 2)}
    for order, counts in orders.items():
        prompt = TaskPrompt(examples=examples, selector=FirstExamples(2), example_order=order)
        fitted = prompt.fit("x", model=CountingChat(), max_new_tokens=1)
        assert fitted.examples == tuple(example_of_words(count) for count in counts)
        assert [left_out.reason for left_out in fitted.report.left_out] == ["is beyond the k best"]


def test_an_example_equal_to_the_input_is_replaced_by_the_next():
    prompt = TaskPrompt(
        examples=[example_of_words(1), example_of_words(2), example_of_words(3)], selector=FirstExamples(2)
    )
    fitted = prompt.fit("  time\ntime ", model=CountingChat(), max_new_tokens=1)
    assert fitted.examples == (example_of_words(3), example_of_words(1))
    assert [(left_out.candidate.number, left_out.reason) for left_out in fitted.report.left_out] == [
        (2, "equals the input")
    ]


def test_the_context_window_is_used_to_the_last_token():
    prompt = TaskPrompt("Say.", examples=[example_of_words(9), example_of_words(5)])
    fitted_in_full = prompt.fit("x", model=CountingChat(), max_new_tokens=0)
    exact = CountingChat(context_window=fitted_in_full.tokens + 7)
    assert prompt.fit("x", model=exact, max_new_tokens=7).examples == fitted_in_full.examples
    shorter = prompt.fit("x", model=exact, max_new_tokens=8)
    assert shorter.examples == (example_of_words(9),)
    assert shorter.tokens == exact.get_num_tokens_from_messages(shorter.messages)


def test_the_context_window_can_be_reduced_but_not_increased():
    model = CountingChat(context_window=150)
    prompt = TaskPrompt("Say.", examples=[example_of_words(30), example_of_words(60)])
    for requested, used in ((100, 100), (10**6, 150)):
        fitted = prompt.fit("When?", model=model, max_new_tokens=5, context_window=requested)
        assert fitted.report.context_window == used
    with pytest.raises(ContextWindowExceeded) as caught:
        prompt.fit("When? " * 200, model=model, max_new_tokens=5, context_window=10**6)
    assert caught.value.available == 150


def test_an_input_that_is_too_long_raises_an_error_with_exact_counts():
    prompt = TaskPrompt("Say.", output_start="It is")
    model = CountingChat(context_window=100)
    text = "time " * 200
    needed = model.get_num_tokens_from_messages(prompt.format_messages(input=text)) + 20
    with pytest.raises(ContextWindowExceeded) as caught:
        prompt.fit(text, model=model, max_new_tokens=20)
    assert (caught.value.needed, caught.value.available) == (needed, 100)
    assert f"need {needed} tokens" in str(caught.value)


def test_an_example_longer_than_the_context_window_raises_an_error_that_names_it():
    prompt = TaskPrompt(examples=[example_of_words(1), example_of_words(10_000)])
    with pytest.raises(PromptError, match=r"example 2 has \d+ tokens, more than the model's context window of 256"):
        prompt.fit("x", model=CountingChat(), max_new_tokens=1)


def test_the_tokens_of_examples_are_counted_once_per_model(monkeypatch):
    counted: list[str] = []
    plain = CountingChat.get_num_tokens

    def count(self, text):
        counted.append(text)
        return plain(self, text)

    monkeypatch.setattr(CountingChat, "get_num_tokens", count)
    model = CountingChat(context_window=300)
    prompt = TaskPrompt(examples=[example_of_words(count) for count in range(1, 40)])
    for text in ("x", "y", "z"):
        prompt.fit(text, model=model, max_new_tokens=1)
    assert counted.count(example_of_words(20)["input"]) == 1
    other = CountingChat(context_window=300)
    prompt.fit("x", model=other, max_new_tokens=1)
    assert counted.count(example_of_words(20)["input"]) == 2, "another model counts again"


@pytest.mark.slow
def test_token_counts_are_released_with_the_model():
    gc.collect()
    before = len(counting._COUNTS)
    model = CountingChat()
    TaskPrompt("x").fit("x", model=model, max_new_tokens=1)
    assert len(counting._COUNTS) == before + 1
    del model
    gc.collect()
    assert len(counting._COUNTS) == before


@pytest.mark.parametrize("invalid", [-1, 1.5, True, "8"])
def test_an_invalid_max_new_tokens_raises_prompt_error(invalid):
    with pytest.raises(PromptError, match="max_new_tokens is"):
        TaskPrompt("x").fit("x", model=CountingChat(), max_new_tokens=invalid)


def test_stop_strings_depend_on_the_layout():
    prompt = TaskPrompt(input_label="Text")
    model = CountingChat(tokenizer_name="chatml")
    stop_strings = {
        name: prompt.fit("x", model=model, max_new_tokens=1, layout=name).stop for name in ("chat", "completion")
    }
    assert stop_strings == {"chat": (), "completion": ("\nText:",)}
    assert TaskPrompt().fit("x", model=model, max_new_tokens=1, layout="completion").stop == ("\n\n",)


def test_the_report_prints_as_a_table():
    examples = [
        *(example_of_words(count) for count in (2, 3)),
        example_of_words(150),
        *({"input": f"n{n}", "output": "o"} for n in range(20)),
    ]
    prompt = TaskPrompt("Say it.", examples=examples, output_start="It is", selector=FirstExamples(3))
    fitted = prompt.fit("time time", model=CountingChat(context_window=160), max_new_tokens=10)
    table = str(fitted.report).splitlines()
    assert table[0].split() == ["part", "tokens", "share"]
    names = [line[:28].strip() for line in table[2 : table.index("")]]
    assert names == [
        "instruction",
        "example 2: time time time",
        "example 4: n0",
        "example 5: n1",
        "input",
        "output start",
        "markup",
        "reserved for the completion",
        "free",
        "context window",
    ]
    assert any(line.startswith("example 1: time time") and line.endswith("equals the input") for line in table)
    assert any("does not fit" in line for line in table)
    assert table[-1] == "and 10 more"


def test_the_report_has_an_html_representation():
    examples = [{"input": f"<b>{number} & more</b>", "output": "o"} for number in range(14)]
    prompt = TaskPrompt("Say <i>it</i>.", examples=examples, selector=FirstExamples(1))
    fitted = prompt.fit("x", model=CountingChat(), max_new_tokens=10)
    html = fitted.report._repr_html_()
    assert html.startswith("<table><tr><th>part</th><th>tokens</th><th>share</th></tr><tr><td>instruction</td>")
    assert "<tr><td>example 1: &lt;b&gt;0 &amp; more&lt;/b&gt;</td>" in html
    assert "<tr><td>context window</td><td>256</td><td></td></tr></table><table>" in html
    assert html.endswith("<td>is beyond the k best</td></tr></table><p>and 3 more</p>")
    assert html in fitted._repr_html_()
    assert "System:\nSay &lt;i&gt;it&lt;/i&gt;." in fitted._repr_html_()
    assert "<b>" not in fitted._repr_html_()
