"""LangChain's standard integration suite, through its own client for OpenAI's API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

from llmkit import HuggingFaceChat
from tests.support.api_server import ApiServer, api_server

pytestmark = pytest.mark.slow

ASYNC_CLIENT = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0), trust_env=False)
"""Keeps no connection, which would belong to the event loop of an earlier test."""


@pytest.fixture(scope="module")
def served(default_llm: HuggingFaceChat) -> Iterator[ApiServer]:
    with api_server(default_llm, name="smollm2-135m") as server:
        yield server


class TestIntegration(ChatModelIntegrationTests):
    @pytest.fixture(autouse=True)
    def _use(self, served: ApiServer) -> None:
        type(self).url = served.url

    url = ""

    @property
    def chat_model_class(self) -> type[ChatOpenAI]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        where = {"base_url": f"{self.url}/v1", "api_key": "none", "model": "smollm2-135m"}
        return {**where, "max_tokens": 48, "stream_usage": True, "http_async_client": ASYNC_CLIENT}

    @property
    def has_structured_output(self) -> bool:
        """No: strings of so small a model end where their tokens do, and the client takes that for an error."""
        return False
