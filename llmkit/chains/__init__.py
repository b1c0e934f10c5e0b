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

from typing import TYPE_CHECKING

from llmkit.lazy import lazy as _lazy
from llmkit.lazy import take_over as _take_over

if TYPE_CHECKING:
    from llmkit.chains.answers.answer import Answer, Citation
    from llmkit.chains.classification import Classification, ZeroShotClassificationChain
    from llmkit.chains.entities.entity import Entity
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
    "Answer": "answers.answer",
    "Citation": "answers.answer",
    "Classification": "classification",
    "Entity": "entities.entity",
    "NERChain": "ner",
    "Progress": "rounds",
    "QAChain": "question_answering",
    "SourcePassage": "sources",
    "SummarizationChain": "summarization",
    "Summary": "summarization",
    "WebQAChain": "web_answers",
    "ZeroShotClassificationChain": "classification",
}

__getattr__, __dir__ = _lazy("llmkit.chains", _HOMES)

if __name__ != "llmkit.chains":  # it was reached by the link at the root of a checkout
    _take_over("llmkit.chains")
