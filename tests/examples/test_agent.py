"""The agent in examples/ calls its tool and answers with the result; the model may name another city."""

import runpy
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

AGENT = Path(__file__).parents[2] / "examples" / "agent.py"


@pytest.mark.usefixtures("default_model_folder")
def test_the_agent_calls_its_tool_and_answers(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["agent.py", "What is the weather in Paris?"])
    runpy.run_path(str(AGENT), run_name="__main__")
    out = capsys.readouterr().out
    call, _, answer = out.partition("Tool Message")
    assert "get_weather" in call
    assert "It is sunny in " in answer
    assert "Ai Message" in answer
