import os
import sys

import pexpect
import pytest

from llmkit.cli import progress

BAR = (
    "import time\nfrom llmkit.cli import progress\n"
    "with progress.bar('steps', quiet={quiet}) as bar:\n"
    "    bar.show(1, 2)\n    time.sleep({seconds})\n    bar.show(2, 4)\n    bar.advance(1)\nprint('done')"
)
WAITING = (
    "import contextlib, io, time\nfrom llmkit.cli import progress\n"
    "with progress.waiting('loading', quiet={quiet}), contextlib.redirect_stderr(io.StringIO()):\n"
    "    time.sleep({seconds})\nprint('done')"
)


def shown_by(program: str, width: int = 80, **environment: str) -> str:
    given = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    given |= {"LC_ALL": "C.UTF-8"} | environment
    size = (24, width)
    child = pexpect.spawn(sys.executable, ["-c", program], dimensions=size, env=given, encoding="utf-8", timeout=30)
    shown: str = child.read()
    child.close()
    return shown


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("program", "says"), [(BAR, "1/2"), (WAITING, "loading … 1 s")])
def test_on_a_terminal_after_a_second_and_then_gone(program, says):
    shown = shown_by(program.format(quiet=False, seconds=1.3))
    assert says in shown
    *_, last, done, end = shown.split("\r")
    assert done == "\x1b[Kdone" or (done, last.strip()) == ("done", "")  # cleared, or written over with blanks
    assert end == "\n"
    assert says not in shown_by(program.format(quiet=False, seconds=0))
    assert shown_by(program.format(quiet=True, seconds=1.3)) == "done\r\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_narrow_terminal_and_on_one_that_clears_no_line():
    program = WAITING.format(quiet=False, seconds=1.3).replace("loading", "reading " + "x" * 60)
    [line] = [line for line in shown_by(program, width=40).split("\r") if "reading" in line]
    assert len(line.removeprefix("\x1b[K")) < 40
    assert line.endswith("x … 1 s")
    assert shown_by(program, TERM="dumb") == "done\r\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal_without_unicode():
    shown = shown_by(WAITING.format(quiet=False, seconds=1.3), LC_ALL="C")
    assert "loading ... 1 s" in shown
    assert shown.isascii()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("quiet", [False, True])
def test_who_types_is_told_so(quiet):
    program = f"from llmkit.cli import files\nprint(files.read_text('-', quiet={quiet}).upper())"
    child = pexpect.spawn(sys.executable, ["-c", program], encoding="utf-8", timeout=30, echo=False)
    if not quiet:
        child.expect_exact("note: reading what you type; Ctrl-D on an empty line ends it\r\n")
    child.sendline("some text")
    child.sendeof()
    assert child.read().strip() == "SOME TEXT"


def test_no_bar_elsewhere(capsys):
    with progress.bar("steps", total=3) as bar:
        bar.advance(3)
        bar.show(3, 3)
    with progress.waiting("loading"):
        pass
    assert capsys.readouterr().err == ""
