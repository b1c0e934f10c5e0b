"""The examples of docs/served.md run."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.counting_model import NAME, counting_llm, counting_server

PAGE = (Path(__file__).parents[3] / "docs" / "served.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_examples_run(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"tokenizer": counting_llm().engine.loaded.tokenizer}
    with counting_server() as server:
        block = BLOCKS[number].replace("http://127.0.0.1:8000/v1", server.url)
        block = block.replace('"Qwen/Qwen2.5-0.5B-Instruct", temp', f'"{NAME}", tokenizer=tokenizer, temp')
        exec(block.replace("Qwen/Qwen2.5-0.5B-Instruct", NAME), names)
    assert type(names["llm"]).__name__ in ("ServedChat", "ScoringChatOpenAI")
    assert "scores" not in names or names["scores"].shape == (1, 2)
