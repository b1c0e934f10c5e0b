import re
from pathlib import Path

from llmkit.cli.chat.commands import COMMANDS
from llmkit.cli.chat.commands.settings import MEANINGS
from llmkit.models.generation.settings import NAMES

PAGE = Path(__file__).parents[3] / "docs" / "chat.md"


def test_the_documentation_lists_every_command():
    rows = re.findall(r"^\| `/(.*)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(f"{command.name} {command.argument}".rstrip(), command.help) for command in COMMANDS.values()]


def test_the_documentation_lists_every_setting():
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"\n| `{name}` | {told} |\n" in page for name, told in MEANINGS.items())
    assert list(MEANINGS) == list(NAMES)
