"""The tables in docs/ that scripts/generate_docs writes from the code are up to date."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from llmkit.cli.chat.commands import COMMANDS
from llmkit.cli.chat.commands.settings import MEANINGS
from llmkit.models.generation.settings import NAMES

ROOT = Path(__file__).parent.parent


@pytest.fixture
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "generate_docs"))


def page_with_all_tables(script: dict[str, Any]) -> str:
    blocks = (f"<!-- generated: {name} -->\n\nold\n\n<!-- end -->\n" for name in script["TABLES"])
    return "# Title\n\nBefore.\n\n" + "\nBetween.\n\n".join(blocks) + "\nAfter.\n"


def test_the_tables_are_up_to_date(script: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert script["main"](["--check"]) == 0, capsys.readouterr().out


def test_tables_are_written_between_their_markers(script: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "docs" / "a.md"
    page.parent.mkdir()
    page.write_text(page_with_all_tables(script), encoding="utf-8")
    main = script["main"]
    main.__globals__["DOCS"] = page.parent
    assert main(["--check"]) == 1
    assert page.read_text(encoding="utf-8") == page_with_all_tables(script), "a check changes nothing"
    assert main([]) == 0
    assert main(["--check"]) == 0
    written = page.read_text(encoding="utf-8")
    assert "\nold\n" not in written
    assert written.startswith("# Title\n\nBefore.\n\n<!-- generated: ")
    assert written.endswith("\n\n<!-- end -->\n\nAfter.\n")
    assert written.count("\nBetween.\n") == len(script["TABLES"]) - 1
    assert all(f"\n| `/{name}" in written for name in COMMANDS)
    assert "\n| `--lines` | summarize, classify, entities | " in written


def test_a_table_that_no_page_has_is_an_error(
    script: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.md").write_text("<!-- generated: public names -->\nold\n<!-- end -->\n", encoding="utf-8")
    script["main"].__globals__["DOCS"] = tmp_path
    assert script["main"]([]) == 1
    assert "no page has the table chat commands, chat settings" in capsys.readouterr().out


def test_every_setting_of_the_chat_has_a_meaning() -> None:
    assert list(MEANINGS) == list(NAMES)
