"""Applications that stand on prompts and a model: each is a LangChain `Runnable` that gives a frozen result.

summarization       sources -> reduction, rounds -> tidy
classification      texts, labels -> likelihood, priors, shots -> calibration; or choosing
ner                 mentions, kinds -> weighing -> lessons -> entities; or naming
question_answering  answers -> extraction -> threshold; then writing; or quoting
web_answers         pages before that
chain, checks, spans, structured: what they share
"""

from __future__ import annotations

import sys

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

# From a checkout's root, `import chains` follows the link `chains -> llmkit/chains` and runs this file under
# another name. By now the real package is loaded, and takes over that name: every class exists once.
if __name__ != "llmkit.chains":
    sys.modules.update(
        {
            name.removeprefix("llmkit."): module
            for name, module in list(sys.modules.items())
            if name.startswith("llmkit.chains")
        }
    )
