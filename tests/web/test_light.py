"""What is imported when."""

import subprocess
import sys


def test_no_library_is_loaded_before_a_page_is_wanted():
    program = "import sys, llmkit.web; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"requests", "urllib3", "bs4", "trafilatura", "lxml", "langchain_core", "hishel"}.isdisjoint(loaded)


def test_pages_need_no_model():
    program = "import sys; from llmkit.web import read; read('<p>x'); import llmkit.web.download; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "trafilatura" in loaded
    assert {"torch", "transformers"}.isdisjoint(loaded)
