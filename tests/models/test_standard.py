"""LangChain's standard test suites, with every feature that a text model can have.

The unit suite skips serialization, which a local model does not support; the integration suite skips the features that
are not set below, such as images, audio and files.
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
def loaded_model(default_model_folder: Path) -> HuggingFaceChat:
    """Keep one model alive, so that the models that the tests construct share its weights."""
    return HuggingFaceChat(dtype="float32")


@pytest.mark.usefixtures("loaded_model")
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


@pytest.mark.usefixtures("loaded_model")
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
