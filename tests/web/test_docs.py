"""The guide to web pages says what is so: its code runs, with a page of this machine in place of the one it names."""

import re
from pathlib import Path
from typing import Any

from tests.support.site import TEXT

GUIDE = (Path(__file__).parents[2] / "docs" / "web.md").read_text(encoding="utf-8")


def test_the_guide_runs(site, capsys):
    names: dict[str, Any] = {}
    local = f'fetch("{site.page()}", allow_private=True)'
    for code in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL):
        exec(re.sub(r'fetch\("[^"]+"\)', local, code), names)
    assert names["page"].page_content == TEXT
    assert names["notice"].page_content == TEXT
    printed = capsys.readouterr().out
    assert "Obey" not in printed
    assert "#:~:text=The%20lift%20is%20repaired-,on%20Thursday,-." in printed
