"""How lines are parsed, and the help of commands."""

import pytest

from llmkit.cli.chat.commands import COMMANDS, parse_line
from llmkit.cli.chat.events import Edit, Left, Note, Problem
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
        ("exit now", "exit now"),
        ("/", "/"),
        ("1/2", "1/2"),
        ("/etc/help", "/etc/help"),
    ],
)
def test_what_is_a_message(line, message):
    assert parse_line(line) == message


@pytest.mark.parametrize(
    ("line", "name", "argument"),
    [
        ("/help", "help", ""),
        ("/?", "help", ""),
        ("/quit", "bye", ""),
        ("exit", "bye", ""),
        ("Quit ", "bye", ""),
        ("/SET seed 7", "set", "seed 7"),
        ("  /system Be brief.\nBe kind. ", "system", "Be brief.\nBe kind."),
        ("/system\nBe brief.", "system", "Be brief."),
    ],
)
def test_what_is_a_command(line, name, argument):
    assert parse_line(line) == (COMMANDS[name], argument)


def test_an_unknown_command_suggests_the_most_similar(talk):
    chat = talk()
    assert chat.problem("/retyr").startswith("there is no command /retyr: did you mean /retry?")
    assert chat.problem("/xyzzy now").startswith("there is no command /xyzzy: /help shows all")


def test_an_argument_that_a_command_does_not_take(talk):
    chat = talk()
    assert chat.problem("/clear all") == "/clear takes no argument, but was given 'all'"
    assert chat.problem("/tokens foo") == "/tokens takes no argument, but was given 'foo'"


def test_help_shows_every_command(talk):
    chat = talk()
    shown = chat.text("/help")
    assert all(f"/{each.name}" in shown and each.help in shown for each in COMMANDS.values())
    assert chat.text("/help set").startswith("/set NAME [VALUE]\n")
    assert all(f"\n{name} " in chat.text("/help set") for name in NAMES)
    assert '"\\n" is a line end' in chat.text("/help set")
    assert "did you mean /save" in chat.problem("/help sve")


def test_edit_and_leave(talk):
    chat = talk()
    assert chat("/edit") == [Edit("")]
    assert chat("/edit Dear Ann,\n") == [Edit("Dear Ann,")]
    assert chat("/bye") == chat("/exit") == [Left()]


@pytest.mark.slow
def test_what_arguments_are_completed_to(talk):
    chat = talk()

    def choices(name: str) -> list[str]:
        return list(COMMANDS[name].choices(chat.state))

    assert choices("help")[:2] == ["help", "set"]
    assert choices("set") == list(NAMES)
    assert choices("model") == ["smollm2-135m"]
    assert choices("load") == choices("undo") == []
    chat.answer(FRANCE)
    assert choices("load") == [chat.state.record.name]
    assert [each.name for each in COMMANDS.values() if each.takes_path] == ["export", "file"]


def test_an_unknown_command_raises():
    with pytest.raises(InputError, match="did you mean /help"):
        parse_line("/hepl")


IMPOSSIBLE = {
    "NUL": "a\0b",
    "long": "x" * 5000,
    "long for a file": "x" * 300,
    "many folders": "a/" * 3000,
    "nobody": "~nobody-has-this-name/x",
    "long and nobody": f"~{'x' * 200}",
    "half a pair": "\ud800",
    "control": "\x1b]0;x\x07",
}


@pytest.mark.parametrize("name", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
@pytest.mark.parametrize(
    "command", ["save", "load", "file", "export", "set", "set seed", "detach", "help", "url", "undo"]
)
def test_names_that_nothing_can_have(talk, command, name):
    chat = talk()
    *_, found = chat(f"/{command} {name}{'.md' * (command == 'export')}")
    assert isinstance(found, Problem)
    assert "unexpected" not in found.text
    assert "\n" not in found.text
    assert len(found.text) < 900


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_a_model_that_no_file_can_be(talk, name):
    assert talk().problem(f"/model {name}").startswith("/model was given ")


def test_texts_of_any_length_are_no_names(talk):
    chat = talk()
    assert chat.text(f"/system {'word ' * 1000}") == "the system prompt is changed"
    assert chat.text(f"/set stop {'x' * 5000}").startswith("stop is ")
    assert chat("/system a\0b") == [Note("the system prompt is changed")]
