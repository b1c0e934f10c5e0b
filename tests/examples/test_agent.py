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
    assert "get_weather" in out
    assert "It is sunny in Paris" in out
    assert "Ai Message" in out.split("Tool Message")[1]
