import os
import sys

import pytest

from llmkit.cli.chat.events import Working
from llmkit.cli.chat.screen.characters import ASCII
from llmkit.cli.chat.screen.progress import Progress


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_line_that_tells_how_far_the_work_is_and_goes(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    main, side = os.openpty()
    with os.fdopen(side, "w", encoding="utf-8", newline="") as file:
        progress = Progress(file, ASCII)
        progress.show(Working("reading a\x1b[2J …", 1, 10))
        progress.show(Working("reading a\x1b[2J …", 3, 10))
        assert os.read(main, 1000) == b"\r\x1b[Kreading a^[[2J ... 3/10 1 s"
        progress.stop()
        assert os.read(main, 1000) == b"\r\x1b[K"
        progress.stop()
        progress.show(Working("done at once"))
        progress.stop()
        file.write("nothing in between")
        file.flush()
        assert os.read(main, 1000) == b"nothing in between"
    os.close(main)
