"""llmkit: dependable text applications on local Hugging Face models, inside LangChain.

The names below are loaded when first used: `import llmkit` itself loads no torch, transformers or requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmkit.lazy import lazy as _lazy

if TYPE_CHECKING:
    from llmkit.errors import ContextWindowExceeded, LlmkitError
    from llmkit.models.chat import HuggingFaceChat
    from llmkit.models.llm import HuggingFaceLLM
    from llmkit.models.settings import GenerationSettings

__version__ = "0.1.0"
__all__ = ["ContextWindowExceeded", "GenerationSettings", "HuggingFaceChat", "HuggingFaceLLM", "LlmkitError"]

_HOMES = {
    "ContextWindowExceeded": "errors",
    "GenerationSettings": "models.settings",
    "HuggingFaceChat": "models.chat",
    "HuggingFaceLLM": "models.llm",
    "LlmkitError": "errors",
}

__getattr__, __dir__ = _lazy("llmkit", _HOMES)
