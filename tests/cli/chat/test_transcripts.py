"""Whole transcripts on the real default model: messages, and answers that are interrupted."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from llmkit.cli.chat.events import Problem

FRANCE = "What is the capital of France?"
STORY = "Write a story about a fox."


def test_a_message_and_its_answer(talk, llm):
    chat = talk(system="Answer in one sentence.")
    before = chat.state.status
    *pieces, ended = chat(FRANCE)
    answer = "".join(piece.text for piece in pieces)
    assert "Paris" in answer
    assert len(pieces) > 3
    assert (before.finish_reason, before.window, before.model) == ("", 8192, "smollm2-135m")
    assert ended == chat.state.status
    assert ended.finish_reason == "stop"
    assert 0 < ended.first < ended.seconds
    expected = [SystemMessage("Answer in one sentence."), HumanMessage(FRANCE), AIMessage(answer)]
    assert ended.used == llm.get_num_tokens_from_messages(expected) > before.used > 0
    assert chat.turns == chat.read_again() == [(FRANCE, answer, "stop")]


@pytest.mark.slow
def test_the_conversation_is_remembered(talk, llm):
    chat = talk()
    first = chat.answer("My name is Ann.")
    second = chat.answer("What is my name?")
    expected = [HumanMessage("My name is Ann."), AIMessage(first), HumanMessage("What is my name?")]
    assert second == llm.invoke(expected).text
    assert [answer for _, answer, _ in chat.turns] == [first, second]


@pytest.mark.slow
def test_multiple_lines_are_one_message(talk):
    chat = talk()
    chat.answer("Hello,\n\nmy name is Ann.\n")
    assert [message for message, _, _ in chat.turns] == ["Hello,\n\nmy name is Ann."]


@pytest.mark.parametrize("line", ["", "  ", "\n"])
def test_an_empty_line_is_nothing(talk, line):
    chat = talk()
    assert chat(line) == []
    assert chat.store.names() == []


def test_an_answer_that_is_broken_off_stays(talk):
    chat = talk()
    events = chat.take(STORY)
    answer = "".join(next(events).text for _ in range(3))
    events.close()
    assert chat.turns == chat.read_again() == [(STORY, answer, "cancelled")]
    assert chat.state.status.finish_reason == "cancelled"
    assert chat.state.status.used > 30


def test_an_interrupt_breaks_an_answer_off(talk):
    chat = talk()
    events = chat.take(STORY)
    answer = next(events).text
    with pytest.raises(KeyboardInterrupt):
        events.throw(KeyboardInterrupt())
    assert chat.turns == chat.read_again() == [(STORY, answer, "cancelled")]


@pytest.mark.slow
def test_a_message_too_long_is_refused_and_changes_nothing(talk):
    chat = talk()
    assert chat.problem("word " * 9000).startswith("the message and the tokens reserved for its answer need 9")
    chat.answer(FRANCE)
    chat.problem("word " * 9000)
    assert len(chat.read_again()) == 1


@pytest.mark.slow
def test_half_a_character_is_refused(talk):
    chat = talk()
    assert "half a surrogate pair" in chat.problem("a \ud800 b")
    assert "half a surrogate pair" in chat.problem("/system \ud800")
    assert chat.answer(FRANCE)


@pytest.mark.slow
def test_the_unexpected_ends_no_conversation(talk):
    chat = talk(load=lambda name: 1 / 0)
    *_, problem = chat("/model other")
    assert problem == Problem("ZeroDivisionError: division by zero (unexpected; --debug shows where)")
    assert "1 / 0" in problem.trace
    assert "InputError" in chat("/undo")[0].trace
    assert chat.answer(FRANCE)
