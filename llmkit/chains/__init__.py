"""Chains: each task as a LangChain `Runnable` with a frozen result.

    classification/   ZeroShotClassificationChain: labels scored after the text
    ner/              NERChain: spans of the text scored as entities
    qa/               QAChain: sentences retrieved, their spans scored as answers; WebQAChain: fetches pages before that
    summarization/    SummarizationChain: one prompt, or map-reduce over passages
    capabilities      what chains ask of a model that is no language model, such as `HuggingFaceEncoder`
    base              the plan of every chain: `prepare` one input, `run` all of them together

The four folders do not import each other. The names below are loaded when first used, so that an import stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmkit.lazy import lazy as _lazy
from llmkit.lazy import take_over as _take_over

if TYPE_CHECKING:
    from llmkit.chains.calibration import Calibration, CalibrationReport, ExamplesReport, TriedUse
    from llmkit.chains.classification.chain import ZeroShotClassificationChain
    from llmkit.chains.classification.contextual_calibration import ClassificationTuning
    from llmkit.chains.classification.label_sets import LabelSet
    from llmkit.chains.classification.results import Classification
    from llmkit.chains.guarantees.guarantee import Guarantee
    from llmkit.chains.lockstep import Progress
    from llmkit.chains.ner.chain import NERChain
    from llmkit.chains.ner.results import Entities, Entity
    from llmkit.chains.ner.tuning import NERTuning
    from llmkit.chains.qa.calibration import QACalibrationReport
    from llmkit.chains.qa.chain import QAChain
    from llmkit.chains.qa.results import Answer, Citation
    from llmkit.chains.qa.tuning import QATuning
    from llmkit.chains.qa.web import WebQAChain
    from llmkit.chains.summarization.chain import SummarizationChain
    from llmkit.chains.summarization.documents import SourcePassage
    from llmkit.chains.summarization.results import Summary, SummarySentence
    from llmkit.chains.summarization.tuning import SummarizationTuning

__all__ = [
    "Answer",
    "Calibration",
    "CalibrationReport",
    "Citation",
    "Classification",
    "ClassificationTuning",
    "Entities",
    "Entity",
    "ExamplesReport",
    "Guarantee",
    "LabelSet",
    "NERChain",
    "NERTuning",
    "Progress",
    "QACalibrationReport",
    "QAChain",
    "QATuning",
    "SourcePassage",
    "SummarizationChain",
    "SummarizationTuning",
    "Summary",
    "SummarySentence",
    "TriedUse",
    "WebQAChain",
    "ZeroShotClassificationChain",
]

__getattr__, __dir__ = _lazy(
    "llmkit.chains",
    {
        "calibration": ["Calibration", "CalibrationReport", "ExamplesReport", "TriedUse"],
        "classification.chain": ["ZeroShotClassificationChain"],
        "classification.contextual_calibration": ["ClassificationTuning"],
        "classification.label_sets": ["LabelSet"],
        "classification.results": ["Classification"],
        "guarantees.guarantee": ["Guarantee"],
        "lockstep": ["Progress"],
        "ner.chain": ["NERChain"],
        "ner.results": ["Entities", "Entity"],
        "ner.tuning": ["NERTuning"],
        "qa.calibration": ["QACalibrationReport"],
        "qa.chain": ["QAChain"],
        "qa.results": ["Answer", "Citation"],
        "qa.tuning": ["QATuning"],
        "qa.web": ["WebQAChain"],
        "summarization.chain": ["SummarizationChain"],
        "summarization.documents": ["SourcePassage"],
        "summarization.results": ["Summary", "SummarySentence"],
        "summarization.tuning": ["SummarizationTuning"],
    },
)

if __name__ != "llmkit.chains":  # it was reached by the link at the root of a checkout
    _take_over("llmkit.chains")
