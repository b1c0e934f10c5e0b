"""One door to the terminal: control characters are shown as text, and come back exactly from JSON."""

import ast
import io
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment, Segments
from rich.style import Style
from rich.text import Text

import llmkit
from llmkit.cli.control_characters import BIDIRECTIONAL, show_controls, to_json
from llmkit.cli.streams import CleanStream
from llmkit.cli.terminal import CleanConsole

TEXTS = st.text(st.one_of(st.characters(), st.sampled_from("\x1b\x07\x9b\x9d\r\n\t\x7f\u202e\u2068a[]\\")))


def is_harmful(char: str) -> bool:
    return (unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t") or char in BIDIRECTIONAL


@given(TEXTS)
def test_no_control_character_is_left_and_all_else_is(text):
    shown = show_controls(text)
    assert not any(map(is_harmful, shown))
    if not any(map(is_harmful, text)):
        assert shown == text
    assert show_controls(shown) == shown


@given(TEXTS, st.sampled_from(["ascii", "latin-1", "cp1252", "utf-16"]))
def test_what_an_encoding_lacks_is_shown(text, encoding):
    shown = show_controls(text, encoding)
    assert not any(map(is_harmful, shown))
    assert shown.encode(encoding).decode(encoding) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;aGk=\x07", "^[]52;c;aGk=^G"),
        ("\x1b]8;;https://a.example\x1b\\here", "^[]8;;https://a.example^[\\here"),
        ("\x9b2J \x9d0;title\x9c \x90q\x9c", "<9b>2J <9d>0;title<9c> <90>q<9c>"),
        ("100%\rfree\b\b\x7f", "100%^Mfree^H^H^?"),
        ("a\r\nb\tc", "a\nb\tc"),
        ("\x00\x0b\x0c\x0e\x85", "^@^K^L^N<85>"),
        ("invoice\u202efdp.exe \u2067x\u2069", "invoice<202e>fdp.exe <2067>x<2069>"),
        ("b\udc9b\ud800", "b\\udc9b\\ud800"),
        ("שלום\u200f عربي\u200d 👩\u200d💻 ﻿", "שלום\u200f عربي\u200d 👩\u200d💻 ﻿"),
    ],
)
def test_how_control_characters_are_shown(text, shown):
    assert show_controls(text) == shown


@given(st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)), st.sampled_from([None, 2]))
def test_json_has_no_control_character_and_loses_none(value, indent):
    for encoding in ("utf-8", "ascii", "cp1252", None):
        text = to_json(value, indent=indent, encoding=encoding)
        assert not any(map(is_harmful, text))
        assert json.loads(text) == value
        assert indent or len(text.splitlines()) == 1
        assert encoding == "utf-8" or text.isascii()


def test_c1_controls_in_json_are_escaped():
    assert to_json("\x9b\x7f\u202e\u2028é\udc80") == r'"\u009b\u007f\u202e\u2028é\udc80"'


def test_whoever_writes_to_a_clean_stream():
    stream = io.StringIO()
    clean = CleanStream(stream)
    print("\x1b[31m", "é", file=clean, flush=True)
    clean.writelines(["\x9b", "\u202e\n"])
    assert clean.write("\x07\x07") == 2
    assert stream.getvalue() == "^[[31m é\n<9b><202e>\n^G^G"
    assert not clean.closed


def test_rich_writes_its_sequences_and_none_of_a_text():
    stream = io.StringIO()
    console = CleanConsole(file=CleanStream(stream), force_terminal=True, color_system="truecolor")
    evil = "\x1b]0;t\x07\x1b[31m\x9b[red]x[/red] :smile:"
    console.print(Text(evil, style=Style(bold=True, link="https://a.example")))
    console.print(evil)
    console.print(Segments([Segment(evil)]))
    bold, plain, segment = stream.getvalue().splitlines()
    assert (bold, plain) == (f"\x1b[1m{plain}\x1b[0m", "^[]0;t^[[31m<9b>[red]x[/red] :smile:")  # a Text has no ^G
    assert segment == "^[]0;t^G^[[31m<9b>[red]x[/red] :smile:"


DOORS = {"console.py": {"print"}, "keyboard.py": {"create_output"}}
"""The modules that may write to a terminal, and the functions that they do it with; rich's consoles are cleaned."""
WRITERS = {
    *("echo", "secho", "echo_via_pager", "confirm", "getpass", "pager"),
    *("Console", "get_console", "create_output", "print_formatted_text", "patch_stdout"),
    *("print_exception", "print_last", "print_stack", "print_tb", "dump_traceback", "basicConfig", "StreamHandler"),
}
BUILT_IN = {"print", "input"}
STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__"}


def writers_in(tree: ast.AST) -> set[str]:
    """Return the names of functions that write to a terminal by themselves, where the code calls them."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in WRITERS | BUILT_IN:
                found.add(name)
            case ast.Call(func=ast.Attribute(attr=name)) if name in WRITERS:
                found.add(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="rich" | "typer" | "click" as module), attr=name)):
                found |= {f"{module}.{name}"} & {"rich.print", "rich.print_json", "typer.prompt", "click.prompt"}
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="sys"), attr=stream), attr=name):
                if stream in STREAMS and name in ("write", "writelines", "buffer"):
                    found.add(f"sys.{stream}.{name}")
            case ast.Attribute(value=ast.Name(id="sys"), attr="__stdout__" | "__stderr__" as stream):
                found.add(f"sys.{stream}")
            case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="write" | "writev" | "system" as name)):
                found.add(f"os.{name}")
    return found


def test_nothing_goes_around_the_door():
    found: dict[str, set[str]] = {}
    for path in Path(llmkit.__file__).parent.rglob("*.py"):
        if writers := writers_in(ast.parse(path.read_text(encoding="utf-8"))):
            found[path.name] = writers
    assert found == DOORS, "show it by llmkit.cli.console, or by an event of the chat"


AROUND = """
print(1)
typer.echo("x")
typer.prompt("x")
rich.print("x")
sys.stdout.write("x")
sys.stderr.buffer.write(b"x")
sys.__stderr__.flush()
rich.console.Console()
Console().print(1)
os.write(1, b"x")
traceback.print_exception(error)
"""


@pytest.mark.parametrize("code", AROUND.split("\n")[1:-1])
def test_the_search_for_ways_around_finds_them(code):
    assert writers_in(ast.parse(code))
