from __future__ import annotations

import copy
from textwrap import dedent

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompts import BaseChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from llmkit.errors import PromptError
from llmkit.prompts import FirstExamples, RandomExamples, TaskPrompt
from tests.support.counting import CountingChat

TWO_EXAMPLES = [{"input": "A: Hi, {B}.", "output": "A greets B."}, {"input": "C: Bye.", "output": "C leaves."}]


def summary(**changes) -> TaskPrompt:
    parts = {"instruction": "Summarize it.", "input_label": "Dialogue", "output_label": "Summary"}
    return TaskPrompt(**{**parts, **changes})


def test_zero_shot_chat_messages():
    assert summary().format_messages(input="D: Yes.") == [
        SystemMessage("Summarize it."),
        HumanMessage("Dialogue: D: Yes."),
        AIMessage("Summary:"),
    ]


def test_few_shot_chat_messages_have_the_best_example_last():
    assert summary(examples=TWO_EXAMPLES, output_start="Here,").format_messages(input="D: Yes.") == [
        SystemMessage("Summarize it."),
        HumanMessage("Dialogue: C: Bye."),
        AIMessage("Summary: Here, C leaves."),
        HumanMessage("Dialogue: A: Hi, {B}."),
        AIMessage("Summary: Here, A greets B."),
        HumanMessage("Dialogue: D: Yes."),
        AIMessage("Summary: Here,"),
    ]


def test_a_prompt_without_labels_is_the_input_alone():
    assert TaskPrompt().format_messages(input="D: Yes.") == [HumanMessage("D: Yes.")]
    assert TaskPrompt().format_prompt(input="D: Yes.").to_string() == "D: Yes."


def test_few_shot_completion_text():
    expected = """\
        Summarize it.

        Dialogue: A: Hi, {B}.
        Summary: A greets B.

        Dialogue: C: Bye.
        Summary: C leaves.

        Dialogue: D: Yes.
        Summary:"""
    prompt = summary(examples=TWO_EXAMPLES, example_order="best_first")
    assert prompt.format_prompt(input="D: Yes.").to_string() == dedent(expected)


def test_few_shot_flan_text():
    expected = """\
        Dialogue:

        C: Bye.

        What was going on?
        C leaves.



        Dialogue:

        A: Hi, {B}.

        What was going on?
        A greets B.



        Dialogue:

        D: Yes.

        What was going on?"""
    prompt = TaskPrompt.load("summarize-flan").with_examples(TWO_EXAMPLES)
    fitted = prompt.fit("D: Yes.", model=CountingChat(tokenizer_name="flan", context_window=999), max_new_tokens=5)
    assert fitted.text == dedent(expected).replace("\n\n\nDialogue", "\n\nDialogue").replace("\n\n\n\n", "\n\n\n")
    assert fitted.messages == [HumanMessage(fitted.text)]
    assert fitted.stop == ("\n\n\n",)


def test_an_instruction_without_a_question_goes_before_the_input_in_the_flan_layout():
    prompt = TaskPrompt("Summarize it.", output_label="Summary", layout="flan")
    assert prompt.format_prompt(input="D: Yes.").to_string() == "Summarize it.\n\nD: Yes.\n\nSummary:"


def test_each_example_has_its_question_and_input():
    prompt = TaskPrompt.load("question-answering").with_examples(
        [{"input": "Two is even.", "question": "What is even?", "output": "Two"}]
    )
    assert prompt.format_prompt(input="Red is {warm}.", question="What is {warm}?").text == dedent(
        """\
        Question: What is even?
        Context: Two is even.
        Question: What is even?
        Answer: Two

        Question: What is {warm}?
        Context: Red is {warm}.
        Question: What is {warm}?
        Answer:"""
    )


def test_a_task_prompt_is_a_langchain_prompt():
    prompt = TaskPrompt("Label it: {labels}.", fields=["labels"])
    assert isinstance(prompt, BaseChatPromptTemplate)
    assert prompt.input_variables == ["input", "labels"]
    chain = prompt.with_config(tags=["x"]) | CountingChat()
    counted = CountingChat().get_num_tokens_from_messages(prompt.format_messages(input="a", labels="b"))
    assert chain.invoke({"input": "a", "labels": "b", "more": "is let through"}).content == str(counted)
    filled = prompt.partial(labels="b")
    assert filled.input_variables == ["input"]
    assert (filled | CountingChat()).invoke({"input": "a"}).content == str(counted)
    assert filled.format_messages(input="a", labels="c")[0].content == "Label it: c."
    assert (prompt | RunnableLambda(lambda value: value.to_string())).batch(
        [{"input": str(n), "labels": "{input}"} for n in range(3)]
    ) == [f"Label it: {{input}}.\n\n{n}" for n in range(3)]


async def test_a_prompt_has_an_async_invoke():
    assert (await summary().ainvoke({"input": "x"})).to_messages() == summary().format_messages(input="x")


def test_invalid_arguments_raise_prompt_errors_that_name_the_cause():
    prompt = TaskPrompt("{labels}", fields=["labels"])
    with pytest.raises(PromptError, match="'labels' has no value"):
        prompt.invoke({"input": "a"})
    with pytest.raises(PromptError, match="input is missing"):
        prompt.invoke({"labels": "a"})
    with pytest.raises(PromptError, match="the input is a number"):
        prompt.invoke({"labels": "a", "input": 3})
    with pytest.raises(PromptError, match="no field 'label'"):
        prompt.partial(label="a")
    with pytest.raises(PromptError, match="no field 'label'"):
        prompt.fit("a", model=CountingChat(), max_new_tokens=1, labels="a", label="b")
    with pytest.raises(PromptError, match="instruction is a number"):
        TaskPrompt(3)  # type: ignore[arg-type]
    with pytest.raises(PromptError, match="example 2 has no 'output'"):
        summary(examples=[TWO_EXAMPLES[0], {"input": "x"}])
    with pytest.raises(PromptError, match="example 1 has the key 'question'"):
        summary(examples=[{**TWO_EXAMPLES[0], "question": "x"}])


def test_braces_in_field_values_are_not_filled():
    values = {"a": "{b} {input}", "b": "{a}"}
    prompt = TaskPrompt("{a} {b} {c} {{", input_label="{b}", fields=["a", "b"])
    assert prompt.format_prompt(input="{a}{", **values).to_string() == "{b} {input} {a} {c} {{\n\n{a}: {a}{"


def test_examples_can_be_added_and_replaced():
    prompt = summary(selector=RandomExamples(1, seed=3))
    assert not prompt.examples
    prompt.selector.add_example(TWO_EXAMPLES[0])
    assert prompt.examples == (TWO_EXAMPLES[0],)
    with pytest.raises(PromptError, match="example 2's 'output' is empty"):
        prompt.selector.add_example({"input": "x", "output": ""})
    other = prompt.with_examples(TWO_EXAMPLES)
    assert other.examples == tuple(TWO_EXAMPLES)
    assert other.selector == RandomExamples(1, seed=3, examples=TWO_EXAMPLES)
    assert prompt.examples == (TWO_EXAMPLES[0],)
    with pytest.raises(PromptError, match="given twice"):
        summary(examples=TWO_EXAMPLES, selector=FirstExamples(examples=TWO_EXAMPLES))


def test_a_selector_given_to_two_prompts_is_not_shared():
    selector = FirstExamples(1)
    one, two = (
        summary(examples=TWO_EXAMPLES[:1], selector=selector),
        summary(examples=TWO_EXAMPLES[1:], selector=selector),
    )
    assert (one.examples, two.examples, selector.examples) == ((TWO_EXAMPLES[0],), (TWO_EXAMPLES[1],), [])


def test_prompts_are_equal_by_value_and_immutable():
    assert summary(examples=TWO_EXAMPLES) == summary(examples=TWO_EXAMPLES) != summary()
    assert copy.deepcopy(summary(examples=TWO_EXAMPLES)) == summary(examples=TWO_EXAMPLES)
    with pytest.raises(ValueError, match="frozen"):
        summary().description = "x"


def test_pretty_repr_shows_unfilled_fields():
    assert TaskPrompt("Say {n}.", fields=["n"], output_label="A").pretty_repr() == "Say {n}.\n\n{input}\nA:"


def test_a_prompt_for_another_task_is_refused():
    prompt = TaskPrompt.load("sentiment")
    prompt.check_task("classify")
    with pytest.raises(PromptError, match="the prompt is for classify, not for summarize: choose one for summarize"):
        prompt.check_task("summarize")
    with pytest.raises(PromptError, match="not for ask"):
        prompt.with_parts(instruction="Another.").check_task("ask")
    TaskPrompt("Anything.").check_task("ask")
    with pytest.raises(PromptError, match="task is 'poetry'"):
        TaskPrompt("Anything.", task="poetry")  # type: ignore[arg-type]
