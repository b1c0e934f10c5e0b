"""The examples of docs/models.md run."""

import re
from pathlib import Path
from typing import Any

import pytest

from llmkit import HuggingFaceChat

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
BLOCKS = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "facebook/" not in block]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[-2][:40])
def test_the_examples_run(block: str, default_llm: HuggingFaceChat) -> None:
    names: dict[str, Any] = {}
    exec(block, names)
    if "perplexity" in names:
        assert 1 < names["perplexity"] < 1000
    elif "short" in names:
        assert names["short"].usage_metadata["output_tokens"] <= 8
    else:
        assert names["scores"].shape == (1, 2)
