import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from llmkit.cli.chat.commands import COMMANDS
from llmkit.cli.chat.commands.settings import MEANINGS
from llmkit.cli.chat.keyboard import CommandCompleter

CHOICES = {
    "help": [*COMMANDS],
    "set": [*MEANINGS],
    "load": ["holiday", "Home work"],
    "model": ["smollm2-135m"],
}


def completed(text: str) -> list[str]:
    """Return what a line becomes, by each of its completions."""
    completer = CommandCompleter(lambda command: CHOICES.get(command.name, ()))
    found = completer.get_completions(Document(text), CompleteEvent())
    return [text[: len(text) + each.start_position] + each.text for each in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/", [f"/{command.name}" for command in COMMANDS.values()]),
        ("/SE", ["/set"]),
        ("/help und", ["/help undo"]),
        ("/set top", ["/set top_k", "/set top_p"]),
        ("/set  see", ["/set  seed"]),
        ("/set top_k 4", []),
        ("/load ho", ["/load holiday", "/load Home work"]),
        ("/load Home w", ["/load Home work"]),
        ("/model smo", ["/model smollm2-135m"]),
        ("/undo ", []),
        ("/nope x", []),
        ("set", []),
        ("a message, /se", []),
        ("/se\n", []),
        ("", []),
    ],
)
def test_completions(text, expected):
    assert completed(text) == expected


@pytest.mark.parametrize("command", ["file", "export"])
def test_files(tmp_path, command):
    (tmp_path / "my notes.txt").touch()
    (tmp_path / "Folder").mkdir()
    assert completed(f"/{command} {tmp_path}/my n") == [f"/{command} {tmp_path}/my notes.txt"]
    assert completed(f"/{command} {tmp_path}/F") == [f"/{command} {tmp_path}/Folder"]
