"""Names of senders are in the prompt, or it is said that they are left out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from tests.support.chat_templates import TEMPLATES, renderer, turns
from tests.support.models import chat, completion

H, A = HumanMessage, AIMessage
CALL: list[Any] = [{"name": "weather", "args": {}, "id": "123456789"}]
BEFORE = "names of senders come before their texts"
LEFT_OUT = "the assistant's name is left out"
NAMED: dict[str, tuple[list[BaseMessage], list[str], list[str]]] = {
    "user": ([H("Hi", name="Ann")], ["Ann: Hi"], [BEFORE]),
    "users": ([H("Hi", name="Ann"), A("Yes"), H("Ho", name="Bob")], ["Ann: Hi", "Bob: Ho"], [BEFORE]),
    "one assistant": ([H("Hi"), A("Yes", name="agent"), H("Ho")], ["Yes"], [LEFT_OUT]),
    "assistants": (
        [H("Hi"), A("Yes", name="writer"), H("Ho"), A("No", name="critic"), H("So?")],
        ["writer: Yes", "critic: No"],
        [BEFORE],
    ),
    "user and assistant": (
        [H("Hi", name="Ann"), A("Yes", name="agent"), H("Ho")],
        ["Ann: Hi"],
        [LEFT_OUT, BEFORE],
    ),
    "system": ([SystemMessage("2 + 2", name="example_user"), H("Hi")], ["example_user: 2 + 2"], [BEFORE]),
    "tool": (
        [H("Hi"), A("", tool_calls=CALL), ToolMessage("SUNNY", tool_call_id="123456789", name="forecast"), H("So?")],
        ["forecast: SUNNY"],
        [],
    ),
    "function": ([H("Hi"), FunctionMessage(content="SUNNY", name="forecast"), H("So?")], ["forecast: SUNNY"], []),
}


@pytest.mark.parametrize("case", NAMED)
@pytest.mark.parametrize("name", ["llama", "mistral", "gemma2"])
def test_a_name_is_before_its_text_or_reported(name: str, case: str) -> None:
    messages, texts, notes = NAMED[case]
    llm = chat(name)
    prompt = llm.engine.encoder.render(messages)
    for text in texts:
        assert prompt.count(text) == 1, prompt
    changes = llm.prompt_changes(messages)
    assert set(notes) <= set(changes)
    assert llm.get_num_tokens_from_messages(messages) == len(llm.engine.encoder.encode_messages(messages))


@pytest.mark.parametrize("case", NAMED)
def test_a_model_without_a_template_reads_names(case: str) -> None:
    messages, texts, _ = NAMED[case]
    prompt = completion("gpt2")._convert_input(messages).to_string()
    for text in texts:
        assert text in prompt


def test_a_template_that_has_names_renders_them() -> None:
    one = renderer("{% for m in messages %}<{{ m.role }}{{ ' ' + m.name if m.name }}>{{ m.content }}\n{% endfor %}<a>")
    rendered = one.render(turns([H("Hello there", name="Ann"), A("Yes", name="agent"), H("So?")]), {})
    assert rendered.text == "<user Ann>Hello there\n<assistant agent>Yes\n<user>So?\n<a>"
    assert rendered.changes == ()


def test_the_name_of_a_tool_is_in_its_call() -> None:
    result = ToolMessage("SUNNY", tool_call_id="123456789", name="weather")
    messages = [H("Hi"), A("", tool_calls=CALL), result, H("So?")]
    assert "weather: SUNNY" not in chat("llama").engine.encoder.render(messages)
    assert BEFORE not in chat("llama").prompt_changes(messages)


@pytest.mark.parametrize("name", sorted(set(TEMPLATES) - {"texts as JSON", "texts escaped", "lists of blocks"}))
@given(
    spoken=st.lists(
        st.tuples(
            st.sampled_from([H, A]), st.sampled_from(["", "Ann", "Bob", "a"]), st.sampled_from(["Ann", "Hi", ""])
        ),
        min_size=1,
        max_size=5,
    )
)
def test_no_name_is_lost_in_silence(name: str, spoken: list[tuple[Any, str, str]]) -> None:
    messages = [role(text, name=sender or None) for role, sender, text in spoken]
    rendered = renderer(TEMPLATES[name]).render(turns(messages), {})
    assistants = {sender for role, sender, _ in spoken if role is A and sender}
    left_out = len(assistants) == 1
    assert (LEFT_OUT in rendered.changes) == left_out
    for role, sender, text in spoken:
        if sender and not (role is A and left_out):
            assert f"{sender}: {text}".rstrip() in rendered.text


def test_a_dictionary_with_a_name_is_a_message_with_a_name() -> None:
    messages = [("user", "x"), {"role": "user", "content": "Hi", "name": "Ann"}]
    assert chat("llama").prompt_changes(messages) == (BEFORE,)
