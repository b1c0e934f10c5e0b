"""How lines are read, and what is told of commands."""

import pytest

from llmkit.cli.chat.commands import COMMANDS, Call, read
from llmkit.cli.chat.events import Edit, Left
from llmkit.errors import InputError
from llmkit.models.generation.settings import NAMES

FRANCE = "What is the capital of France?"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("//help me", "/help me"),
        ("//", "/"),
        ("/usr/bin holds programs", "/usr/bin holds programs"),
        ("/2 is a half", "/2 is a half"),
        ("/", "/"),
        ("1/2", "1/2"),
        ("/etc/help", "/etc/help"),
    ],
)
def test_what_is_a_message(line, message):
    assert read(line) == message


@pytest.mark.parametrize(
    ("line", "name", "argument"),
    [
        ("/help", "help", ""),
        ("/?", "help", ""),
        ("/quit", "bye", ""),
        ("/SET seed 7", "set", "seed 7"),
        ("  /system Be brief.\nBe kind. ", "system", "Be brief.\nBe kind."),
        ("/system\nBe brief.", "system", "Be brief."),
    ],
)
def test_what_is_a_command(line, name, argument):
    call = read(line)
    assert isinstance(call, Call)
    assert (call.command.name, call.argument) == (name, argument)


def test_an_unknown_command_names_the_nearest(talk):
    chat = talk()
    assert chat.problem("/retyr").startswith("there is no command /retyr: did you mean /retry?")
    assert chat.problem("/xyzzy now").startswith("there is no command /xyzzy: /help shows all")


def test_a_word_that_no_command_takes_is_told(talk):
    chat = talk()
    assert chat.problem("/clear all") == "/clear takes no argument, but was given 'all'"
    assert chat.problem("/tokens foo") == "/tokens takes no argument, but was given 'foo'"


def test_help_tells_of_every_command(talk):
    chat = talk()
    told = chat.text("/help")
    assert all(f"/{each.name}" in told and each.help in told for each in COMMANDS)
    assert chat.text("/help set").startswith("/set NAME [VALUE]\n")
    assert all(f"\n{name} " in chat.text("/help set") for name in (*NAMES, "trim"))
    assert '"\\n" is a line end' in chat.text("/help set")
    assert "did you mean /save" in chat.problem("/help sve")


def test_edit_and_leave(talk):
    chat = talk()
    assert chat("/edit") == [Edit("")]
    assert chat("/edit Dear Ann,\n") == [Edit("Dear Ann,")]
    assert chat("/bye") == chat("/exit") == [Left()]


def test_what_arguments_are_completed_to(talk):
    chat = talk()
    assert chat.state.choices("command")[:2] == ["help", "set"]
    assert {"temperature", "trim"} <= set(chat.state.choices("setting"))
    assert chat.state.choices("model") == ["smollm2-135m"]
    assert "summarize-dialogue" in chat.state.choices("prompt")
    assert "answer-with-quotes" not in chat.state.choices("prompt")  # it has fields that nothing fills
    assert chat.state.choices("conversation") == []
    chat.answer(FRANCE)
    assert chat.state.choices("conversation") == [chat.state.record.name]
    assert {each.completes for each in COMMANDS} - {None} == {
        "command",
        "setting",
        "model",
        "prompt",
        "conversation",
        "file",
        "attached",
    }


def test_read_raises_for_who_asks_itself():
    with pytest.raises(InputError, match="did you mean /help"):
        read("/hepl")
