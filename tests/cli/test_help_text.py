"""Help in narrow terminals."""

import shlex

import pytest

from llmkit.cli.help_text import fit

TEXT = """Summarize a text.

\b
Examples:
  llmkit ask "Who is it that built the old lighthouse?" --file notes.txt    one answer
  llmkit models    the models with short names
  cat 'my own notes.txt' | llmkit summarize --max-words 60"""


def test_a_wide_terminal_gets_the_text_as_it_is():
    assert fit(TEXT, 100) == TEXT


def test_a_narrow_terminal_gets_commands_that_can_be_copied():
    assert fit(TEXT, 50).partition("Examples:\n")[2].splitlines() == [
        "  llmkit ask \\",
        '      "Who is it that built the old lighthouse?" \\',
        "      --file notes.txt",
        "      # one answer",
        "  llmkit models    the models with short names",
        "  cat 'my own notes.txt' | llmkit summarize \\",
        "      --max-words 60",
    ]


@pytest.mark.parametrize("width", range(20, 100, 7))
def test_no_word_is_lost(width):
    def words(text: str) -> list[str]:
        return [word for word in shlex.split(text.replace("\\\n", " ").replace("# ", "")) if word != "#"]

    assert words(fit(TEXT, width)) == words(TEXT)


def test_running_text_is_left_to_the_formatter():
    assert fit("word " * 50, 20) == "word " * 50
