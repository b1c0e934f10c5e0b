"""Prompts that fit: texts with fields, examples chosen for an input, and a budget exact to the token.

library (a name -> a prompt text) -> selectors (an input -> ranked examples) -> rendering (messages or plain text)
-> budget (as many examples as fit) -> FittedPrompt.

The names below are loaded when first used: `import llmkit.prompts` itself loads no LangChain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmkit.lazy import lazy as _lazy
from llmkit.lazy import take_over as _take_over

if TYPE_CHECKING:
    from llmkit.prompts.budget import FittedPrompt
    from llmkit.prompts.library import list_prompts
    from llmkit.prompts.prompt import TaskPrompt
    from llmkit.prompts.report import Report
    from llmkit.prompts.selectors import BalancedExamples, ExampleSelector, FirstExamples, RandomExamples
    from llmkit.prompts.similarity import DiverseExamples, LexicalExamples, SimilarExamples

__all__ = [
    "BalancedExamples",
    "DiverseExamples",
    "ExampleSelector",
    "FirstExamples",
    "FittedPrompt",
    "LexicalExamples",
    "RandomExamples",
    "Report",
    "SimilarExamples",
    "TaskPrompt",
    "list_prompts",
]

__getattr__, __dir__ = _lazy(
    "llmkit.prompts",
    {
        "budget": ["FittedPrompt"],
        "library": ["list_prompts"],
        "prompt": ["TaskPrompt"],
        "report": ["Report"],
        "selectors": ["BalancedExamples", "ExampleSelector", "FirstExamples", "RandomExamples"],
        "similarity": ["DiverseExamples", "LexicalExamples", "SimilarExamples"],
    },
)

if __name__ != "llmkit.prompts":  # it was reached by the link at the root of a checkout
    _take_over("llmkit.prompts")
