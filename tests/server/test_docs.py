"""The examples of docs/serve.md run, and it names every route."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_server import api_server

PAGE = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The class `OpenAIDecisions` is in beta")
def test_the_examples_run(default_llm, capsys):
    names: dict[str, Any] = {}
    with api_server(default_llm, name="smollm2-135m") as server:
        for block in BLOCKS:
            exec(block.replace("http://127.0.0.1:8321", server.url), names)
        names["client"].close()
    printed = capsys.readouterr().out
    assert "Paris" in printed
    assert "sports" in printed


def test_every_route_is_named():
    from llmkit.server.app import ROUTES

    for path in {route.path for route in ROUTES} - {"/v1/models/{name:path}"}:
        assert f" {path}`" in PAGE or f"`{path.rpartition('/')[2]}`" in PAGE, path
