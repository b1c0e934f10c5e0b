"""The promise of `fit`: it never returns a prompt that does not fit, and its numbers are the model's own."""

from __future__ import annotations

import gc
from typing import Literal

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from llmkit.errors import ContextWindowExceeded, PromptError
from llmkit.prompts import FirstExamples, TaskPrompt
from llmkit.prompts import context_budget as counting
from tests.support.counting import KINDS, CountingChat, encoder, words
from tests.support.texts import EXAMPLES, PROMPT_INPUTS


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(KINDS),
    layout=st.sampled_from(["chat", "completion", "flan", None]),
    texts=st.tuples(PROMPT_INPUTS, PROMPT_INPUTS, PROMPT_INPUTS, PROMPT_INPUTS),
    examples=EXAMPLES,
    value=PROMPT_INPUTS,
    text=PROMPT_INPUTS,
    window=st.integers(1, 700),
    reserve=st.integers(0, 300),
    most=st.none() | st.integers(0, 4),
    order=st.sampled_from(["best_last", "best_first"]),
)
def test_a_fitted_prompt_fits_and_counts_what_the_model_receives(
    kind, layout, texts, examples, value, text, window, reserve, most, order
):
    instruction, label, question, start = texts
    assume(layout != "chat" or encoder(kind).layout == "chat")
    prompt = TaskPrompt(
        instruction + " {labels}",
        input_label=label,
        question=question,
        output_start=start,
        fields=["labels"],
        examples=examples,
        selector=FirstExamples(most),
        example_order=order,
    )
    model = CountingChat(kind=kind, context_window=window)
    fitted, error = _fit(prompt, text, model=model, max_new_tokens=reserve, layout=layout, labels=value)
    if isinstance(error, ContextWindowExceeded):
        bare = prompt.with_examples([])
        large = CountingChat(kind=kind, context_window=10**6)
        alone = bare.fit(text, model=large, max_new_tokens=0, layout=layout, labels=value)
        assert error.available == window
        assert error.needed == alone.tokens + reserve > window
        return
    if error is not None:
        assert "more than the model's context window" in str(error)
        return
    received = len(encoder(kind).encode_messages(fitted.messages))
    assert fitted.tokens == received
    assert received + reserve <= window
    own = encoder(kind).layout
    assert fitted.layout == (own if own == "flan" and layout == "completion" else layout or own)
    _check_contents(fitted, prompt, text, value, most)


def _fit(prompt, text, **options):
    try:
        return prompt.fit(text, **options), None
    except (ContextWindowExceeded, PromptError) as error:
        return None, error


def _check_contents(fitted, prompt, text, value, most):
    said = "\0".join(message.content for message in fitted.messages)
    assert text in said
    assert value in said
    for example in fitted.examples:
        assert example["input"] in said
        assert example["output"] in said
        assert example["input"].split() != text.split()
    assert most is None or len(fitted.examples) <= most
    report = fitted.report
    assert sum(part.tokens for part in report.parts) == report.context_window
    assert len(fitted.examples) + len(report.left_out) == len(prompt.examples)
    assert str(report).count("\n") >= len(report.parts)


@pytest.mark.parametrize("kind", KINDS)
def test_what_did_not_fit_would_not_have_fitted(kind):
    """Every example that was left out as too long would break the budget if it were put in."""
    examples = [words(count) for count in (30, 3, 80, 1, 12, 50, 2, 40, 7)]
    prompt = TaskPrompt("Say the time.", examples=examples, output_label="Time", selector=FirstExamples())
    large = CountingChat(kind=kind, context_window=10**6)
    for window in range(100, 400, 7):
        model = CountingChat(kind=kind, context_window=window)
        fitted = prompt.fit("time?", model=model, max_new_tokens=5)
        kept = [example for example in examples if example in fitted.examples]
        for left in fitted.report.left_out:
            more = prompt.with_examples([*kept, left.candidate.example])
            whole = more.fit("time?", model=large, max_new_tokens=5)
            assert len(whole.examples) == len(kept) + 1
            assert whole.tokens + 5 > window, (window, left)


def test_a_shorter_example_fits_after_a_longer_one_did_not():
    examples = [words(20), words(200), words(10)]
    model = CountingChat(context_window=260)
    fitted = TaskPrompt("Say.", examples=examples).fit("When?", model=model, max_new_tokens=10)
    assert fitted.examples == (words(10), words(20)), "the best is last"
    (left,) = fitted.report.left_out
    assert (left.candidate.number, left.reason) == (2, "does not fit")


def test_the_best_example_is_last_or_first():
    examples = [words(1), words(2), words(3)]
    orders: dict[Literal["best_last", "best_first"], tuple[int, int]] = {"best_last": (2, 1), "best_first": (1, 2)}
    for order, counts in orders.items():
        prompt = TaskPrompt(examples=examples, selector=FirstExamples(2), example_order=order)
        fitted = prompt.fit("x", model=CountingChat(), max_new_tokens=1)
        assert fitted.examples == tuple(words(count) for count in counts)
        assert [left.reason for left in fitted.report.left_out] == ["is beyond the k best"]


def test_an_example_equal_to_the_input_is_left_out_and_the_next_taken():
    prompt = TaskPrompt(examples=[words(1), words(2), words(3)], selector=FirstExamples(2))
    fitted = prompt.fit("  time\ntime ", model=CountingChat(), max_new_tokens=1)
    assert fitted.examples == (words(3), words(1))
    assert [(left.candidate.number, left.reason) for left in fitted.report.left_out] == [(2, "equals the input")]


def test_the_window_is_used_to_the_last_token():
    prompt = TaskPrompt("Say.", examples=[words(9), words(5)])
    whole = prompt.fit("x", model=CountingChat(), max_new_tokens=0)
    exact = CountingChat(context_window=whole.tokens + 7)
    assert prompt.fit("x", model=exact, max_new_tokens=7).examples == whole.examples
    short = prompt.fit("x", model=exact, max_new_tokens=8)
    assert short.examples == (words(9),)
    assert short.tokens == exact.get_num_tokens_from_messages(short.messages)


def test_a_window_can_be_made_smaller_not_larger():
    model = CountingChat(context_window=150)
    prompt = TaskPrompt("Say.", examples=[words(30), words(60)])
    for asked, used in ((100, 100), (10**6, 150)):
        fitted = prompt.fit("When?", model=model, max_new_tokens=5, context_window=asked)
        assert fitted.report.context_window == used
    with pytest.raises(ContextWindowExceeded) as caught:
        prompt.fit("When? " * 200, model=model, max_new_tokens=5, context_window=10**6)
    assert caught.value.available == 150


def test_too_long_an_input_is_refused_with_exact_numbers():
    prompt = TaskPrompt("Say.", output_start="It is")
    model = CountingChat(context_window=100)
    text = "time " * 200
    needed = model.get_num_tokens_from_messages(prompt.format_messages(input=text)) + 20
    with pytest.raises(ContextWindowExceeded) as caught:
        prompt.fit(text, model=model, max_new_tokens=20)
    assert (caught.value.needed, caught.value.available) == (needed, 100)
    assert f"need {needed} tokens" in str(caught.value)


def test_an_example_longer_than_the_window_is_named():
    prompt = TaskPrompt(examples=[words(1), words(10_000)])
    with pytest.raises(PromptError, match=r"example 2 has \d+ tokens, more than the model's context window of 256"):
        prompt.fit("x", model=CountingChat(), max_new_tokens=1)


def test_examples_are_counted_once(monkeypatch):
    counted: list[str] = []
    plain = CountingChat.get_num_tokens

    def count(self, text):
        counted.append(text)
        return plain(self, text)

    monkeypatch.setattr(CountingChat, "get_num_tokens", count)
    model = CountingChat(context_window=300)
    prompt = TaskPrompt(examples=[words(count) for count in range(1, 40)])
    for text in ("x", "y", "z"):
        prompt.fit(text, model=model, max_new_tokens=1)
    assert counted.count(words(20)["input"]) == 1
    other = CountingChat(context_window=300)
    prompt.fit("x", model=other, max_new_tokens=1)
    assert counted.count(words(20)["input"]) == 2, "another model counts for itself"


def test_counts_are_forgotten_with_the_model():
    gc.collect()
    before = len(counting._COUNTS)
    model = CountingChat()
    TaskPrompt("x").fit("x", model=model, max_new_tokens=1)
    assert len(counting._COUNTS) == before + 1
    del model
    gc.collect()
    assert len(counting._COUNTS) == before


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "8"])
def test_max_new_tokens_is_a_count(wrong):
    with pytest.raises(PromptError, match="max_new_tokens is"):
        TaskPrompt("x").fit("x", model=CountingChat(), max_new_tokens=wrong)


def test_stops_follow_the_layout():
    prompt = TaskPrompt(input_label="Text")
    model = CountingChat(kind="chatml")
    stops = {name: prompt.fit("x", model=model, max_new_tokens=1, layout=name).stop for name in ("chat", "completion")}
    assert stops == {"chat": (), "completion": ("\nText:",)}
    assert TaskPrompt().fit("x", model=model, max_new_tokens=1, layout="completion").stop == ("\n\n",)


def test_the_report_is_a_table():
    examples = [
        *(words(count) for count in (2, 3)),
        words(150),
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


def test_the_report_shows_itself_in_a_notebook():
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
