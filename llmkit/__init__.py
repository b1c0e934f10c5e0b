"""llmkit: dependable text applications on local Hugging Face models, inside LangChain.

The names below are loaded when first used: `import llmkit` itself loads no torch, transformers or requests.

The library writes nothing to the terminal; it logs to `logging.getLogger("llmkit")`. What takes long and happens by
itself, such as fetching a model at its first use, is a warning, which Python shows on stderr unless the application
configures logging. `logging.getLogger("llmkit").setLevel(logging.ERROR)` turns it off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmkit.lazy import lazy as _lazy

if TYPE_CHECKING:
    from llmkit.errors import ContextWindowExceeded, LlmkitError
    from llmkit.models.chat import HuggingFaceChat
    from llmkit.models.generation.settings import GenerationSettings
    from llmkit.models.llm import HuggingFaceLLM

__version__ = "0.2.0"
__all__ = ["ContextWindowExceeded", "GenerationSettings", "HuggingFaceChat", "HuggingFaceLLM", "LlmkitError"]

__getattr__, __dir__ = _lazy(
    "llmkit",
    {
        "errors": ["ContextWindowExceeded", "LlmkitError"],
        "models.chat": ["HuggingFaceChat"],
        "models.generation.settings": ["GenerationSettings"],
        "models.llm": ["HuggingFaceLLM"],
    },
)
