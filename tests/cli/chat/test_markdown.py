import io
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from llmkit.cli.chat.markdown import THEME, render, split_blocks

MARKS = [
    "\n",
    "\n\n",
    "\r\n",
    " ",
    "    ",
    "\t",
    "# ",
    "## ",
    "- ",
    "* ",
    "1. ",
    "10) ",
    "> ",
    "```",
    "~~~",
    "```python\n",
]
INSIDE = [
    "*",
    "**",
    "_",
    "`",
    "~~",
    "[",
    "](",
    ")",
    "![",
    "<b>",
    "&amp;",
    "\\",
    "|",
    "|--|",
    "---",
    "===",
    "[a]: ",
    ":-:",
]
WORDS = [
    "word",
    "def f(x): # y",
    "数量",
    "🍎",
    "é",
    "x" * 50,
    "http://a.example",
    "<http://b.example>",
    "0",
    "a b c d e",
]
TEXTS = st.lists(st.sampled_from([*MARKS, *MARKS, *INSIDE, *WORDS]), max_size=30).map("".join)


def rows(text: str, width: int = 40, *, ascii_only: bool = False) -> list[str]:
    """Lay a text out, its blocks one below the other."""
    console = Console(file=io.StringIO(), width=width, theme=THEME, force_terminal=True)
    build_messages = [row for block in split_blocks(text) for row in render(block, console, ascii_only=ascii_only)]
    return ["".join(segment.text for segment in row) for row in build_messages]


@given(TEXTS, st.integers(0, 60))
def test_complete_blocks_never_change(text, cut):
    text = text.replace("\r\n", "\n")
    blocks = split_blocks(text)
    assert "".join(blocks) == (text if text.strip() else "")
    complete = split_blocks(text[: text.rfind("\n", 0, cut) + 1])[:-1]
    assert blocks[: len(complete)] == complete


@given(TEXTS, st.sampled_from([9, 20, 40, 100]))
def test_no_letter_is_lost_and_no_row_is_too_long(text, width):
    shown = rows(text, width)
    letters = Counter(char for char in text if char.isalnum())
    assert not letters - Counter(char for row in shown for char in row)
    assert max(map(cell_len, shown), default=0) <= width


def test_structure():
    text = (
        "# A title\nIt *is* **so**:\nfirst `x = 1`\n\n1. one\n2. two\n   - in two\n\n> said\n> - so\n\n***\n"
        "[here](http://a.example) ![a cat](cat.png) <http://b.example>"
    )
    structure = [
        "A title",
        "It is so:",
        "first x = 1",
        " 1. one",
        " 2. two",
        "     • in two",
        "▌ said",
        "▌  • so",
        "-" * 40,
        "here (http://a.example) !a cat (cat.png)",
        "<http://b.example>",
    ]
    assert rows(text) == structure
    assert rows(text, ascii_only=True) == [row.replace("•", "-").replace("▌", "|") for row in structure]


@pytest.mark.parametrize(
    "text",
    [
        "a <b>bold</b> &amp; <!-- remark --> word",
        r"\[ x^2 \] and \(y\), \\ and \{z\}",
        "[a]: http://a.example 'title'",
        "<think>\nso\n</think>",
        "C:\\new\\table",
        "> " * 20 + "deep",
        '[here](http://a.example "with a title")',
        "1. one\n1. one again",
    ],
)
def test_unsupported_markdown_is_shown_as_written(text):
    assert rows(text, 60) == text.splitlines()


def test_code_stays_as_written():
    code = "```python\ndef f(x):\n\n    return  x  # " + "long " * 8 + "\n```"
    assert "".join(rows(code, 30)).replace(" ", "") == code.replace("\n", "").replace(" ", "")
    assert rows(code, 100) == [line.rstrip() for line in code.splitlines()]
    assert rows("```nope\nx\n") == ["```nope", "x", "```"]  # of no known language, not closed yet


def test_a_table_that_is_too_wide_is_shown_as_written():
    table = "| Name | Number |\n|---|--:|\n| apple | 3 |\n| 蘋果 | 12 |\n"
    wide = rows(table)
    assert [row.split() for row in (wide[0], *wide[2:])] == [["Name", "Number"], ["apple", "3"], ["蘋果", "12"]]
    assert "".join(rows(table, 8)).replace(" ", "") == table.replace("\n", "").replace(" ", "")
