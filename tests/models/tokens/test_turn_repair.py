"""Conversations are made simpler step by step, and it is said how."""

import copy
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    trim_messages,
)

from llmkit import HuggingFaceChat
from llmkit.models.tokens.turn_repair import repairs
from tests.support import tiny
from tests.support.models import chat
from tests.support.tokenizers import INST

S, H, A = SystemMessage, HumanMessage, AIMessage
CALL: list[Any] = [{"name": "w", "args": {}, "id": "123456789"}]

STRICT: list[tuple[list[BaseMessage], str]] = [
    ([H("a"), H("b")], "[INST] a\n\nb [/INST]"),
    ([S("s"), H("a")], "[INST] s\n\na [/INST]"),
    ([S("s"), S("t"), H("a")], "[INST] s\n\nt\n\na [/INST]"),
    ([S("s"), H("a"), A("b"), S("t"), H("c")], "[INST] s\n\na [/INST] b</s>[INST] t\n\nc [/INST]"),
    ([H("a"), S("s")], "[INST] a\n\ns [/INST]"),
    ([A("hello"), H("a")], "[INST]  [/INST] hello</s>[INST] a [/INST]"),
    ([S("s"), A("hello"), H("a")], "[INST] s [/INST] hello</s>[INST] a [/INST]"),
    ([H("a"), A("b"), A("c"), H("d")], "[INST] a [/INST] b\n\nc</s>[INST] d [/INST]"),
    ([A("b")], "[INST]  [/INST] b"),
    ([ChatMessage(role="developer", content="s"), H("a")], "[INST] s\n\na [/INST]"),
    ([H("a"), ChatMessage(role="critic", content="no")], "[INST] a\n\ncritic: no [/INST]"),
    ([ChatMessage(role="model", content="hello"), H("a")], "[INST]  [/INST] hello</s>[INST] a [/INST]"),
    (
        [H("a"), A("", tool_calls=CALL), ToolMessage("x", tool_call_id="123456789"), H("b")],
        '[INST] a [/INST] <tool_call>\n{"name": "w", "arguments": {}}\n</tool_call></s>'
        "[INST] <tool_response>\nx\n</tool_response>\n\nb [/INST]",
    ),
]


@pytest.mark.parametrize(("messages", "prompt"), STRICT)
def test_turns_in_strict_order_are_repaired(messages: list[BaseMessage], prompt: str) -> None:
    llm = chat("mistral")
    assert llm.engine.encoder.render(messages) == f"<s>{prompt}"
    assert llm.prompt_changes(messages)
    assert llm.get_num_tokens_from_messages(messages) == len(llm.engine.encoder.encode_messages(messages))
    assert isinstance(llm.invoke(messages, max_new_tokens=2), AIMessage)


def test_a_conversation_in_order_is_not_changed() -> None:
    messages = [H("a"), A("b"), H("c")]
    assert chat("mistral").prompt_changes(messages) == ()
    assert chat("llama").prompt_changes([S("s"), *messages]) == ()
    assert chat("mistral").prompt_changes("a") == ()


@pytest.mark.parametrize("name", ["llama", "mistral", "gemma2", "qwen3"])
@pytest.mark.parametrize("strategy", ["first", "last"])
@pytest.mark.parametrize("budget", [60, 20, 5])
def test_langchain_trims_a_history_of_any_form(name: str, strategy: Any, budget: int) -> None:
    llm = chat(name)
    history = [S("You are kind."), H("I am Ann."), A("Hello Ann."), H("What is my name?"), A("Ann.")]
    for messages in (history, history[:-1], history[2:]):
        trimmed = trim_messages(messages, max_tokens=budget, strategy=strategy, token_counter=llm)
        assert llm.get_num_tokens_from_messages(trimmed) <= budget
        assert [message for message in messages if message in trimmed] == trimmed
    assert llm.get_num_tokens_from_messages([]) == 0


def llm_with(template: str) -> HuggingFaceChat:
    model, tokenizer = tiny.make("llama")
    tokenizer = copy.copy(tokenizer)
    tokenizer.chat_template = template
    return HuggingFaceChat(model=model, tokenizer=tokenizer, context_window=tiny.WINDOW)


ONE_CALL = (
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{% if m.tool_calls %}"
    "{% if m.tool_calls | length > 1 %}{{ raise_exception('one call at once') }}{% endif %}"
    "{% if m.tool_calls[0].id | length != 9 %}{{ raise_exception('ids have 9 characters') }}{% endif %}"
    "<call>{{ m.tool_calls[0].function.name + m.tool_calls[0].function.arguments }}"
    "{% else %}<{{ m.role }}>{{ m.content }}{% endif %}{% endfor %}"
)
"""A template that takes one call in a turn, with JSON text, leaves out the text beside it, and is strict about ids."""


def test_tool_calls_are_taken_apart_for_a_template_that_takes_one_at_once() -> None:
    calls: Any = [
        {"name": "f", "args": {"x": "é"}, "id": "call_one"},
        {"name": "g", "args": {"x": 2}, "id": "call_two"},
    ]
    results = [ToolMessage("result one", tool_call_id="call_one"), ToolMessage("result two", tool_call_id="call_two")]
    llm = llm_with(ONE_CALL)
    messages = [H("Hello"), A("Let me see.", tool_calls=calls), *results, A("Done.")]
    assert llm.engine.encoder.render(messages) == (
        '<user>Hello<assistant>Let me see.<call>f{"x": "é"}<tool>result one<call>g{"x": 2}<tool>result two'
        "<assistant>Done."
    )
    assert len(llm.prompt_changes(messages)) == 3


def test_steps_change_no_turn_of_the_caller_and_yield_no_form_twice() -> None:
    turns = [
        {"role": "developer", "content": "s"},
        {"role": "assistant", "content": "a", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {}}}]},
        {"role": "tool", "content": "r", "tool_call_id": "1"},
        {"role": "user", "content": "u"},
        {"role": "user", "content": "v"},
    ]
    before = copy.deepcopy(turns)
    forms = [form for form, notes in repairs(turns) if notes]
    assert turns == before
    assert len(forms) > 5
    assert all(forms.count(form) == 1 and form != turns for form in forms)
    assert all("".join(turn["content"] for turn in form).count("u") >= 1 for form in forms)


def test_the_template_of_a_strict_model_is_what_the_tests_need() -> None:
    assert "must alternate" in INST
