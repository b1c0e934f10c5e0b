"""Nothing of a conversation is left out in silence, whatever the chat template knows."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage

from llmkit.errors import PromptError
from llmkit.models.tokens.dropped_parts import dropped_parts
from tests.support import tokenizers
from tests.support.chat_templates import FIRST, TEMPLATES, TURNS, renderer, turns
from tests.support.models import chat

S, H, A = SystemMessage, HumanMessage, AIMessage
CALL: list[Any] = [{"name": "w", "args": {}, "id": "123456789"}]
CONVERSATIONS: dict[str, list[BaseMessage]] = {
    "system first": [S("ANSWER IN FRENCH"), H("Hi")],
    "system in the middle": [S("ANSWER IN FRENCH"), H("Hi"), A("Salut"), S("NOW IN GERMAN"), H("Hello")],
    "system last": [H("Hi"), S("ANSWER IN FRENCH")],
    "system alone": [S("ANSWER IN FRENCH")],
    "two systems": [S("ANSWER IN FRENCH"), S("BE KIND"), H("Hi")],
    "developer": [ChatMessage(role="developer", content="ANSWER IN FRENCH"), H("Hi")],
    "another role": [H("Hi"), ChatMessage(role="critic", content="TOO SHORT"), H("More")],
    "a greeting": [A("WELCOME"), H("Hi")],
    "two answers": [H("Hi"), A("THE PLAN"), A("THE TEXT"), H("go on")],
    "the rest of a history": [A("ANSWER"), H("Hi"), A("And open")],
    "texts that repeat": [S("Hi"), H("Hi"), A("Hi"), H("Hi")],
    "a text inside another": [H("Be kind to all"), A("kind"), S("kind")],
    "texts like markup": [S("user"), H("message.role"), A("</a>"), H("<u>")],
    "empty texts": [S(""), H("Hi"), A(""), H("Hello")],
    "a tool's result": [H("Hi"), A("", tool_calls=CALL), ToolMessage("SUNNY", tool_call_id="123456789")],
    "other text": [S("Zeile 1\n\tZeile „2“ \\n"), H(' {"a": "é"} <b> & \u2028 ')],
}


def unescaped(text: str) -> str:
    for name, char in (("&lt;", "<"), ("&gt;", ">"), ("&#34;", '"'), ("&amp;", "&"), ('\\"', '"'), ("\\\\", "\\")):
        text = text.replace(name, char)
    return "".join(text.replace("\\n", "\n").replace("\\t", "\t").split())


@pytest.mark.parametrize("conversation", CONVERSATIONS)
@pytest.mark.parametrize("name", TEMPLATES)
def test_every_text_is_in_the_prompt_as_often_as_in_the_conversation(name: str, conversation: str) -> None:
    messages = CONVERSATIONS[conversation]
    rendered = renderer(TEMPLATES[name]).render(turns(messages), {})
    texts = ["".join(str(message.content).split()) for message in messages]
    for text in filter(None, set(texts)):
        text = unescaped(text) if "\\" in text else text
        assert unescaped(rendered.text).count(text) >= texts.count(text), rendered.text


@pytest.mark.parametrize("name", ["every role", "system at the beginning", "numbered"])
def test_a_conversation_that_the_template_takes_is_rendered_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one, calls = renderer(TEMPLATES[name]), []
    apply = one._apply

    def count(*given: Any) -> str:
        calls.append(given)
        return apply(*given)

    monkeypatch.setattr(one, "_apply", count)
    messages = [S("Answer in French."), H("Hello there"), A("Salut !"), H("What is the capital of France?")]
    assert one.render(turns(messages), {}).changes == ()
    assert len(calls) == 1


WORDS = st.text('abz <|>{}\\"\n.é', max_size=6)
SPOKEN = st.lists(st.tuples(st.sampled_from([S, H, A]), WORDS), min_size=1, max_size=6)


@given(st.sampled_from(sorted(set(TEMPLATES) - {"texts as JSON", "texts escaped", "lists of blocks"})), SPOKEN)
def test_no_text_is_lost_whatever_it_is(name: str, spoken: list[tuple[Any, str]]) -> None:
    rendered = renderer(TEMPLATES[name]).render(turns([role(text) for role, text in spoken]), {}).text
    rest = "".join(rendered.split())
    for text in sorted(("".join(text.split()) for _, text in spoken), key=len, reverse=True):
        assert text in rest
        rest = rest.replace(text, "\0", 1)


@pytest.mark.parametrize(
    ("template", "conversation", "says"),
    [
        (
            "{% for m in messages[-2:] %}{{ m.role }}: {{ m.content }}\n{% endfor %}",
            "system in the middle",
            "leaves out the system message 'ANSWER IN FRENCH'",
        ),
        ("{% for m in messages %}{{ m.role }}: {{ m.content[:8] }}\n{% endfor %}", "system first", "ANSWER IN FRENCH"),
        ("{{ messages[-1].content }}", "two answers", "leaves out the user message 'Hi' .1 of 4. and"),
        ("{{ raise_exception('never') }}", "system first", "refuses these messages: never"),
        (
            "{% for m in messages %}{{ m.content",
            "system first",
            "chat template is damaged: line 1: .*; get the model's",
        ),
        ("{{ nothing.at.all }}", "system first", "refuses these messages"),
    ],
)
def test_what_no_form_saves_raises_an_error_that_names_it(template: str, conversation: str, says: str) -> None:
    with pytest.raises(PromptError, match=says):
        renderer(template).render(turns(CONVERSATIONS[conversation]), {})


def test_the_reasoning_of_earlier_answers_may_be_left_out() -> None:
    template = "{% for m in messages %}<{{ m.role }}>{{ m.content.split('</think>')[-1] | trim }}{% endfor %}"
    messages = [H("2 + 2?"), A("<think>\nTwo and two\n</think>\n\nIt is four."), H("3 + 3?")]
    rendered = renderer(template).render(turns(messages), {})
    assert (rendered.changes, "Two and two" in rendered.text, "It is four." in rendered.text) == ((), False, True)
    with pytest.raises(PromptError, match="leaves out"):
        renderer(template).render(turns([H("say </think> and this"), A("ok")]), {})


def test_instructions_to_the_template_itself_may_be_left_out() -> None:
    template = "{% for m in messages %}{{ m.role }}: {{ m.content | replace('/no_think', '') }}\n{% endfor %}"
    assert renderer(template).render(turns([S("Be brief. /no_think"), H("Hi")]), {}).changes == ()


TOOL = {"type": "function", "function": {"name": "weather", "description": "Tell the weather.", "parameters": {}}}


@pytest.mark.parametrize(
    ("template", "renders"),
    [
        (tokenizers.QWEN, True),
        (tokenizers.CHATML, False),
        ("{% for m in messages %}{% if m.tools %}{{ m.tools }}{% endif %}{{ m.content }}{% endfor %}", False),
        ("{{ raise_exception('no') if tools }}" + TURNS, False),
        ("{% if messages[0].role == 'system' and tools %}{{ tools | tojson }}{% endif %}" + FIRST, True),
    ],
)
def test_whether_tools_are_rendered_is_tried_not_guessed(template: str, renders: bool) -> None:
    assert renderer(template).renders_tools is renders


def test_a_tool_that_the_template_leaves_out_raises_prompt_error() -> None:
    one = renderer("{% if messages[0].role == 'system' and tools %}{{ tools | tojson }}{% endif %}" + FIRST)
    assert "weather" in one.render(turns([S("Be kind."), H("weather?")]), {"tools": [TOOL]}).text
    with pytest.raises(PromptError, match="leaves out the tool 'weather'"):
        one.render(turns([H("weather?")]), {"tools": [TOOL]})


def test_text_for_a_variable_that_the_template_does_not_have_raises_prompt_error() -> None:
    with pytest.raises(PromptError, match="has no variable 'documents'"):
        renderer(TURNS).render(turns([H("Hi")]), {"documents": [{"title": "A", "text": "B"}]})
    assert renderer(TURNS).render(turns([H("Hi")]), {"enable_thinking": False}).text == "<u>Hi</u><a>"


def test_a_long_answer_is_checked_without_a_second_rendering() -> None:
    steps: list[int] = []
    for size in (2_000, 200_000):
        given = turns([H("Say it."), A("a, < b " * (size // 7)), H("Again.")])
        found = dropped_parts(renderer(TEMPLATES["every role"])._apply(given, {}), given, {}, tokenizers.CHATML, _never)
        steps.append(len(found))
    assert steps == [0, 0]


def _never(*_: Any) -> str:
    raise AssertionError("rendered again")


@pytest.mark.parametrize(("change", "expected"), [("upper", "BE KIND TO ALL"), ("lower", "be kind to all")])
def test_texts_in_capitals_are_no_texts_left_out(change: str, expected: str) -> None:
    template = "{% for m in messages %}{{ m.role }}: {{ m.content | " + change + " }}\n{% endfor %}"
    rendered = renderer(template).render(turns([S("Be kind to all"), H("Hi")]), {})
    assert expected in rendered.text
    assert not rendered.changes


def test_a_template_that_changes_a_text_to_be_continued_is_named() -> None:
    one = renderer("{% for m in messages %}{{ m.role }}: {{ m.content | upper }}\n{% endfor %}")
    assert "BE KIND" in one.render(turns([S("Be kind"), H("Hi")]), {}).text
    with pytest.raises(PromptError, match="changes or leaves out the last message, an answer to be continued: give"):
        one.render(turns([H("Hi"), A("Once upon")]), {})


def test_messages_are_rendered_in_every_form_that_langchain_takes() -> None:
    encoder = chat("llama").engine.encoder
    expected = encoder.render([H("Hi")])
    for form in ([{"role": "user", "content": "Hi"}], [("user", "Hi")], ["Hi"], "Hi"):
        assert encoder.render(form) == expected
