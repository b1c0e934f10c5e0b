"""`import llmkit.prompts` is fast: it loads no heavy library."""

import subprocess
import sys


def test_importing_prompts_loads_no_heavy_library():
    program = "import sys, llmkit.prompts; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"torch", "transformers", "sentence_transformers", "bm25s", "langchain_core", "yaml"}.isdisjoint(loaded)
