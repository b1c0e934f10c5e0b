from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from llmkit.cli.chat.screen.characters import ASCII
from llmkit.cli.chat.screen.markdown import Stream
from tests.support.markdown import page, shown, whole

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


@given(TEXTS, st.lists(st.integers(0, 60), max_size=12), st.integers(1, 12))
def test_pieces_settle_to_what_the_whole_text_is(text, cuts, height):
    stream = Stream()
    rows: list[Text] = []
    ends = [*sorted(cuts), len(text)]
    for start, end in zip([0, *ends], ends, strict=False):
        stream.add(text[start:end])
        rows += stream.settled(page())
        settled, open_ = stream.unsettled(page(), height)
        rows += settled
        assert len(open_) <= height
    rows += stream.rest(page())
    assert [row.plain for row in rows] == [row.plain for row in whole(text)]


@given(TEXTS, st.sampled_from([9, 20, 40, 100]))
def test_no_letter_is_lost_and_no_row_is_too_long(text, width):
    rows = whole(text, width)
    letters = Counter(char for char in text if char.isalnum())
    assert not letters - Counter(char for row in rows for char in row.plain)
    assert max((cell_len(row.plain) for row in rows), default=0) <= width


def test_structure():
    text = (
        "# A title\nIt *is* **so**:\nfirst `x = 1`\n\n1. one\n2. two\n   - in two\n\n> said\n> - so\n\n***\n"
        "[here](http://a.example) ![a cat](cat.png) <http://b.example>"
    )
    assert shown(text) == [
        "A title",
        "It is so:",
        "first x = 1",
        "",
        " 1. one",
        " 2. two",
        "     • in two",
        "",
        "│ said",
        "│  • so",
        "",
        "─" * 40,
        "here (http://a.example) ![a",
        "cat](cat.png) http://b.example",
    ]


def test_signs_without_unicode():
    text = "- one\n\n> said\n\n---\n\n|a|b|\n|-|-|\n|1|2|"
    assert shown(text, 12, ASCII) == [" - one", "", "| said", "", "-" * 12, "", "a | b", "--|--", "1 | 2"]


@pytest.mark.parametrize(
    "text",
    [
        "a <b>bold</b> &amp; <!-- remark --> word",
        r"\[ x^2 \] and \(y\), \\ and \{z\}",
        "[a]: http://a.example 'title'",
        "<think>\nso\n</think>",
        "C:\\new\\table",
    ],
)
def test_what_is_no_markdown_stays_as_written(text):
    assert shown(text, 60) == text.splitlines()


def test_markdown_nested_deeper_than_anyone_means_it():
    text = "> " * 60 + "deep"
    assert "deep" in "".join(shown(text))
    assert shown("- " * 8 + "deep", 20)[-1] == "            deep"  # set in no further than there is room


def test_code_stays_as_written():
    code = "```python\ndef f(x):\n\n    return  x  # " + "long " * 8 + "\n```"
    rows = whole(code, 30)
    assert "".join(row.plain for row in rows) == code.replace("\n", "")
    assert rows[1].spans  # highlighted
    assert shown("```nope\nx\n") == ["```nope", "x"]  # never closed, of no known language


def test_lines_of_code_settle_when_the_screen_is_full():
    stream = Stream()
    stream.add("```\n" + "".join(f"{number}\n" for number in range(10)))
    settled, open_ = stream.unsettled(page(), 4)
    assert [row.plain for row in settled] == ["```", *"012345"]
    assert [row.plain for row in open_] == [*"6789"]


def test_items_of_a_list_settle_one_by_one():
    stream = Stream()
    stream.add("- one\n- two\n- thr")
    assert [row.plain for row in stream.settled(page())] == [" • one"]
    assert [row.plain for row in stream.unsettled(page(), 9)[1]] == [" • two", " • thr"]


TABLE = (
    "| Name | Number | What it is |\n|---|--:|---|\n| apple | 3 | a fruit that grows on trees |\n| 蘋果 | 12 | wide |\n"
)


def test_tables():
    assert shown(TABLE) == [
        "Name  │ Number │ What it is",
        "──────┼────────┼────────────────────────",
        "apple │      3 │ a fruit that grows on",
        "      │        │ trees",
        "蘋果  │     12 │ wide",
    ]


def test_a_table_without_room_is_a_list_of_its_rows():
    assert shown(TABLE, 20) == [
        "Name: apple",
        "Number: 3",
        "What it is: a fruit",
        "that grows on trees",
        "",
        "Name: 蘋果",
        "Number: 12",
        "What it is: wide",
    ]
