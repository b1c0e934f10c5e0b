import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from llmkit.cli.chat.commands import COMMANDS
from llmkit.cli.chat.commands.settings import MEANINGS
from llmkit.cli.chat.keyboard.completion import CommandCompleter

CHOICES = {
    "command": [command.name for command in COMMANDS],
    "setting": list(MEANINGS),
    "conversation": ["holiday", "Home work"],
    "prompt": ["summarize-dialogue"],
    "model": ["smollm2-135m"],
}


def completed(text: str) -> list[str]:
    """Give what a line becomes, by each of its completions."""
    found = CommandCompleter(CHOICES.__getitem__).get_completions(Document(text), CompleteEvent())
    return [text[: len(text) + each.start_position] + each.text for each in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/", [f"/{command.name}" for command in COMMANDS]),
        ("/SE", ["/set"]),
        ("/help und", ["/help undo"]),
        ("/set top", ["/set top_k", "/set top_p"]),
        ("/set  tri", ["/set  trim"]),
        ("/set trim ", ["/set trim oldest", "/set trim summarize"]),
        ("/set trim su", ["/set trim summarize"]),
        ("/set top_k 4", []),
        ("/load ho", ["/load holiday", "/load Home work"]),
        ("/load Home w", ["/load Home work"]),
        ("/prompt ", ["/prompt summarize-dialogue"]),
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
