"""Applications that stand on prompts and a model: each is a LangChain `Runnable` that gives a frozen result.

summarization       sources -> reduction, rounds -> tidy
classification      texts, labels, spoken -> likelihood, priors, shots -> calibration; or choosing
ner                 mentions, kinds -> weighing -> solved, lessons -> entities; or naming
question_answering  answers -> extraction -> threshold; then writing; or quoting
web_answers         pages before that
chain, checks, spans, structured: what they share

The names below are loaded when first used, so that what is light here stays so.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmkit.chains.answers import Answer, Citation
    from llmkit.chains.classification import Classification, ZeroShotClassificationChain
    from llmkit.chains.entities import Entity
    from llmkit.chains.ner import NERChain
    from llmkit.chains.question_answering import QAChain
    from llmkit.chains.rounds import Progress
    from llmkit.chains.sources import SourcePassage
    from llmkit.chains.summarization import SummarizationChain, Summary
    from llmkit.chains.web_answers import WebQAChain

__all__ = [
    "Answer",
    "Citation",
    "Classification",
    "Entity",
    "NERChain",
    "Progress",
    "QAChain",
    "SourcePassage",
    "SummarizationChain",
    "Summary",
    "WebQAChain",
    "ZeroShotClassificationChain",
]

_HOMES = {
    "Answer": "answers",
    "Citation": "answers",
    "Classification": "classification",
    "Entity": "entities",
    "NERChain": "ner",
    "Progress": "rounds",
    "QAChain": "question_answering",
    "SourcePassage": "sources",
    "SummarizationChain": "summarization",
    "Summary": "summarization",
    "WebQAChain": "web_answers",
    "ZeroShotClassificationChain": "classification",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'llmkit.chains' has no attribute {name!r}")
    return getattr(import_module(f"llmkit.chains.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]


# From a checkout's root, `import chains` follows the link `chains -> llmkit/chains` and runs this file under
# another name. The real package is loaded, all of it, and takes over that name: every class exists once.
if __name__ != "llmkit.chains":
    for _each in iter_modules(__path__, "llmkit.chains."):
        import_module(_each.name)
    sys.modules.update(
        {
            name.removeprefix("llmkit."): module
            for name, module in list(sys.modules.items())
            if name.startswith("llmkit.chains")
        }
    )
