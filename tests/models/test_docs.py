"""The examples of docs/models.md run."""

import re
from pathlib import Path
from typing import Any

import pytest

from llmkit import HuggingFaceChat
from llmkit.models import HuggingFaceEncoder
from tests.support import encoders

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
BLOCKS = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "facebook/" not in block]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[-2][:40])
def test_the_examples_run(block: str, default_llm: HuggingFaceChat) -> None:
    given = encoders.make("Bert", "ForMaskedLM")
    names: dict[str, Any] = {"given": given, "HuggingFaceEncoder": HuggingFaceEncoder}
    exec(block.replace('"google-bert/bert-base-uncased"', "given.model, tokenizer=given.tokenizer"), names)
    if "perplexity" in names:
        assert 1 < names["perplexity"] < 1000
    elif "short" in names:
        assert names["short"].usage_metadata["output_tokens"] <= 8
    elif "result" in names:
        assert (names["result"].label, names["result"].method) == ("sports", "similarity")
    elif "decisions" in names:
        assert set(names["response"].answers) == {"team", "anger", "urgent"}
    elif "jobs" in names:
        assert set(names["scores"]) == {"man", "woman"}
        assert all(set(of_jobs) == set(names["jobs"]) for of_jobs in names["scores"].values())
    else:
        assert names["scores"].shape == (1, 2)
