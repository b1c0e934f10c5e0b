import os
import re
import sys

import pexpect
import pytest

from llmkit.cli import console

PROGRAM = (
    "import sys\nfrom llmkit.cli import console\nconsole.set_quiet({quiet})\nconsole.DELAY = {delay}\n"
    "with console.progress('{text}', {total}) as update:\n"
    "    update(completed=1, total={total})\n    sys.stdin.readline()\nconsole.output('done')"
)
SHOWN = {"quiet": False, "text": "loading", "total": None, "delay": 0.01}

terminal = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


def shown_by(program: str, until: str = "", width: int = 80, **environment: str) -> str:
    """Run a program until its terminal shows a pattern, let it end, and return what it has written."""
    given = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    given |= {"LC_ALL": "C.UTF-8", "TERM": "xterm", "NO_COLOR": "1"} | environment
    child = pexpect.spawn(
        sys.executable,
        ["-c", program],
        dimensions=(24, width),
        env=given,
        encoding="utf-8",
        timeout=120,
        echo=False,
    )
    shown: str = ""
    if until:
        child.expect(until)
        shown = child.before + child.after
    child.sendline()
    shown += child.read()
    child.close()
    return str(shown)


@pytest.mark.slow
@terminal
@pytest.mark.parametrize(("total", "says"), [(None, "0:00:0[1-9] loading"), (2, "loading .*1/2")])
def test_progress_on_a_terminal_is_shown_and_removed(total, says):
    shown = shown_by(PROGRAM.format(**SHOWN | {"total": total}), says)
    assert shown.endswith("\x1b[2Kdone\r\n")


@pytest.mark.slow
@terminal
@pytest.mark.parametrize(
    ("changes", "term"),
    [({"quiet": True}, "xterm"), ({"delay": 1000}, "xterm"), ({}, "dumb")],
    ids=["quiet", "soon done", "dumb"],
)
def test_progress_that_is_not_shown(changes, term):
    assert shown_by(PROGRAM.format(**SHOWN | changes), TERM=term) == "done\r\n"


@pytest.mark.slow
@terminal
def test_progress_on_a_narrow_terminal_takes_one_line():
    shown = shown_by(PROGRAM.format(**SHOWN | {"text": "reading " + "x" * 60}), "0:00:0[1-9] reading", width=40)
    lines = [re.sub(r"\x1b\[[?\d]*\w", "", line) for line in re.split(r"[\r\n]+", shown) if "reading" in line]
    assert all(len(line) <= 40 for line in lines)


@pytest.mark.slow
@terminal
def test_what_is_written_to_standard_error_while_progress_is_shown():
    evil = r"\x1b[38;5;213m\x1b]8;;http:evil\x1b\\here\x9b2J"
    program = (
        "import sys, time\nfrom llmkit.cli import console, streams\nstreams.prepare()\nconsole.DELAY = 0.01\n"
        f"evil = '{evil}'\n"
        "with console.progress('reading ' + evil):\n"
        "    time.sleep(0.5)\n    print('library', evil, file=sys.stderr)\n    console.warning(evil)\n"
        "    sys.stdin.readline()\n"
        "print('after', evil, file=sys.stderr)"
    )
    shown = shown_by(program, "0:00:0[1-9] reading", width=200)
    assert not any(sequence in shown for sequence in ("\x1b[38;5;213m", "\x1b]", "\x9b"))
    for begin in ("library", "warning:", "reading", "after"):
        assert f"{begin} ^[[38;5;213m^[]8;;http:evil^[\\here<9b>2J" in shown


@terminal
def test_progress_on_a_terminal_without_unicode():
    assert shown_by(PROGRAM.format(**SHOWN | {"total": 2}), "loading .*1/2", LC_ALL="C").isascii()


@pytest.mark.slow
@terminal
@pytest.mark.parametrize("quiet", [False, True])
def test_reading_from_a_terminal_is_noted_and_ends_with_its_first_end_of_file(quiet):
    program = f"from llmkit.cli import console, files\nconsole.set_quiet({quiet})\nprint(files.read_text('-').upper())"
    child = pexpect.spawn(sys.executable, ["-c", program], encoding="utf-8", timeout=30, echo=False)
    if not quiet:
        child.expect_exact("note: reading what you type; Ctrl-D on an empty line ends it\r\n")
    child.sendline("some text")
    child.sendeof()
    assert child.read().strip() == "SOME TEXT"


def test_no_progress_elsewhere(capsys):
    with console.progress("documents", 3) as update:
        update(completed=3)
    assert capsys.readouterr().err == ""


def test_notes_and_errors_are_one_line(capsys):
    console.note("two\nlines")
    console.set_quiet(True)
    console.note("not shown")
    console.error("two\nlines")
    console.set_quiet(False)
    assert capsys.readouterr() == ("", "note: two lines\nerror: two lines\n")


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (200, [f"{'NAME':9}  {'VALUE':28}  SOURCE", "labels     person,organization,location  default"]),
        (45, [f"{'NAME':9}  {'VALUE':25}  SOURCE", "labels     person,organization,location"]),
        (20, ["NAME       VALUE", "    SOURCE", "labels     person,organization,location", "    default"]),
    ],
)
def test_a_table_on_a_narrow_terminal(monkeypatch, capsys, columns, shown):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    console.table(
        [("NAME", "VALUE", "SOURCE"), ("labels", "person,organization,location", "default"), ("threshold", "1", "x")]
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.rstrip() for line in lines[: len(shown)]] == shown
    if columns == 45:
        assert lines[2] == " " * shown[0].index("SOURCE") + "default"
        assert max(map(len, lines)) <= columns


def test_a_table_in_a_file_has_a_line_for_each_row(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "20")
    console.table([("a", "word " * 20), ("b" * 40, "x")])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_rate_is_shown_once_it_is_known():
    from rich.progress import Progress

    from llmkit.cli.terminal import RateColumn, rate_columns

    now = 0.0
    shown = Progress(*rate_columns(), get_time=lambda: now)
    shown.add_task("documents", total=100, completed=40)
    [task] = shown.tasks
    assert RateColumn().render(task).plain == ""
    for now in (1.0, 2.0, 3.0):
        shown.update(task.id, completed=40 + int(now) * 5)
    assert RateColumn().render(task).plain == "5.0 a second"
