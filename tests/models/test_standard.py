"""LangChain's own standard suites as they come, with every feature on that a text model can have.

The unit suite skips serialization, which a model in this process does not offer; the integration suite skips what its
properties below leave off, such as images, sound and files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from llmkit import HuggingFaceChat

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def kept_loaded(default_model_folder: Path) -> HuggingFaceChat:
    """Every test of the suites makes a model of its own; while one is alive, they share its weights."""
    return HuggingFaceChat(dtype="float32")


@pytest.mark.usefixtures("kept_loaded")
class TestUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[HuggingFaceChat]:
        return HuggingFaceChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"LLMKIT_MODEL": "smollm2-135m"}, {}, {"model": "smollm2-135m"}


@pytest.mark.usefixtures("kept_loaded")
class TestIntegration(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[HuggingFaceChat]:
        return HuggingFaceChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "smollm2-135m", "dtype": "float32", "max_tokens": 48}

    @property
    def has_tool_calling(self) -> bool:
        return True

    @property
    def has_tool_choice(self) -> bool:
        return True

    @property
    def has_structured_output(self) -> bool:
        return True

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def returns_usage_metadata(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "smollm2-135m"
