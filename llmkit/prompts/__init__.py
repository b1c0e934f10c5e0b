"""Prompts that fit: texts with fields, solved examples chosen for an input, and a budget exact to the token.

library (a name -> a prompt text) -> selectors (an input -> ranked examples) -> layout (turns or plain text)
-> budget (as many examples as fit) -> FittedPrompt.

The names below are loaded when first used, so that what is light here stays so.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "BalancedExamples": "selectors",
    "DiverseExamples": "ranking",
    "ExampleSelector": "selectors",
    "FirstExamples": "selectors",
    "FittedPrompt": "budget",
    "LexicalExamples": "ranking",
    "RandomExamples": "selectors",
    "Report": "report",
    "SimilarExamples": "ranking",
    "TaskPrompt": "prompt",
    "names": "library",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'llmkit.prompts' has no attribute {name!r}")
    return getattr(import_module(f"llmkit.prompts.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]


# From a checkout's root, `import prompts` follows the link `prompts -> llmkit/prompts` and runs this file under
# another name. The real package is loaded, all of it, and takes over that name: every class exists once.
if __name__ != "llmkit.prompts":
    for _each in iter_modules(__path__, "llmkit.prompts."):
        import_module(_each.name)
    sys.modules.update(
        {
            name.removeprefix("llmkit."): module
            for name, module in list(sys.modules.items())
            if name.startswith("llmkit.prompts")
        }
    )
