"""Prompts that fit: texts with fields, solved examples chosen for an input, and a budget exact to the token.

library (a name -> a prompt text) -> selectors (an input -> ranked examples) -> layout (turns or plain text)
-> budget (as many examples as fit) -> FittedPrompt.
"""

from __future__ import annotations

import sys

from llmkit.prompts.budget import FittedPrompt
from llmkit.prompts.library import names
from llmkit.prompts.prompt import TaskPrompt
from llmkit.prompts.ranking import DiverseExamples, LexicalExamples, SimilarExamples
from llmkit.prompts.report import Report
from llmkit.prompts.selectors import BalancedExamples, ExampleSelector, FirstExamples, RandomExamples

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
    "names",
]

# From a checkout's root, `import prompts` follows the link `prompts -> llmkit/prompts` and runs this file
# under another name. By now the real package is loaded, and takes over that name: every class exists once.
if __name__ != "llmkit.prompts":
    sys.modules.update(
        {name.removeprefix("llmkit."): m for name, m in list(sys.modules.items()) if name.startswith("llmkit.prompts")}
    )
