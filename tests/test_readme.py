"""The README is correct: its Python code runs, its setup commands are tested and its links exist."""

import re
from pathlib import Path

import pytest

from llmkit import HuggingFaceChat

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def loaded(default_model_folder) -> HuggingFaceChat:
    """Keep one model alive, so that the models that the code constructs share its weights."""
    return HuggingFaceChat()


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_python_code_runs(number, capsys):
    exec(compile(BLOCKS[number], f"README.md, block {number + 1}", "exec"), {"__name__": "__main__"})
    assert "print(" not in BLOCKS[number] or capsys.readouterr().out.strip()


def test_there_are_exactly_two_setup_commands():
    commands = [line.strip() for line in README.splitlines() if line.strip().startswith("python3 -m venv")]
    assert len(commands) == 2
    assert commands[0].endswith(".venv/bin/llmkit chat")
    assert commands[1].endswith("scripts/check")


def test_links_to_files_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target
