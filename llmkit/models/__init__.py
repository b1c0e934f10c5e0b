"""Local Hugging Face models as LangChain models.

Data flow: catalog (a name -> a folder) -> loading (a folder -> weights and tokenizer) -> chat template
(messages -> token ids) -> engine (token ids -> token ids) -> detokenizer (token ids -> text) -> chat, llm (LangChain).
The names below are loaded when first used: `import llmkit.models` loads no torch. It sets `GOMP_SPINCOUNT` for the
torch that is imported later, unless the environment says how OpenMP's threads wait (see `llmkit.models.openmp`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmkit.lazy import lazy as _lazy
from llmkit.models.openmp import limit_busy_waiting as _limit_busy_waiting

if TYPE_CHECKING:
    from llmkit.models.chat import HuggingFaceChat
    from llmkit.models.decisions import HuggingFaceDecisions
    from llmkit.models.embeddings import default_embedder
    from llmkit.models.encoder import HuggingFaceEncoder
    from llmkit.models.generation.settings import GenerationSettings
    from llmkit.models.llm import HuggingFaceLLM
    from llmkit.models.served import ServedChat

DEFAULT_MODEL = "smollm2-135m"
DEFAULT_EMBEDDER = "minilm-l6"

__all__ = [
    "DEFAULT_EMBEDDER",
    "DEFAULT_MODEL",
    "GenerationSettings",
    "HuggingFaceChat",
    "HuggingFaceDecisions",
    "HuggingFaceEncoder",
    "HuggingFaceLLM",
    "ServedChat",
    "default_embedder",
]

_limit_busy_waiting()

__getattr__, __dir__ = _lazy(
    "llmkit.models",
    {
        "chat": ["HuggingFaceChat"],
        "decisions": ["HuggingFaceDecisions"],
        "embeddings": ["default_embedder"],
        "encoder": ["HuggingFaceEncoder"],
        "generation.settings": ["GenerationSettings"],
        "llm": ["HuggingFaceLLM"],
        "served": ["ServedChat"],
    },
)
