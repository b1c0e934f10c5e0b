"""llmkit: dependable text applications on local Hugging Face models, inside LangChain.

The names below are loaded when first used: `import llmkit` itself loads no torch, transformers or requests.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmkit.errors import ContextWindowExceeded, LlmkitError
    from llmkit.models.chat import HuggingFaceChat
    from llmkit.models.llm import HuggingFaceLLM
    from llmkit.models.settings import GenerationSettings

__version__ = "0.1.0"
__all__ = ["ContextWindowExceeded", "GenerationSettings", "HuggingFaceChat", "HuggingFaceLLM", "LlmkitError"]

_HOMES = {
    "ContextWindowExceeded": "llmkit.errors",
    "GenerationSettings": "llmkit.models.settings",
    "HuggingFaceChat": "llmkit.models.chat",
    "HuggingFaceLLM": "llmkit.models.llm",
    "LlmkitError": "llmkit.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'llmkit' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
