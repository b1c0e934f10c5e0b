from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(not (ROOT / "prompts").is_symlink(), reason="the link is only in a checkout that keeps links")
@pytest.mark.parametrize("first", ["import prompts", "import llmkit.prompts", "import prompts.selectors"])
def test_the_link_at_the_root_gives_the_very_same_package(first):
    assert run(
        f"{first}\n"
        "import prompts, llmkit.prompts, prompts.selectors, llmkit.prompts.selectors\n"
        "from prompts import TaskPrompt\n"
        "assert prompts is llmkit.prompts and TaskPrompt is llmkit.prompts.TaskPrompt\n"
        "assert prompts.selectors is llmkit.prompts.selectors\n"
        "print(TaskPrompt.__module__)"
    ) == ("llmkit.prompts.prompt")


def test_importing_prompts_loads_no_torch():
    heavy = "{'torch', 'transformers', 'sentence_transformers', 'bm25s'}"
    assert run(f"import sys, llmkit.prompts; print(sorted({heavy} & set(sys.modules)))") == "[]"
