import sys

import pexpect
import pytest

from llmkit.cli import progress

PROGRAM = (
    "import time\nfrom llmkit.cli import progress\n"
    "with progress.bar('steps', quiet={quiet}) as bar:\n"
    "    bar.show(1, 2)\n    time.sleep(1.2)\n    bar.show(2, 4)\n    bar.advance(1)\nprint('done')"
)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("quiet", [False, True])
def test_a_bar_on_a_terminal_after_a_second_which_goes_away(quiet):
    program = PROGRAM.format(quiet=quiet)
    child = pexpect.spawn(sys.executable, ["-c", program], dimensions=(24, 80), encoding="utf-8", timeout=30)
    shown = child.read()
    child.close()
    assert ("2/4" in shown) is not quiet
    assert "1/2" not in shown
    assert shown.split("\r")[-2:] == ["done", "\n"]
    if quiet:
        assert shown == "done\r\n"


def test_no_bar_elsewhere(capsys):
    with progress.bar("steps", total=3) as bar:
        bar.advance(3)
        bar.show(3, 3)
    assert capsys.readouterr().err == ""
