"""Applications that stand on prompts and a model: each is a LangChain `Runnable` that gives a frozen result.

    summarization       summaries/: sources, reduction
    classification      labels/: likelihood, priors, shots; or choosing
    ner                 entities/: mentions, kinds, weighing, lessons; or naming
    question_answering  answers/: question, extraction, writing, threshold; or quoting
    web_answers         fetched pages before that

A folder holds what one chain alone is made of, and is named for what that chain gives; no folder knows another. What
several of them stand on is here:

    chain, checks, texts            what all chains are, and what they are given
    capabilities                    what a model can do: tell likelihoods, or hold what it writes to a schema
    label_set, calibration          the labels in a model's words; scores -> probabilities
    words, spans                    what stands in a text, and how likely each of it is
    rounds, tidy                    what a model is asked to write, and its answer made fit to print

The names below are loaded when first used, so that what is light here stays so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmkit.lazy import lazy as _lazy
from llmkit.lazy import take_over as _take_over

if TYPE_CHECKING:
    from llmkit.chains.calibration import Calibration, CalibrationReport
    from llmkit.chains.classification.chain import ZeroShotClassificationChain
    from llmkit.chains.classification.contextual_calibration import ClassificationTuning
    from llmkit.chains.classification.results import Classification
    from llmkit.chains.lockstep import Progress
    from llmkit.chains.ner.chain import NERChain
    from llmkit.chains.ner.results import Entity
    from llmkit.chains.qa.chain import QAChain
    from llmkit.chains.qa.results import Answer, Citation
    from llmkit.chains.qa.web import WebQAChain
    from llmkit.chains.summarization.chain import SummarizationChain, Summary
    from llmkit.chains.summarization.documents import SourcePassage

__all__ = [
    "Answer",
    "Calibration",
    "CalibrationReport",
    "Citation",
    "Classification",
    "ClassificationTuning",
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
    "Answer": "qa.results",
    "Citation": "qa.results",
    "Calibration": "calibration",
    "CalibrationReport": "calibration",
    "Classification": "classification.results",
    "ClassificationTuning": "classification.contextual_calibration",
    "Entity": "ner.results",
    "NERChain": "ner.chain",
    "Progress": "lockstep",
    "QAChain": "qa.chain",
    "SourcePassage": "summarization.documents",
    "SummarizationChain": "summarization.chain",
    "Summary": "summarization.chain",
    "WebQAChain": "qa.web",
    "ZeroShotClassificationChain": "classification.chain",
}

__getattr__, __dir__ = _lazy("llmkit.chains", _HOMES)

if __name__ != "llmkit.chains":  # it was reached by the link at the root of a checkout
    _take_over("llmkit.chains")
