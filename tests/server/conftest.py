"""A tiny model that is served, and OpenAI's client for it."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from tests.support.api_server import ApiServer, api_server, tiny_chat

collect_ignore_glob = [] if find_spec("uvicorn") and find_spec("starlette") else ["test_*.py"]  # the extra `serve`


@pytest.fixture(scope="session")
def server() -> Iterator[ApiServer]:
    with api_server(tiny_chat(max_new_tokens=12)) as running:
        yield running


@pytest.fixture(scope="session")
def client(server: ApiServer) -> Iterator[Any]:
    import openai

    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:
        yield made
